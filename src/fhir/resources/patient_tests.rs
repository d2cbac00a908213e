//! Names, numbers and addresses of made-up people.

use jiff::civil::date;

use super::*;

fn tree(text: &str) -> Json<'_> {
    Json::of(text)
}

fn today() -> Date {
    date(2026, 11, 23)
}

#[test]
fn chooses_the_name_a_person_goes_by() {
    for (names, expected) in [
        (
            r#"[{"use":"old","family":"Old"},{"use":"official","family":"Off","given":["A"]},
                {"use":"usual","family":"Usu","given":["B"," C "],"prefix":["Ms"]}]"#,
            "Ms B C Usu",
        ),
        (
            r#"[{"use":"usual","given":["Nick"]},{"use":"official","family":"Off","given":["A"]}]"#,
            "A Off",
        ),
        (
            r#"[{"use":"maiden","family":"M"},{"use":"nickname","given":["N"]},{"family":"Plain"}]"#,
            "Plain",
        ),
        (
            r#"[{"use":"usual","family":"Past","period":{"end":"2026-10"}},
                {"use":"official","family":"Now","period":{"start":"2026","end":"2026-11-23T23:00:00Z"}}]"#,
            "Now",
        ),
        (r#"[{"text":"Only  Text"}]"#, "Only Text"),
        (
            r#"[{"use":"old","family":"Old"},{"use":"anonymous","text":"X"}]"#,
            "",
        ),
        (r#"[{"family":"Odd","period":{"start":"yesterday"}}]"#, ""),
        (r#"[{"use":"usual"}]"#, ""),
        ("null", ""),
    ] {
        let text = format!(r#"{{"name":{names}}}"#);
        let patient = tree(&text);
        let full = name(&patient, today()).map(|name| name.full());
        assert_eq!(full.unwrap_or_default(), expected, "{names}");
    }
}

#[test]
fn writes_uk_numbers_nationally() {
    for (number, expected) in [
        ("+447700900123", "07700 900123"),
        ("+44 7700 900123", "07700 900123"),
        ("00447700900123", "07700 900123"),
        ("+44 (0)7700 900 123", "07700 900 123"),
        ("tel:+447700900123", "07700 900123"),
        ("07700900123", "07700 900123"),
        ("020 7946 0000", "020 7946 0000"),
        ("01632-960001", "01632-960001"),
        ("+33 1 70 18 99 00", "+33 1 70 18 99 00"),
        ("+33170189900", "+33170189900"),
        ("0033170189900", "0033170189900"),
        ("999", "999"),
    ] {
        assert_eq!(national_form(number), expected, "{number}");
    }
}

#[test]
fn chooses_the_number_to_ring() {
    let patient = tree(
        r#"{"telecom":[
            {"system":"phone","use":"old","value":"01632 960000","rank":1},
            {"system":"phone","use":"work","value":"01632 960001"},
            {"system":"phone","use":"home","value":"01632 960002"},
            {"system":"phone","use":"mobile","value":"07700900123","period":{"end":"2020"}},
            {"system":"phone","use":"mobile","value":"+447700900456"},
            {"system":"email","value":"a@example.org"},{"system":"email","value":"b@example.org","rank":1}],
          "contact":[{"name":{"family":"Kin"},"relationship":[{"coding":[{"code":"N","display":"Next of kin"}]}],
            "telecom":[{"system":"phone","value":"07700900789"}]}]}"#,
    );
    assert_eq!(phone(&patient, today()).as_deref(), Some("07700 900456"));
    assert_eq!(
        phone_home(&patient, today()).as_deref(),
        Some("01632 960002")
    );
    assert_eq!(email(&patient, today()), Some("b@example.org"));
    let contact = contact_person(&patient, today()).unwrap();
    assert_eq!(contact.name.as_deref(), Some("Kin"));
    assert_eq!(contact.phone.as_deref(), Some("07700 900789"));
    assert_eq!(contact.relationship, Some("Next of kin"));
    let only_contact =
        tree(r#"{"contact":[{"telecom":[{"system":"phone","value":"07700900789"}]}]}"#);
    assert_eq!(phone(&only_contact, today()), None);
}

#[test]
fn chooses_the_address_and_normalises_its_postcode() {
    let patient = tree(
        r#"{"address":[{"use":"old","line":["1 Past Road"]},{"use":"temp","line":["2 Hostel"]},
            {"use":"home","line":["3 Home Street",""],"city":"Bristol","postalCode":"bs28aa"}]}"#,
    );
    let chosen = address(&patient, today()).unwrap();
    assert_eq!(chosen.full(), "3 Home Street, Bristol, BS2 8AA");
    assert!(
        address(
            &tree(r#"{"address":[{"use":"old","line":["1"]}]}"#),
            today()
        )
        .is_none()
    );
    assert_eq!(normal_postcode(" Zz99  3v z"), "ZZ99 3VZ");
    assert_eq!(normal_postcode("x1"), "X1");
    assert_eq!(normal_postcode("1024 rj"), "1024 RJ");
    assert_eq!(normal_postcode("e16an"), "E1 6AN");
    for normal in ["ZZ99 3VZ", "E1 6AN", "N1C 4AG", "EC1A 1BB"] {
        assert_eq!(normal_postcode(normal), normal);
        assert_eq!(normal_postcode(&normal.to_lowercase()), normal);
    }
}

#[test]
fn reads_identity() {
    let patient = tree(
        r#"{"identifier":[{"system":"other","value":"1"},
            {"use":"old","system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"},
            {"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018","extension":[
              {"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
               "valueCodeableConcept":{"coding":[{"code":"number-present-and-verified"}]}}]}],
          "meta":{"security":[{"system":"s","code":"R"}]}}"#,
    );
    assert_eq!(nhs_number_text(&patient), Some("9990000018"));
    assert_eq!(nhs_number_texts(&patient).len(), 1);
    assert_eq!(verification_status(&patient).as_deref(), Some("01"));
    assert_eq!(security_labels(&patient), [(Some("s"), "R")]);
}

#[test]
fn takes_doubt_about_death_for_death() {
    for (text, expected) in [
        ("{}", false),
        (r#"{"deceasedBoolean":false}"#, false),
        (r#"{"deceasedBoolean":null}"#, false),
        (r#"{"deceasedBoolean":true}"#, true),
        (r#"{"deceasedBoolean":"false"}"#, true),
        (r#"{"deceasedDateTime":"2026"}"#, true),
        (r#"{"_deceasedDateTime":{"extension":[]}}"#, true),
    ] {
        assert_eq!(deceased(&tree(text)), expected, "{text}");
    }
}

#[test]
fn reads_language_and_equity() {
    let patient = tree(
        r#"{"communication":[{"language":{"text":"English"}},
              {"language":{"coding":[{"code":"pl","display":"Polish"}]},"preferred":true}],
          "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired","valueBoolean":true},
            {"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory",
             "valueCodeableConcept":{"coding":[{"code":"C"}]}}]}"#,
    );
    assert_eq!(language(&patient), Some("Polish"));
    assert_eq!(interpreter_required(&patient), Some(true));
    assert_eq!(ethnicity_code(&patient), Some("C"));
    let nested = tree(
        r#"{"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSCommunication",
            "extension":[{"url":"interpreterRequired","valueBoolean":false}]}]}"#,
    );
    assert_eq!(interpreter_required(&nested), Some(false));
    assert_eq!(interpreter_required(&tree("{}")), None);
}

#[test]
fn words_are_spaced_alike_the_short_way_and_the_long() {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "",
        " ",
        "a",
        "a b",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\u{a0}b",
        "Zoë  Ann",
        "Zoë Ann",
        "a\u{7f}b",
        "\n",
    ] {
        assert_eq!(single_spaces([text]), spaced(text), "{text:?}");
        assert_eq!(
            single_spaces(["x y", text, "z"]),
            spaced(&format!("x y {text} z"))
        );
    }
}
