//! Keys that decide what goes out.

use super::*;

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one table, a line or more a criterion"
)]
async fn each_criterion_of_a_partner_file_decides() {
    let select = "[select]\n";
    let adults = r#"activities = ["befriending"]"#;
    let born = r#""birthDate": "1950-01-01""#;
    let child = (born, r#""birthDate": "2015-01-01""#);
    let urgent = (r#""priority": "routine""#, r#""priority": "urgent""#);
    let nowhere = (r#", "postalCode": "BS1 4ND""#, "");
    check(&[
        (&[], SENT),
        (
            &[(select, "[select]\nenabled = false\n")],
            "partner-disabled",
        ),
        (&[(adults, r#"activities = ["walking"]"#)], "criteria"),
        (&[(adults, r#"needs = ["loneliness"]"#)], SENT),
        (&[(adults, r#"needs = ["housing"]"#)], "criteria"),
        (
            &[(select, "[select]\nage_years = { min = 76, max = 76 }\n")],
            SENT,
        ),
        (
            &[(select, "[select]\nage_years = { min = 77 }\n")],
            "criteria",
        ),
        (
            &[(select, "[select]\nage_years = { max = 75 }\n")],
            "criteria",
        ),
        (&[(select, "[select]\npostcodes = [\"BS1\"]\n")], SENT),
        (&[(select, "[select]\npostcodes = [\"BS2\"]\n")], "area"),
        (
            &[(select, "[select]\npostcodes = [\"BS1\"]\n"), nowhere],
            "no-postcode",
        ),
        (
            &[
                (
                    select,
                    "[select]\npostcodes = [\"BS1\"]\nno_postcode = \"ignore\"\n",
                ),
                nowhere,
            ],
            SENT,
        ),
        (&[(select, "[select]\npractices = [\"ZZ001\"]\n")], SENT),
        (
            &[(select, "[select]\npractices = [\"ZZ002\"]\n")],
            "criteria",
        ),
        (&[(select, "[select]\ngender = [\"female\"]\n")], SENT),
        (&[(select, "[select]\ngender = [\"male\"]\n")], "criteria"),
        (
            &[(
                select,
                "[select]\nstarts_on = 2026-11-23\nends_on = 2026-11-23\n",
            )],
            SENT,
        ),
        (
            &[(select, "[select]\nstarts_on = 2026-11-24\n")],
            "criteria",
        ),
        (&[(select, "[select]\nends_on = 2026-11-22\n")], "criteria"),
        (&[(select, "[select]\nopen_legs_max = 1\n")], SENT),
        (&[(select, "[select]\nopen_legs_max = 0\n")], "capacity"),
        (&[urgent], SENT),
        (
            &[urgent, (select, "[select]\nurgent = \"hold\"\n")],
            "urgent",
        ),
        (&[child], "child"),
        (
            &[
                child,
                (
                    "care_provider = true",
                    "care_provider = true\nchildren = true",
                ),
            ],
            SENT,
        ),
        (&[child, (select, "[select]\nchildren = true\n")], SENT),
        (
            &[("consent = \"implied\"", "consent = \"required\"")],
            "consent-missing",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_consent_names_a_partner_by_its_class() {
    let required = ("consent = \"implied\"", "consent = \"required\"");
    let consent = (
        r#""subject": {"reference": "Patient/1"}}"#,
        r#""supportingInfo": [{"reference": "Consent/1"}], "subject": {"reference": "Patient/1"}}
{"resourceType": "Consent", "id": "1", "status": "active", "patient": {"reference": "Patient/1"}, "provision": {"type": "permit", "actor": [{"role": {"coding": [{"code": "charity"}]}}]}}"#,
    );
    let classes = ("care_provider = true", "classes = [\"charity\"]");
    check(&[
        (&[required, consent], "consent-missing"),
        (&[required, consent, classes], SENT),
    ])
    .await;
}

#[tokio::test]
async fn an_agreement_and_a_partner_in_shadow_hold_what_is_new() {
    let basis = "[share]\n";
    check(&[
        (&[(basis, "[share]\nexpires_on = 2026-11-23\n")], SENT),
        (
            &[(basis, "[share]\nexpires_on = 2026-11-22\n")],
            "agreement-expired",
        ),
        (
            &[(
                "care_provider = true",
                "care_provider = true\nmode = \"shadow\"",
            )],
            "shadow",
        ),
    ])
    .await;
}

#[tokio::test]
async fn each_key_of_a_source_decides() {
    let source = "id = \"a\"\n";
    let label = (
        r#"{"resourceType": "Patient", "id": "1","#,
        r#"{"resourceType": "Patient", "id": "1", "meta": {"security": [{"code": "N"}]},"#,
    );
    check(&[
        (&[(source, "id = \"a\"\nenabled = false\n")], ""),
        (&[(source, "id = \"a\"\nmode = \"shadow\"\n")], "shadow"),
        (
            &[(source, "id = \"a\"\ntest_people = \"hold\"\n")],
            "test-person",
        ),
        (
            &[(source, "id = \"a\"\nintents = [\"plan\"]\n")],
            "not-an-order",
        ),
        (
            &[(source, "id = \"a\"\ncodes = [\"871731000000106\"]\n")],
            SENT,
        ),
        (&[(source, "id = \"a\"\ncodes = [\"1\"]\n")], "not-ours"),
        (&[label], SENT),
        (
            &[label, (source, "id = \"a\"\nrestricted_labels = [\"N\"]\n")],
            "restricted",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_routing_of_a_source_goes_before_that_of_the_installation() {
    let team = ("kind = \"provider\"", "kind = \"link-worker\"");
    let hold = ("[routing]\n", "[routing]\nunnamed = \"hold\"\n");
    let source = "id = \"a\"\n";
    let activity = (
        r#""orderDetail": [{"coding": [{"system": "https://kith.example/CodeSystem/activity", "code": "befriending"}]}], "#,
        "",
    );
    let lonely = (
        r#"activities = ["befriending"]"#,
        r#"needs = ["loneliness"]"#,
    );
    check(&[
        (&[NOBODY], "no-service"),
        (&[NOBODY, team], SENT),
        (&[NOBODY, team, hold], "no-service"),
        (
            &[
                NOBODY,
                team,
                hold,
                (
                    source,
                    "id = \"a\"\nrouting = { unnamed = \"link-worker\" }\n",
                ),
            ],
            SENT,
        ),
        (&[NOBODY, team, activity, lonely], "no-destination"),
        (
            &[
                NOBODY,
                team,
                activity,
                lonely,
                ("by_need = false", "by_need = true"),
            ],
            SENT,
        ),
        (
            &[
                NOBODY,
                team,
                activity,
                lonely,
                (source, "id = \"a\"\nrouting = { by_need = true }\n"),
            ],
            SENT,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_priority_breaks_a_tie() {
    let twins = |priority: &str| {
        let team = ("kind = \"provider\"", "kind = \"link-worker\"");
        let mut changed = Changed::by(&[NOBODY, team]);
        let twin = changed.partners[0].replace("\"p\"", "\"q\"");
        let twin = twin.replace("[select]\n", &format!("[select]\n{priority}"));
        changed.partners.push(twin);
        changed
    };
    assert_eq!(twins("").goes_out().await, "tie");
    let chosen = twins("priority = 1\n").goes_out().await;
    assert_eq!(chosen, "p_20261123_000001.csv: NEW,A B Example");
}

#[tokio::test]
async fn a_source_fills_its_columns() {
    let source = "id = \"a\"\n";
    let column = |field: &str| {
        format!(
            "[[deliver.column]]\nheader = \"X\"\nfrom = \"{field}\"\n[[deliver.column]]\nheader = \"Ref\"\n"
        )
    };
    let of = |field: &'static str| (("[[deliver.column]]\nheader = \"Ref\"\n"), column(field));
    for (field, key, expected) in [
        ("practice.name", "", "Made-up practice"),
        ("practice.ods_code", "", "ZZ001"),
        (
            "practice.phone",
            "phone = \"01632 960000\"\n",
            "01632 960000",
        ),
        (
            "practice.safeguarding_phone",
            "safety = [{ name = \"Duty lead\", phone = \"01632 960001\" }]\n",
            "01632 960001",
        ),
    ] {
        let (from, to) = of(field);
        let said = Changed::by(&[(from, &to), (source, &format!("{source}{key}"))]);
        assert_eq!(
            said.goes_out().await,
            format!("{SENT},{expected}"),
            "{field}"
        );
    }
}

#[tokio::test]
async fn a_drop_has_the_name_and_the_folder_that_were_agreed_and_none_is_empty_unless_it_was() {
    let finished = (r#""status": "active""#, r#""status": "completed""#);
    let empty = ("[deliver]\n", "[deliver]\nempty = true\n");
    check(&[
        (
            &[("p_{date}_{sequence}.csv", "{sequence}-{partner}.csv")],
            "000001-p.csv: NEW,A B Example",
        ),
        (&[finished], "closed-at-source"),
        (&[finished, empty], "p_20261123_000001.csv: "),
        (
            &[(
                "path = \"var/partners/{partner}\"",
                "path = \"elsewhere/{partner}\"",
            )],
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_drop_ends_with_the_empty_columns_of_the_answers_unless_it_was_agreed_otherwise() {
    let said = Changed::by(&[("answers = false\n", "")]).goes_out().await;
    // The reference, two empty cells, and the comma between them.
    let tail = said.strip_prefix(&format!("{SENT},")).unwrap();
    assert!(
        tail.len() > 10 && tail.ends_with(',') && !tail.contains(",,"),
        "{said}"
    );
    let unanswered = [
        ("answers = false\n", "answers = true\n"),
        (
            "[collect]\ntransport = \"local\"\nfile = \"returns*.csv\"\ndates = \"%d/%m/%Y\"\n[[collect.event]]\nkind = \"status\"\non = \"On\"\nvalue = { column = \"Outcome\", codes = { Done = \"completed\" } }\n",
            "",
        ),
    ];
    let home = Changed::by(&unanswered).home();
    assert!(open(&home).await.is_err());
}

#[tokio::test]
async fn a_performer_names_a_partner_by_its_identifier_or_by_ours() {
    let other = (
        "identifier = { system = \"https://kith.example/Id/partner\", value = \"p\" }",
        "identifier = { system = \"s\", value = \"v\" }",
    );
    let by_other = (
        "{\"system\": \"https://kith.example/Id/partner\", \"value\": \"p\"}",
        "{\"system\": \"s\", \"value\": \"v\"}",
    );
    let namespace = (
        "namespace = \"https://kith.example\"",
        "namespace = \"https://other.example\"",
    );
    check(&[
        (&[other], SENT),
        (&[other, namespace], "unknown-partner"),
        (&[by_other], "unknown-partner"),
        (&[by_other, other], SENT),
        (&[by_other, other, namespace], SENT),
    ])
    .await;
}

#[tokio::test]
async fn a_drop_has_no_more_rows_than_it_may_have_and_the_next_one_the_rest() {
    let second = REQUEST
        .replace("\"id\": \"1\"", "\"id\": \"2\"")
        .replace("Patient/1", "Patient/2");
    let person = PATIENT
        .replace("\"id\": \"1\"", "\"id\": \"2\"")
        .replace("9990000026", "9990000034")
        .replace("\"A\", \"B\"", "\"C\"");
    for (rows_max, expected) in [
        (
            2,
            vec!["p_20261123_000001.csv: NEW,A B Example / NEW,C Example"],
        ),
        (
            1,
            vec![
                "p_20261123_000001.csv: NEW,A B Example",
                "p_20261123_000002.csv: NEW,C Example",
            ],
        ),
    ] {
        let limit = format!("[limits]\ndrop_rows_max = {rows_max}\n[routing]\n");
        let mut changed = Changed::by(&[("[routing]\n", &limit)]);
        changed.records = format!("{}{person}\n{second}\n", changed.records);
        let home = changed.home();
        for stages in [[Stage::Pull, Stage::Deliver].as_slice(), &[Stage::Deliver]] {
            let app = open(&home).await.unwrap();
            run(app.env(), stages, &Only::default()).await.unwrap();
            app.close().await;
        }
        let mut said = drops(&home.path().join("var/partners"));
        said.sort();
        assert_eq!(said, expected);
    }
}
