//! Records and requests of one name in several Bundles: one if they are about one, and a doubt where nobody can say.

use super::identity_tests::{bundle, check, meta, number, patient};
use super::*;

/// The referrals of these files, in the order in which their requests lie.
fn referrals(files: &[(&str, String)]) -> Vec<Referral> {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("in");
    std::fs::create_dir_all(&input).unwrap();
    for (name, text) in files {
        std::fs::write(input.join(name), text).unwrap();
    }
    let folder = Folder::open(&input, &home.path().join("tmp"), &Limits::default()).unwrap();
    let all = (0..folder.len()).map(|index| folder.referral(index).unwrap());
    all.collect()
}

#[test]
fn what_says_whose_it_is_by_references_is_one_if_they_lead_to_one() {
    let referral = |id: &str, more: &str| {
        format!(
            r#"{{"resourceType":"ServiceRequest","id":"{id}","subject":{{"reference":"Patient/1"}}{more}}}"#
        )
    };
    // The same words in a line and in a message: each leads to its own practitioner.
    let role = r#"{"resourceType":"PractitionerRole","id":"1","practitioner":{"reference":"Practitioner/1"}}"#;
    let by_role = r#","requester":{"reference":"PractitionerRole/1"}"#;
    let practitioner = |name: &str| {
        format!(r#"{{"resourceType":"Practitioner","id":"1","name":[{{"family":"{name}"}}]}}"#)
    };
    let (una, ben) = (
        patient("1", "1950", &number("9000000076")),
        patient("1", "1961", &number("9000000149")),
    );
    let lines = [
        referral("a", by_role),
        una.clone(),
        practitioner("North"),
        role.to_owned(),
    ];
    let message = [
        ("", &*referral("b", by_role)),
        ("", &ben),
        ("", &practitioner("South")),
        ("", role),
    ];
    let files = [
        ("a.ndjson", lines.join("\n")),
        ("b.json", bundle("message", &message)),
    ];
    let told = |referral: &Referral| {
        let told = referral.requester.as_ref().or(referral.consent.as_ref());
        String::from_utf8(told.unwrap().to_vec()).unwrap()
    };
    let found = referrals(&files);
    assert!(told(&found[0]).contains("North") && told(&found[1]).contains("South"));

    // Two people's consents under one name: the later one of Ben's takes nothing from Una's. A later one of Una's does.
    let consent = |kind: &str, day: u8| {
        format!(
            r#"{{"resourceType":"Consent","id":"1"{},"patient":{{"reference":"Patient/1"}},"provision":{{"type":"{kind}"}}}}"#,
            meta("1", &format!("2026-11-{day}T10:00:00Z"))
        )
    };
    let resting = r#","supportingInfo":[{"reference":"Consent/1"}]"#;
    let of = |id: &str, person: &str, consent: &str| {
        let request = referral(id, resting);
        bundle("message", &[("", &request), ("", person), ("", consent)])
    };
    let mut files = vec![
        ("a.json", of("a", &una, &consent("deny", 20))),
        ("b.json", of("b", &ben, &consent("permit", 21))),
    ];
    let found = referrals(&files);
    assert!(told(&found[0]).contains("deny") && told(&found[1]).contains("permit"));
    let later = bundle("message", &[("", &una), ("", &consent("permit", 22))]);
    files.push(("c.json", later));
    let found = referrals(&files);
    assert!(told(&found[0]).contains("permit"));
    // Of whom it is nobody can say: a doubt.
    files.push(("d.json", bundle("message", &[("", &consent("deny", 23))])));
    let found = referrals(&files);
    assert!(found[0].ids.doubt == Doubt::Record && found[0].patient.is_none());
}

#[test]
fn requests_of_one_name_about_people_within_them_or_in_doubt_are_each_kept() {
    let of = |mark: &str, day: u8| {
        format!(
            r##"{{"resourceType":"ServiceRequest","id":"a"{},"contained":[{}],"subject":{{"reference":"#1"}}}}"##,
            meta("1", &format!("2026-11-{day}T10:00:00Z")),
            patient("1", mark, "")
        )
    };
    let files = |one: String, other: String| {
        let alone = |request: &str| bundle("message", &[("", request)]);
        [("a.json", alone(&one)), ("b.json", alone(&other))]
    };
    let doubt = ["a: Request in doubt", "a: Request in doubt"];
    check("two people", &files(of("1950", 20), of("1961", 21)), &doubt);
    check(
        "one person",
        &files(of("1950", 20), of("1950", 21)),
        &["a: nobody"],
    );
    let outside = |day: u8| of("1950", day).replace("#1", "Patient/1");
    check("nobody knows", &files(outside(20), outside(21)), &doubt);
    let people = [("9000000076", "1950"), ("9000000149", "1961")];
    let people = people.map(|(value, mark)| patient("1", mark, &number(value)));
    let lines = [outside(20), outside(21), people.join("\n")].join("\n");
    check("a person in doubt", &[("a.ndjson", lines)], &doubt);
}

#[test]
fn all_consents_of_a_request_are_taken_whatever_their_order() {
    let request = r#"{"resourceType":"ServiceRequest","id":"a","subject":{"reference":"Patient/1"},"supportingInfo":[{"reference":"Consent/1"},{"reference":"Consent/3"},{"reference":"Consent/2"}]}"#;
    let consent = |id: &str, kind: &str| {
        format!(r#"{{"resourceType":"Consent","id":"{id}","provision":{{"type":"{kind}"}}}}"#)
    };
    let of = |consents: &[String]| {
        let all = [&[request.to_owned()], consents].concat();
        let mut found = referrals(&[("a.ndjson", all.join("\n"))]);
        let consent = found.remove(0).consent;
        consent.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap().replace('\n', ""))
    };
    let (first, second) = (consent("1", "permit"), consent("2", "deny"));
    assert_eq!(of(&[]), None);
    // Each that is not there keeps its place: it may be a refusal.
    let alone = Some(format!("[null,null,{second}]"));
    assert_eq!(of(std::slice::from_ref(&second)), alone);
    let both = Some(format!("[{first},null,{second}]"));
    assert_eq!(of(&[second, first]), both);
}
