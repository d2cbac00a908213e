//! Expressions on one made-up person: what they give, what they refuse, what they read.

use super::terms::CompileError;
use super::*;
use crate::json::Json;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","active":true,
 "name":[{"use":"official","family":"Marlow","given":["Petra","June"]},
         {"use":"usual","given":["Pet"]},{"use":"maiden","family":"Arden","given":["Petra","June"]}],
 "_birthDate":{"extension":[{"url":"urn:time","valueDateTime":"1951-04-09T14:35:45+01:00"}]},
 "birthDate":"1951-04-09","deceasedBoolean":false,
 "telecom":[{"system":"phone","value":"01632 960473","rank":1},{"system":"phone","value":"x","rank":2}],
 "generalPractitioner":[{"reference":"Organization/o"},{"display":"no address"}],
 "extension":[{"url":"urn:alone","valueBoolean":true},{"url":"urn:score","valueDecimal":1.10},
   {"url":"urn:size","valueQuantity":{"value":10,"unit":"kg"}}],
 "contact":[{"name":{"given":[null,"Ann"],"_given":[{"id":"g"},null]}}]}"#;
const PRACTICE: &str = r#"{"resourceType":"Organization","id":"o","name":"Hilltop Surgery"}"#;

fn compile(source: &str) -> Result<Expression, CompileError> {
    Expression::compile(source, &["patient", "request", "requester", "practice"])
}

/// The texts of a result; an object is `{}`, an element without a value `-`, an error its name.
fn run(source: &str) -> String {
    let patient = Json::of(PATIENT);
    let practice = Json::of(PRACTICE);
    let expression = match compile(source) {
        Ok(expression) => expression,
        Err(error) => return format!("compile {}", error.offset),
    };
    let variables = [
        ("patient", Some(&patient)),
        ("practice", Some(&practice)),
        ("requester", None),
    ];
    let resolve = |text: &str| (text == "Organization/o").then_some(&practice);
    let context = Context {
        focus: Some(&patient),
        variables: &variables,
        resolve: Some(&resolve),
        now: Some("2026-11-22T16:40:06Z"),
        ..Context::default()
    };
    match expression.evaluate(&context) {
        Ok(items) => {
            let texts = items.iter().map(|item| match (item.text(), item) {
                (Some(text), _) => text.into_owned(),
                (None, PathItem::Node(node)) if node.json.is_null() => "-".to_owned(),
                _ => "{}".to_owned(),
            });
            texts.collect::<Vec<_>>().join(",")
        }
        Err(error) => format!("{error:?}"),
    }
}

fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        assert_eq!(run(source), *expected, "{source}");
    }
}

#[test]
fn walks_paths() {
    check(&[
        ("Patient.name.given", "Petra,June,Pet,Petra,June"),
        ("name.where(use = 'official').given.first()", "Petra"),
        ("%patient.name[1].given", "Pet"),
        ("name[7].given", ""),
        ("Observation.name", "compile 12"),
        ("Observation.status", ""),
        ("%practice.name", "Hilltop Surgery"),
        ("%requester.name", ""),
        ("%request.id", "MissingVariable"),
        ("name.given.distinct().count()", "3"),
        ("name.tail().skip(1).family | name.family", "Arden,Marlow"),
        ("name.take(1).select(given | family)", "Petra,June,Marlow"),
        ("name.last().use", "maiden"),
        ("name.single().use", "NotSingle(\"single()\")"),
        ("name.given.where($index = 1)", "June"),
        ("telecom.rank", "1,2"),
        ("generalPractitioner.resolve().name", "Hilltop Surgery"),
        ("generalPractitioner.resolve().ofType(Organization).id", "o"),
        ("generalPractitioner.resolve() is Practitioner", "false"),
        ("`name`.family // the rest is comment", "Marlow,Arden"),
        ("{}", ""),
    ]);
}

#[test]
fn reads_choices_and_extensions() {
    check(&[
        (
            "%patient.extension('urn:alone').value.ofType(boolean)",
            "true",
        ),
        ("%patient.extension('urn:alone').value.ofType(string)", ""),
        ("(extension('urn:alone').value as boolean) and true", "true"),
        ("extension('urn:score').value", "1.10"),
        ("extension('urn:score').value = 1.1", "true"),
        ("extension('urn:size').value.ofType(Quantity).unit", "kg"),
        ("extension('urn:size').value is Quantity", "true"),
        ("deceased", "false"),
        ("deceased.exists() and deceased.not()", "true"),
        ("birth", "compile 0"),
        (
            "birthDate.extension('urn:time').value",
            "1951-04-09T14:35:45+01:00",
        ),
        ("contact.name.given", "-,Ann"),
        ("contact.name.given.join('+')", "Ann"),
        ("contact.name.given.id", "g"),
        ("name.first() is HumanName", "true"),
        ("birthDate.ofType(code)", ""),
        ("birthDate.ofType(date)", "1951-04-09"),
        ("birthDate is integer", "false"),
        ("active is boolean", "true"),
        ("extension.where(url = 'urn:none').value", ""),
    ]);
}

#[test]
fn keeps_three_valued_logic() {
    let values = [("true", Some(true)), ("false", Some(false)), ("{}", None)];
    for (left_text, left) in values {
        for (right_text, right) in values {
            let and = match (left, right) {
                (Some(false), _) | (_, Some(false)) => "false",
                (Some(true), Some(true)) => "true",
                _ => "",
            };
            let or = match (left, right) {
                (Some(true), _) | (_, Some(true)) => "true",
                (Some(false), Some(false)) => "false",
                _ => "",
            };
            let xor = match (left, right) {
                (Some(left), Some(right)) if left == right => "false",
                (Some(_), Some(_)) => "true",
                _ => "",
            };
            let implies = match (left, right) {
                (Some(false), _) | (_, Some(true)) => "true",
                (Some(true), Some(false)) => "false",
                _ => "",
            };
            for (operator, expected) in
                [("and", and), ("or", or), ("xor", xor), ("implies", implies)]
            {
                let source = format!("{left_text} {operator} {right_text}");
                assert_eq!(run(&source), expected, "{source}");
            }
        }
    }
    check(&[
        ("{}.not()", ""),
        ("active.not()", "false"),
        ("iif(active, 'a', 'b')", "a"),
        ("iif({}, 'a')", ""),
        ("iif('a', 'b')", "compile 0"),
        ("name.iif(true, 1)", "NotSingle(\"iif()\")"),
    ]);
}

#[test]
fn compares_and_calculates_exactly() {
    check(&[
        ("1 + 2 * 3 - 4", "3"),
        ("-1.50 + 1", "-0.50"),
        ("0.1 + 0.2 = 0.3", "true"),
        ("1 / 8", "0.125"),
        ("2 / 3", "0.6666666666666666666666666667"),
        ("1 / 0", ""),
        ("9223372036854775807 + 1", "Inexact(\"+\")"),
        ("1.31 ~ 1.3", "true"),
        ("'a' + {}", ""),
        ("'a' & {} & 'b'", "ab"),
        ("'A  b' ~ 'a B'", "true"),
        ("birthDate < @2000", "true"),
        ("birthDate = @1951", ""),
        ("birthDate >= @1951-04-09", "true"),
        ("birthDate > 5", "WrongType(\"a comparison\")"),
        ("@2026-11-20T10:00:00+01:00 = @2026-11-20T09:00:00Z", "true"),
        ("{} = 1", ""),
        ("{} ~ {}", "true"),
        ("1 != 2", "true"),
        ("'a' = 1", "false"),
        ("name.given = 'Pet'", "false"),
        ("'Pet' in name.given", "true"),
        ("name.given contains 'Bob'", "false"),
        ("name[0] = name[0]", "true"),
        ("name[0] = name[2]", "false"),
        ("name.given > 'a'", "NotSingle(\"a comparison\")"),
        ("1 | 1.0 | 2", "1,2"),
    ]);
}

#[test]
fn works_on_texts() {
    check(&[
        ("name.first().given.join(' ')", "Petra June"),
        ("'a;b'.split(';')", "a,b"),
        ("'ab'.replace('b', 'c')", "ac"),
        ("'é12'.substring(1, 1)", "1"),
        ("'abc'.substring(3)", ""),
        ("'abc'.substring(1)", "bc"),
        (
            "'abc'.startsWith('ab') and 'abc'.endsWith('bc') and 'abc'.contains('b')",
            "true",
        ),
        ("telecom[0].value.matches('^01632')", "true"),
        ("' x '.trim().upper().lower().length()", "1"),
        ("'12'.toInteger() + true.toInteger()", "13"),
        ("'1x'.toInteger()", ""),
        ("1.50.toString()", "1.50"),
        ("active.toString()", "true"),
        ("name.all(given.exists())", "true"),
        ("name.exists(family = 'Arden')", "true"),
        ("name.empty()", "false"),
        (
            "telecom.rank.first().upper()",
            "WrongType(\"a text function\")",
        ),
        ("%sct", "http://snomed.info/sct"),
    ]);
}

#[test]
fn refuses_with_place_and_help() {
    for (source, offset, help) in [
        ("name.frist()", 5, "first()"),
        ("name.slice('a')", 5, "profiles"),
        ("today()", 0, "day it is run"),
        ("getResourceKey()", 0, "write id"),
        ("name.given.nmae", 11, "name"),
        ("Pateint.name", 0, "Patient"),
        (
            "%patent.name",
            0,
            "%patient, %request, %requester, %practice",
        ),
        ("value.ofType(Quantty)", 13, "Quantity"),
        ("extension('u').valueBoolean", 15, "value.ofType(boolean)"),
        ("extension(url)", 0, "extension('https"),
        ("name.where()", 5, "where() takes 1 to 1"),
        ("'a'.matches(name)", 12, "regular expression"),
        ("'a'.matches('(')", 12, "look-around"),
        ("$totl", 0, "$this"),
        ("@T10:00Z", 0, "no offset"),
        ("@2026-02-30", 0, "@2026-11-01"),
        ("'open", 0, "close"),
        ("1 /* b", 2, "close it"),
        ("1 #", 2, "single quotes"),
        ("(1", 2, ""),
        ("1 b", 2, ""),
        ("1.", 2, ""),
        ("", 0, ""),
        (r"'\x'", 1, "known are"),
    ] {
        let error = compile(source).unwrap_err();
        assert_eq!(error.offset, offset, "{source}: {error}");
        assert!(error.help.contains(help), "{source}: {}", error.help);
    }
}

#[test]
fn has_limits() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(run(&nested(63)), "1");
    assert!(compile(&nested(64)).is_err());
    assert!(compile(&"1+".repeat(70)).is_err());
    assert!(compile(&format!("{}1", "1+".repeat(60))).is_ok());
    assert!(compile(&" ".repeat(2_001)).is_err());
    let calls = format!(
        "{}active = true{}",
        "select(1 = 1 and where(".repeat(15),
        "))".repeat(15)
    );
    assert_eq!(run(&calls), "true");
    let deep = format!("id{}", ".id".repeat(600));
    assert_eq!(run(&deep), "");
    let doubling = format!(
        "'{}'{}",
        "x".repeat(64),
        ".select($this + $this)".repeat(60)
    );
    assert_eq!(run(&doubling), "TooManySteps");
    let doubling = format!("name{}", ".iif(use, text, given)".repeat(60));
    let reads = compile(&doubling).unwrap().reads();
    assert!(matches!(reads, Reads::Unbounded { .. }));
}

fn reads_of(source: &str) -> String {
    match compile(source).unwrap().reads() {
        Reads::Unbounded { .. } => "unbounded".to_owned(),
        Reads::Paths(paths) => {
            let texts = paths.iter().map(|read| {
                let root = match &read.root {
                    Root::Focus => "",
                    Root::Variable(name) => name,
                };
                format!("{root}:{}", read.path.join("."))
            });
            texts.collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn tells_what_it_reads() {
    for (source, expected) in [
        ("%patient.name.given", "patient:name.given"),
        ("Patient.name.first().given", ":name.given"),
        (
            "%patient.extension('urn:x').value.ofType(boolean)",
            "patient:extension.url patient:extension.value",
        ),
        (
            "%patient.name.where(use = 'usual').family",
            "patient:name.family patient:name.use",
        ),
        (
            "iif(%patient.active, %request.id, 'x')",
            "patient:active request:id",
        ),
        ("%patient", "patient:"),
        ("%patient.name.exists()", "patient:name"),
        (
            "%patient.name.where($this.given = %practice.name)",
            "patient:name patient:name.given practice:name",
        ),
        (
            "%patient.name[%request.priority.length()].use",
            "patient:name.use request:priority",
        ),
        ("name.select(given & %resource.id)", ":id :name.given"),
        ("'a'.startsWith(%patient.gender)", "patient:gender"),
        (
            "(%patient.name | %patient.contact.name).family",
            "patient:contact.name patient:contact.name.family patient:name patient:name.family",
        ),
        ("%request.subject.resolve().name", "unbounded"),
        ("%patient.children()", "patient:"),
        (
            "%patient.contact.descendants().where(given.exists()).family",
            "patient:contact patient:contact.family patient:contact.given",
        ),
        (
            "%request.repeat(note | %practice.name).text",
            "practice:name practice:name.note practice:name.text request: request:note request:note.note request:note.text",
        ),
        (
            "%patient.name.aggregate($total | $this.given, %practice.alias)",
            "patient:name patient:name.given practice:alias",
        ),
        (
            "%patient.name.sort(family).trace('x', use).given",
            "patient:name patient:name.family patient:name.given patient:name.use",
        ),
        (
            "%patient.name.given.replaceMatches('a', %patient.gender)",
            "patient:gender patient:name.given",
        ),
        (
            "%patient.name.combine(%practice.contact.name).given",
            "patient:name patient:name.given practice:contact.name practice:contact.name.given",
        ),
        ("'text'", ""),
    ] {
        assert_eq!(reads_of(source), expected, "{source}");
    }
}

#[test]
fn nested_repeats_cannot_be_listed() {
    let nested = format!("{}name{}", "repeat(".repeat(30), ")".repeat(30));
    assert_eq!(reads_of(&nested), "unbounded");
}

#[test]
fn knows_what_can_never_be() {
    let environment = Environment {
        focus: Some("ServiceRequest"),
        variables: &[("patient", Some("Patient"))],
        ..Environment::default()
    };
    for (source, offset, help) in [
        ("Patient.name", 0, "%patient"),
        ("status.given", 7, "nearest"),
        ("%patient.name.given.first().family", 28, "nearest"),
        ("%patient.performer", 9, "nearest"),
        ("%patient.name.where(value = 'x')", 20, "nearest is"),
        ("%patient.name.upper()", 14, "text"),
        ("%patient.children().first()", 20, "where()"),
        ("iif(%patient.name, 1, 2)", 0, "exists()"),
        ("occurrence.ofType(Period).value", 26, "nearest"),
        ("'a'.family", 4, "no elements"),
    ] {
        let error = Expression::compile_in(source, &environment).unwrap_err();
        assert_eq!(error.offset, offset, "{source}: {error}");
        assert!(error.help.contains(help), "{source}: {}", error.help);
    }
    for source in [
        "ServiceRequest.status",
        "occurrence.start",
        "contained.name.family",
        "contained.where($this is Patient).name.family",
        "%patient.extension('u').value.coding.code",
        "DomainResource.meta.lastUpdated",
        "subject.resolve().name",
        "status.type().name",
        "note.aggregate($total + 1, priority.length())",
        "code.coding.where(system = %sct).code",
    ] {
        assert!(
            Expression::compile_in(source, &environment).is_ok(),
            "{source}"
        );
    }
}

#[test]
fn moves_and_measures() {
    check(&[
        ("birthDate + 1 month", "1951-05-09"),
        ("birthDate - 2 years", "1949-04-09"),
        ("birthDate + 1 'cm'", "WrongType(\"+\")"),
        ("@2026-11-22 >= birthDate + 75 years", "true"),
        ("extension('urn:size').value > 9 'kg'", "UnitUnknown"),
        ("4 'g' = 4000 'mg'", "true"),
        ("4 'g' = 4 'mmol/L'", "UnitUnknown"),
        ("1 year = 12 months", "true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "true"),
        ("(4 'cm' * 2).toString()", "8 'cm'"),
        ("10 div 3 + 10 mod 3", "4"),
        ("(1|2|3).aggregate($this + $total, 0)", "6"),
        ("@T10:30.lowBoundary(9223372036854775807)", ""),
        ("@2026 - 9223372036854775807 years", "WrongType(\"-\")"),
        ("@2026 - 768614336404564650 years", ""),
        (
            "(-170141183460469231731687303715884105727).abs()",
            "compile 2",
        ),
        ("'16'.toDecimal().sqrt()", "4"),
        ("name.repeat(given).count()", "3"),
        ("name.given.type().name.distinct()", "string"),
        ("contact.name.given.hasValue()", "false"),
        ("name.given.sort().first()", "June"),
        ("name.given.sort(-$this).first()", "Petra"),
        (
            "name.sort(-family).use",
            "Undecided(\"sort() down with no key\")",
        ),
        ("extension('urn:alone').value is boolean", "true"),
        ("extension('urn:alone').value is Boolean", "false"),
    ]);
}

#[test]
fn shows_no_values() {
    let patient = Json::of(PATIENT);
    let expression = compile("name.given | 'x'").unwrap();
    let context = Context {
        focus: Some(&patient),
        ..Context::default()
    };
    let shown = format!("{:?}", expression.evaluate(&context).unwrap());
    assert!(
        !shown.contains("Petra") && !shown.contains("Pet"),
        "{shown}"
    );
    assert!(
        compile("subject.resolve()")
            .unwrap()
            .evaluate(&context)
            .unwrap_err()
            == EvaluateError::NoResolver
    );
}
