//! Attempts to get round `[share]`: each is refused by `kith check` with its code, in the line that tries it.
//!
//! A line that must be refused ends in `#! CODE`; nothing else may be an error. All attempts are files of one folder, so one
//! run judges them all, as it would judge a region's partners.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::disclosure::CONFIG;
use super::support::edit::replace;
use super::support::home::Home;

/// Expressions of a column that may see `patient.extension` and nothing else; each with the code that refuses it.
const EXPRESSIONS: [(&str, &str); 74] = [
    ("%patient", "PTR-002"),
    ("%patient.name.family", "PTR-002"),
    ("%patient.name.given.join(' ')", "PTR-002"),
    ("%patient.ofType(Patient).name.family", "PTR-002"),
    ("(%patient as Patient).name.family", "PTR-002"),
    ("%patient.children()", "PTR-002"),
    ("%patient.descendants().ofType(string)", "PTR-002"),
    (
        "%patient.children().children().ofType(string).first()",
        "PTR-002",
    ),
    ("%patient.repeat(children()).ofType(string)", "PTR-002"),
    ("%patient.repeat(contact).name.family", "PTR-002"),
    ("%patient.repeat($this | %patient.name)", "PTR-002"),
    ("%patient.text.div", "PTR-002"),
    ("%patient.meta.tag.display", "PTR-002"),
    ("%patient.id", "PTR-002"),
    (
        "%patient.identifier.where(system = 'https://fhir.nhs.uk/Id/nhs-number').value",
        "PTR-002",
    ),
    ("%patient.contact.extension.value.ofType(string)", "PTR-002"),
    ("%patient.name.extension.value.ofType(string)", "PTR-002"),
    ("%patient.modifierExtension.value.ofType(string)", "PTR-002"),
    ("%patient.name.type().name", "PTR-002"),
    ("%patient.extension.value | %patient.name.family", "PTR-002"),
    ("%patient.extension.combine(%patient.name)", "PTR-002"),
    (
        "%patient.extension.union(%patient.contact.extension)",
        "PTR-002",
    ),
    (
        "%patient.extension.intersect(%patient.contact.extension)",
        "PTR-002",
    ),
    (
        "%patient.extension.exclude(%patient.contact.extension)",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first() & %patient.name.family.first()",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first() + %patient.name.family.first()",
        "PTR-002",
    ),
    (
        "%patient.extension.url.join(%patient.name.family.first())",
        "PTR-002",
    ),
    (
        "%patient.extension.url.split(%patient.name.family.first())",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first().replace('x', %patient.name.family.first())",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first().indexOf(%patient.name.family.first())",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first().substring(%patient.name.count())",
        "PTR-002",
    ),
    (
        "%patient.extension.url.first().startsWith(%patient.name.family.first())",
        "PTR-002",
    ),
    (
        "%patient.extension(%patient.name.family.first()).value",
        "PTR-004",
    ),
    (
        "%patient.extension.where(%patient.name.family = 'Smith').url",
        "PTR-002",
    ),
    (
        "%patient.extension.where(%patient.deceased.exists()).url",
        "PTR-002",
    ),
    (
        "%patient.extension.select(%patient.telecom.value)",
        "PTR-002",
    ),
    (
        "%patient.extension.select($index + %patient.name.count())",
        "PTR-002",
    ),
    (
        "%patient.extension.select($this | %patient.name)",
        "PTR-002",
    ),
    ("%patient.extension.all(%patient.active)", "PTR-002"),
    (
        "%patient.extension.exists(%patient.maritalStatus.exists())",
        "PTR-002",
    ),
    (
        "%patient.extension.skip(%patient.name.count()).url",
        "PTR-002",
    ),
    (
        "%patient.extension.take(%patient.telecom.count()).url",
        "PTR-002",
    ),
    (
        "%patient.extension[%patient.telecom.count()].url",
        "PTR-002",
    ),
    (
        "%patient.extension.trace('x', %patient.name.family).url",
        "PTR-002",
    ),
    (
        "%patient.extension.aggregate($total & %patient.name.family.first(), '')",
        "PTR-002",
    ),
    (
        "%patient.extension.aggregate($total, %patient.birthDate)",
        "PTR-002",
    ),
    ("iif(%patient.gender = 'female', 'F', 'M')", "PTR-002"),
    (
        "iif(true, %patient.name.family, %patient.extension.url)",
        "PTR-002",
    ),
    ("%patient.name.family.exists()", "PTR-002"),
    ("%patient.name.family.first().length()", "PTR-002"),
    (
        "%patient.name.family.first() in ('Smith' | 'Jones')",
        "PTR-002",
    ),
    ("%patient.birthDate < @1960-01-01", "PTR-002"),
    (
        "%patient.extension.exists() implies %patient.deceased.exists()",
        "PTR-002",
    ),
    ("-(%patient.multipleBirth.ofType(integer))", "PTR-002"),
    ("%patient.managingOrganization.resolve().name", "PTR-005"),
    ("%patient.link.other.resolve().name.family", "PTR-005"),
    (
        "%patient.extension.value.ofType(Reference).resolve()",
        "PTR-005",
    ),
    ("subject.resolve().name.family", "PTR-005"),
    ("subject.display", "PTR-002"),
    ("$this.note.text", "PTR-002"),
    ("ServiceRequest.note.text", "PTR-002"),
    ("%resource.note.text", "PTR-002"),
    ("%context.reasonCode.text", "PTR-002"),
    ("%rootResource.patientInstruction", "PTR-002"),
    ("%request.extension.value.ofType(string)", "PTR-002"),
    ("contained.ofType(Patient).name.family", "PTR-002"),
    ("contained.descendants().ofType(string)", "PTR-002"),
    ("text.div", "PTR-002"),
    ("identifier.value", "PTR-002"),
    ("%requester.name.family", "PTR-002"),
    ("%role.code.text", "PTR-002"),
    ("%practice.contact.name.text", "PTR-002"),
    ("%consent.status", "PTR-004"),
    (
        "%patient.extension.url.first().matches(%patient.name.family.first())",
        "PTR-004",
    ),
];

/// Share lists, with a column or criterion that wants more than they say.
const SHARES: [(&str, &str, &str); 34] = [
    // A whole resource, a wildcard, other spellings of a name: none is an entry.
    (
        "'patient'",
        "fhirpath = '%patient.name.family' #! PTR-002\nshare = 'patient'",
        "",
    ),
    (
        "'patient.'",
        "fhirpath = '%patient.name.family' #! PTR-002\nshare = 'patient.'",
        "",
    ),
    (
        "'patient.*'",
        "fhirpath = '%patient.name.family' #! PTR-002\nshare = 'patient.*'",
        "",
    ),
    (
        "'*'",
        "fhirpath = '%patient.name.family' #! PTR-002\nshare = '*'",
        "",
    ),
    (
        "'%patient.maritalStatus'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = '%patient.maritalStatus'",
        "",
    ),
    (
        "'patient.maritalStatus '",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'patient.maritalStatus '",
        "",
    ),
    (
        "'Patient.maritalStatus'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'Patient.maritalStatus'",
        "",
    ),
    (
        "'patient.maritalStatus.'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'patient.maritalStatus.'",
        "",
    ),
    (
        "'patient..maritalStatus'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'patient..maritalStatus'",
        "",
    ),
    (
        "'patient.marital'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'patient.marital'",
        "",
    ),
    (
        "'maritalStatus'",
        "fhirpath = '%patient.maritalStatus.text' #! PTR-002\nshare = 'maritalStatus'",
        "",
    ),
    (
        "'request'",
        "fhirpath = 'note.text' #! PTR-002\nshare = 'request'",
        "",
    ),
    (
        "'referral.note'",
        "fhirpath = 'patientInstruction' #! PTR-002\nshare = 'referral.note'",
        "",
    ),
    // An entry that the list has not, none at all, an empty one, one beside a field.
    (
        "'patient.extension'",
        "fhirpath = '%patient.maritalStatus.text'\nshare = 'patient.maritalStatus' #! PTR-002",
        "PTR-003",
    ),
    (
        "'patient.extension '",
        "fhirpath = '%patient.extension.url'\nshare = 'patient.extension' #! PTR-002",
        "PTR-003",
    ),
    (
        "'patient.extension'",
        "fhirpath = '%patient.extension.url'\nshare = '' #! CFG-006",
        "PTR-003",
    ),
    (
        "'patient.gender'",
        "from = 'patient.family' #! PTR-002\nshare = 'patient.gender' #! CFG-006",
        "",
    ),
    // A part of a group is not the group; an element is not the field that reads it.
    ("'patient.family'", "from = 'patient.name' #! PTR-002", ""),
    (
        "'patient.age_years'",
        "from = 'patient.birth_date' #! PTR-002",
        "",
    ),
    (
        "'patient.postcode'",
        "from = 'patient.address' #! PTR-002",
        "",
    ),
    (
        "'patient.phone'",
        "from = 'patient.phone_home' #! PTR-002",
        "",
    ),
    (
        "'referral.reason_code'",
        "from = 'referral.reason' #! PTR-002",
        "",
    ),
    (
        "'patient.identifier'",
        "from = 'patient.nhs_number' #! PTR-002",
        "PTR-003",
    ),
    (
        "'PATIENT.NAME'",
        "from = 'patient.name' #! PTR-002",
        "PTR-003",
    ),
    (
        "'patient.name '",
        "from = 'patient.name' #! PTR-002",
        "PTR-003",
    ),
    ("'leg.*'", "from = 'patient.name' #! PTR-002", "PTR-003"),
    // What is done to a value does not make it another.
    (
        "'patient.gender'",
        "from = 'patient.name' #! PTR-002\ncodes = { Smith = 'S' }\nunmapped = 'keep'",
        "",
    ),
    (
        "'patient.gender'",
        "from = 'patient.name' #! PTR-002\nmax_length = 10\ntoo_long = 'truncate'",
        "",
    ),
    // Texts are no templates.
    (
        "'patient.gender'",
        "from = 'patient.gender'\ndefault = '{patient.name}' #! PTR-022",
        "",
    ),
    (
        "'patient.gender'",
        "from = 'patient.gender'\njoin = ' %patient.name.family ' #! PTR-022",
        "",
    ),
    (
        "'patient.gender'",
        "from = 'patient.gender'\nunmapped = '{{ patient.nhs_number }}' #! PTR-022\ncodes = { female = 'F' }",
        "",
    ),
    (
        "'patient.gender'",
        "from = 'patient.gender'\nunmapped = 'hold'\ncodes = { female = '${patient.family}' } #! PTR-022",
        "",
    ),
    (
        "'patient.gender'",
        "text = 'for %patient.name.family' #! PTR-022",
        "",
    ),
    (
        "'patient.gender'",
        "text = '{referral.note}' #! PTR-022",
        "",
    ),
];

/// Keys of `[select]` that would tell something of everyone they let through, and file names.
const CRITERIA: [(&str, &str); 7] = [
    ("activities = ['walking']", "PTR-002"),
    ("needs = ['loneliness']", "PTR-002"),
    ("age_years = { min = 18 }", "PTR-002"),
    ("postcodes = ['BS1']", "PTR-002"),
    ("gender = ['female']", "PTR-002"),
    ("practices = ['ZZ001']", "PTR-002"),
    ("risk = 'known'", "CFG-014"),
];
const FILE_NAMES: [(&str, &str); 6] = [
    ("{patient.family}_{sequence}.csv", "PTR-012"),
    ("{sequence}_{patient.nhs_number}.csv", "PTR-012"),
    ("{leg.reference}_{sequence}.csv", "PTR-012"),
    ("{ date }_{sequence}.csv", "PTR-012"),
    ("{sequence}_{{partner}}.csv", "PTR-012"),
    ("../%patient/{sequence}.csv", "PTR-017"),
];

/// A partner file with its parts in their places.
fn partner(id: &str, select: &str, share: &str, file: &str, column: &str) -> String {
    format!(
        "[partner]\nid = '{id}'\nname = 'Partner {id}'\nkind = 'provider'\nidentifier = {{ system = 'https://kith.example/Id/partner', value = '{id}' }}\n\
         [select]\nenabled = false\n{select}\n[share]\nbasis = 'made up'\nfields = [{share}]\n[deliver]\ntransport = 'local'\nfile = {file}\n\
         [[deliver.column]]\nheader = 'Our ref'\nfrom = 'leg.reference'\n[[deliver.column]]\nheader = 'What'\nfrom = 'leg.action'\n{column}\n"
    )
}

const NAME: &str = "'{partner}_{sequence}.csv'";

/// Every attempt as a file, by the name it has.
fn attempts() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let column = |lines: &str| format!("[[deliver.column]]\nheader = 'Attempt'\n{lines}");
    for (n, (expression, code)) in EXPRESSIONS.iter().enumerate() {
        let id = format!("expression-{n:02}");
        let lines = column(&format!(
            "fhirpath = \"{expression}\" #! {code}\nshare = 'patient.extension'"
        ));
        files.insert(
            id.clone(),
            partner(&id, "", "'patient.extension'", NAME, &lines),
        );
    }
    for (n, (share, lines, of_list)) in SHARES.iter().enumerate() {
        let id = format!("share-{n:02}");
        let mut text = partner(&id, "", share, NAME, &column(lines));
        if !of_list.is_empty() {
            let list = format!("fields = [{share}]");
            text = replace(&text, &list, &format!("{list} #! {of_list}"));
        }
        files.insert(id, text);
    }
    for (n, (criterion, code)) in CRITERIA.iter().enumerate() {
        let id = format!("criterion-{n:02}");
        let select = format!("{criterion} #! {code}");
        files.insert(
            id.clone(),
            partner(&id, &select, "'patient.name'", NAME, ""),
        );
    }
    for (n, (name, code)) in FILE_NAMES.iter().enumerate() {
        let id = format!("file-{n:02}");
        let name = format!("'{name}' #! {code}");
        files.insert(id.clone(), partner(&id, "", "'patient.name'", &name, ""));
    }
    files
}

/// `CODE line` of each line that says it must be refused.
fn said(text: &str) -> Vec<String> {
    let marked = text
        .lines()
        .zip(1..)
        .filter_map(|(line, number)| Some((line.split_once("#! ")?.1, number)));
    marked
        .map(|(code, number): (&str, u32)| format!("{code} {number}"))
        .collect()
}

/// `CODE line` of each error of each file of a mappings folder, by the file's name.
fn refused(home: &Home) -> BTreeMap<String, Vec<String>> {
    let checked = home.kith(&["check", "--json"]).expect_code(2).json();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for problem in checked["problems"].as_array().unwrap() {
        if problem["severity"] == "error" {
            let file = problem["where"]["file"]
                .as_str()
                .unwrap()
                .trim_start_matches("mappings/")
                .to_owned();
            let line = format!(
                "{} {}",
                problem["code"].as_str().unwrap(),
                problem["where"]["line"]
            );
            found.entry(file).or_default().push(line);
        }
    }
    found
}

#[test]
fn every_attempt_to_get_round_the_share_is_refused_where_it_is_made() {
    let home = Home::new();
    home.write("config/kith.toml", CONFIG);
    let attempts = attempts();
    for (id, text) in &attempts {
        home.write(&format!("mappings/partners/{id}.toml"), text);
    }
    let found = refused(&home);
    let mut wrong = String::new();
    for (id, text) in &attempts {
        let expected = said(text);
        assert!(
            !expected.is_empty(),
            "{id} says nothing that must be refused"
        );
        let found = found
            .get(&format!("partners/{id}.toml"))
            .cloned()
            .unwrap_or_default();
        if found != expected {
            let _ignored = writeln!(
                wrong,
                "{id}: expected {expected:?}, found {found:?}\n{text}"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(attempts.len() > 100, "{}", attempts.len());
}

#[test]
fn a_sites_own_fields_widen_no_agreement() {
    let home = Home::new();
    home.write("config/kith.toml", CONFIG);
    // Every way in which a name that agreements use could come to mean more than it did.
    let fields = r#"[[field]] #! PTR-002
name = "leg.note"
says = "ours by its name, the person's by its path"
kind = "text"
class = "leg"
path = "%patient.name.family"
[[field]] #! PTR-002
name = "leg.name"
says = "the same by a rule"
kind = "text"
class = "leg"
derivation = "name"
[[field]] #! PTR-002
name = "patient.gender"
says = "a name that agreements use, for something else"
kind = "text"
class = "identity"
derivation = "name"
[[field]] #! PTR-002
name = "patient.shoe_size"
says = "in the group of a field that says less"
kind = "text"
class = "identity"
group = "patient.postcode"
path = "%patient.extension('https://example.org/shoes').value"
[[field]] #! PTR-002
name = "patient.whole_address"
says = "in the group of the name"
kind = "text"
class = "contact"
group = "patient.name"
derivation = "address"
[[field]] #! PTR-005
name = "patient.surgery"
says = "reaches anything"
kind = "text"
class = "professional"
path = "%patient.generalPractitioner.resolve().name"
[[field]] #! CFG-006
name = "patient.friend"
says = "not ours by its class alone"
kind = "text"
class = "leg"
path = "'nobody'"
[[field]]
name = "patient.marital"
says = "says too little of what it reads"
kind = "text"
class = "special"
path = "%patient.maritalStatus.text | %patient.name.text"
reads = ["patient.maritalStatus"] #! CFG-006
[[field]]
name = "patient.first_address"
says = "no more than its group says"
kind = "text"
class = "contact"
group = "patient.address"
path = "%patient.address.first().line.first()"
reads = ["patient.address"]
"#;
    home.write("mappings/fields.toml", fields);
    home.write("mappings/partners/.gitkeep", "");
    assert_eq!(
        refused(&home).remove("fields.toml").unwrap_or_default(),
        said(fields)
    );
}
