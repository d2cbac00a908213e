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
    assert_eq!(nhs_number(&patient, today()).as_deref(), Some("9990000018"));
    assert_eq!(nhs_numbers(&patient, today()).len(), 1);
    assert_eq!(
        verification_status(&patient, today()).as_deref(),
        Some("01")
    );
    assert_eq!(security_labels(&patient), [(Some("s"), "R")]);
}

#[test]
fn a_number_has_one_form_under_whatever_writing_of_its_system() {
    for (system, value) in [
        ("https://fhir.nhs.uk/Id/nhs-number", "999-000-0018"),
        ("http://fhir.nhs.uk/Id/nhs-number", "999 000 0018"),
        ("https://fhir.nhs.uk/Id/nhs-number/", "9990000018"),
        (
            "HTTPS://fhir.nhs.uk/id/NHS-number",
            " 999\u{2013}000\u{a0}0018 ",
        ),
    ] {
        let patient = format!(
            r#"{{"identifier":[{{"system":"{system}","value":"{value}"}},{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}]}}"#
        );
        let patient = tree(&patient);
        assert_eq!(nhs_numbers(&patient, today()), ["9990000018"], "{system}");
        assert_eq!(every_nhs_number(&patient), ["9990000018"], "{system}");
    }
    let other =
        tree(r#"{"identifier":[{"system":"https://fhir.nhs.uk/Id/local","value":"9990000018"}]}"#);
    assert!(nhs_numbers(&other, today()).is_empty());
}

#[test]
fn a_number_whose_period_is_over_is_not_the_persons() {
    let patient = |end: &str| {
        format!(
            r#"{{"identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919","period":{{"end":"{end}"}}}}]}}"#
        )
    };
    for (end, held) in [
        ("2026-11-22", 0),
        ("2026-11-23", 1),
        ("2026-11-22T23:30:00Z", 0),
        ("2026", 1),
        ("soon", 0),
    ] {
        let text = patient(end);
        let patient = tree(&text);
        assert_eq!(nhs_numbers(&patient, today()).len(), held, "{end}");
        // By it the record is found all the same.
        assert_eq!(every_nhs_number(&patient), ["9434765919"]);
    }
}

#[test]
fn a_status_is_read_at_every_address_and_the_worst_of_them_counts() {
    let coded =
        |code: &str| format!(r#""valueCodeableConcept":{{"coding":[{{"code":"{code}"}}]}}"#);
    let read = |extensions: &[(&str, String)]| {
        let extensions: Vec<String> = extensions
            .iter()
            .map(|(url, value)| format!(r#"{{"url":"{url}",{value}}}"#))
            .collect();
        let text = format!(
            r#"{{"identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018","extension":[{}]}}]}}"#,
            extensions.join(",")
        );
        verification_status(&tree(&text), today())
    };
    let core =
        "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
    let older =
        "https://fhir.nhs.uk/R4/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
    let care_connect = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1";
    for url in [core, older, care_connect] {
        assert_eq!(read(&[(url, coded("02"))]).as_deref(), Some("02"), "{url}");
        assert_eq!(read(&[(url, coded("01"))]).as_deref(), Some("01"), "{url}");
    }
    assert_eq!(read(&[("https://example.org/other", coded("02"))]), None);
    let both = [(core, coded("01")), (older, coded("04"))];
    assert_eq!(read(&both).as_deref(), Some("04"));
    // A status that says nothing that can be read is none that is verified.
    for value in [
        r#""valueCodeableConcept":{"text":"traced"}"#,
        r#""valueBoolean":true"#,
    ] {
        let found = read(&[(core, value.to_owned())]);
        assert_eq!(found.as_deref(), Some("unreadable"), "{value}");
    }
    let plain = read(&[(core, r#""valueCode":"03""#.to_owned())]);
    assert_eq!(plain.as_deref(), Some("03"));
}

#[test]
fn where_a_person_lives_comes_before_where_their_letters_go() {
    let postcode = |addresses: &str| {
        let text = format!(r#"{{"address":{addresses}}}"#);
        let patient = tree(&text);
        let address = address(&patient, today())?;
        Some((address.postcode?, address.for_letters))
    };
    let home = ("LS1 1AA".to_owned(), false);
    for addresses in [
        r#"[{"use":"home","type":"postal","postalCode":"BS1 1AA"},{"use":"home","type":"physical","postalCode":"LS1 1AA"}]"#,
        r#"[{"type":"postal","postalCode":"BS1 1AA"},{"use":"temp","type":"both","postalCode":"LS1 1AA"}]"#,
        r#"[{"use":"home","line":["P.O. Box 12"],"postalCode":"BS1 1AA"},{"postalCode":"LS1 1AA"}]"#,
        r#"[{"use":"billing","postalCode":"BS1 1AA"},{"use":"work","postalCode":"LS1 1AA"}]"#,
    ] {
        assert_eq!(postcode(addresses), Some(home.clone()), "{addresses}");
    }
    let box_alone = r#"[{"use":"home","type":"postal","postalCode":"BS1 1AA"}]"#;
    assert_eq!(postcode(box_alone), Some(("BS1 1AA".to_owned(), true)));
}

#[test]
fn test_records_are_known_by_name_or_label() {
    for (text, test) in [
        (r#"{"name":[{"family":"ZZTESTPATIENT"}]}"#, true),
        (r#"{"name":[{"family":"Byron","given":["xxtest"]}]}"#, true),
        (r#"{"name":[{"text":"Una XXTEST-One"}]}"#, true),
        (r#"{"meta":{"security":[{"code":"HTEST"}]}}"#, true),
        (r#"{"meta":{"tag":[{"code":"htest"}]}}"#, true),
        (r#"{"name":[{"family":"Testperson"}]}"#, false),
    ] {
        assert_eq!(is_test_person(&tree(text)), test, "{text}");
    }
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
