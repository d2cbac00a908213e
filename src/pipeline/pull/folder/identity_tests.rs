//! Whose record a reference leads to, in folders where several resources bear one name.

use super::*;
use crate::fhir::resources::resource;

/// What a referral came to: `Patient` as marked by its birth date, nobody, or a doubt.
fn outcomes(files: &[(&str, String)]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("in");
    for (name, text) in files {
        let path = input.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let opened = |map: bool| {
        let (temporary, limits) = (home.path().join("tmp"), Limits::default());
        if map {
            Folder::open_for_map(&input, &temporary, 2, &limits).unwrap()
        } else {
            Folder::open(&input, &temporary, &limits).unwrap()
        }
    };
    let told = |folder: &Folder| {
        let mut told: Vec<String> = (0..folder.len()).map(|index| told(folder, index)).collect();
        told.sort();
        told
    };
    let (pulled, mapped) = (told(&opened(false)), told(&opened(true)));
    assert_eq!(pulled, mapped, "kith map reads a folder as a run does");
    pulled
}

fn told(folder: &Folder, index: usize) -> String {
    let referral = folder.referral(index).unwrap();
    let member = |bytes: &Bytes, name: &str| {
        let arena = Arena::default();
        let tree = Json::parse(bytes, &arena).unwrap();
        tree.get(name)
            .and_then(Json::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    let person = match (&referral.patient, referral.ids.doubt) {
        (Some(bytes), Doubt::None) => member(bytes, "birthDate"),
        (None, Doubt::None) => "nobody".to_owned(),
        (None, doubt) => format!("{doubt:?} in doubt"),
        (Some(_), _) => "a person in spite of a doubt".to_owned(),
    };
    let gone = if folder.is_deleted(index) {
        " deleted"
    } else {
        ""
    };
    format!("{}: {person}{gone}", member(&referral.request, "id"))
}

fn request(id: &str, subject: &str) -> String {
    format!(
        r#"{{"resourceType":"ServiceRequest","id":"{id}","subject":{{"reference":"{subject}"}}}}"#
    )
}

/// A person, marked by the birth date; `more` begins with a comma.
pub(super) fn patient(id: &str, mark: &str, more: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"{mark}"{more}}}"#)
}

pub(super) fn number(value: &str) -> String {
    format!(r#","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{value}"}}]"#)
}

pub(super) fn meta(version: &str, updated: &str) -> String {
    format!(r#","meta":{{"versionId":"{version}","lastUpdated":"{updated}"}}"#)
}

pub(super) fn bundle(kind: &str, entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(url, resource)| {
            let url = if url.is_empty() {
                String::new()
            } else {
                format!(r#""fullUrl":"{url}","#)
            };
            format!(r#"{{{url}"resource":{resource}}}"#)
        })
        .collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#,
        entries.join(",")
    )
}

pub(super) fn check(name: &str, files: &[(&str, String)], expected: &[&str]) {
    assert_eq!(outcomes(files), expected, "{name}");
}

#[test]
fn an_entry_without_an_address_knows_its_own_bundle_and_no_other() {
    let (una, ben) = (patient("1", "1950", ""), patient("1", "1961", ""));
    let (a, b) = (request("a", "Patient/1"), request("b", "Patient/1"));
    let of = |request: &str, person: &str| bundle("message", &[("", request), ("", person)]);
    check(
        "two Bundles with a Patient/1 of their own",
        &[("a.json", of(&a, &una)), ("b.json", of(&b, &ben))],
        &["a: 1950", "b: 1961"],
    );
    check(
        "the same as lines of one file",
        &[("all.ndjson", format!("{}\n{}", of(&a, &una), of(&b, &ben)))],
        &["a: 1950", "b: 1961"],
    );
    check(
        "a Bundle without the person beside one that has such a name",
        &[
            ("a.json", bundle("message", &[("", &a)])),
            ("b.json", of(&b, &ben)),
        ],
        &["a: nobody", "b: 1961"],
    );
    check(
        "a line beside a Bundle that has such a name",
        &[("a.ndjson", a.clone()), ("b.json", of(&b, &ben))],
        &["a: nobody", "b: 1961"],
    );
    check(
        "an entry without an address, and a person of some server beside it",
        &[(
            "a.json",
            bundle(
                "searchset",
                &[("", &a), ("https://other.example/fhir/Patient/1", &ben)],
            ),
        )],
        &["a: Record in doubt"],
    );
}

#[test]
fn a_urn_is_known_in_its_own_bundle_alone() {
    let urn = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let (a, b) = (request("a", urn), request("b", urn));
    // As in a transaction, the people have no id yet.
    let (una, ben) = (
        r#"{"resourceType":"Patient","birthDate":"1950"}"#,
        r#"{"resourceType":"Patient","birthDate":"1961"}"#,
    );
    let of = |request: &str, person: &str| bundle("transaction", &[("", request), (urn, person)]);
    check(
        "the same urn in two files",
        &[("a.json", of(&a, una)), ("b.json", of(&b, ben))],
        &["a: 1950", "b: 1961"],
    );
    check(
        "a urn that only another file has",
        &[
            ("a.json", bundle("transaction", &[("", &a)])),
            ("b.json", of(&b, ben)),
        ],
        &["a: nobody", "b: 1961"],
    );
    check(
        "a urn twice in one Bundle",
        &[(
            "a.json",
            bundle("transaction", &[("", &a), (urn, una), (urn, ben)]),
        )],
        &["a: Record in doubt"],
    );
}

#[test]
fn a_server_is_told_from_another_and_recognised_however_it_is_written() {
    let (una, ben) = (patient("1", "1950", ""), patient("1", "1961", ""));
    let (one, two) = ("https://one.example/fhir", "https://two.example:8443/fhir");
    let at = |base: &str, name: &str| format!("{base}/{name}");
    let page = |subject: &str, base: &str| {
        bundle(
            "searchset",
            &[
                (&at(base, "ServiceRequest/s"), &request("s", subject)),
                (&at(one, "Patient/1"), &una),
                (&at(two, "Patient/1"), &ben),
            ],
        )
    };
    for (subject, base, found) in [
        ("Patient/1", one, "s: 1950"),
        ("Patient/1", two, "s: 1961"),
        ("Patient/1/_history/2", two, "s: 1961"),
        ("https://two.example:8443/fhir/Patient/1", one, "s: 1961"),
        (
            "HTTP://ONE.example:80/fhir/Patient/1/_history/7",
            two,
            "s: 1950",
        ),
        (
            "https://three.example/fhir/Patient/1",
            one,
            "s: Record in doubt",
        ),
        (
            "Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|1",
            one,
            "s: nobody",
        ),
        ("#", one, "s: nobody"),
        ("Patient/2", one, "s: nobody"),
    ] {
        check(subject, &[("a.json", page(subject, base))], &[found]);
    }
}

#[test]
fn resources_of_one_server_lie_in_several_files_and_those_of_two_are_two() {
    let (una, ben) = (patient("1", "1950", ""), patient("1", "1961", ""));
    let (one, two) = ("https://one.example/fhir", "https://two.example:8443/fhir");
    let at = |base: &str, name: &str| format!("{base}/{name}");
    let whole = |base: &str, person: &str| {
        let request = request("s", "Patient/1");
        let entries = [
            (&*at(base, "ServiceRequest/s"), &*request),
            (&*at(base, "Patient/1"), person),
        ];
        bundle("searchset", &entries)
    };
    let both = format!("{}\n{}", whole(one, &una), whole(two, &ben));
    check(
        "two servers with the same ids are two referrals",
        &[("a.ndjson", both)],
        &["s: 1950", "s: 1961"],
    );
    // Pages of one server lie in several files.
    let first = bundle(
        "searchset",
        &[(&at(one, "ServiceRequest/s"), &request("s", "Patient/1"))],
    );
    let second = bundle("searchset", &[(&at(one, "Patient/1"), &una)]);
    check(
        "two pages",
        &[("1.json", first.clone()), ("2.json", second)],
        &["s: 1950"],
    );
    check(
        "a page and a line that does not say from where it is",
        &[("1.json", first), ("Patient.ndjson", una.clone())],
        &["s: Record in doubt"],
    );
    check(
        "a line that names a server, and a line that does not",
        &[(
            "a.ndjson",
            format!("{}\n{una}", request("s", &at(two, "Patient/1"))),
        )],
        &["s: Record in doubt"],
    );
    check(
        "an address that is not that of the resource within",
        &[(
            "a.json",
            bundle(
                "searchset",
                &[
                    (&at(one, "ServiceRequest/s"), &request("s", "Patient/1")),
                    (&at(one, "ServiceRequest/t"), &request("t", "Patient/2")),
                    (&at(one, "Patient/2"), &una),
                ],
            ),
        )],
        &["s: Record in doubt", "t: Record in doubt"],
    );
}

#[test]
fn a_folder_below_is_another_practice() {
    let (una, ben) = (patient("1", "1950", ""), patient("1", "1961", ""));
    let lines = |request: &str, person: &str| format!("{request}\n{person}\n");
    let (a, b) = (request("a", "Patient/1"), request("b", "Patient/1"));
    check(
        "two practices with the same ids",
        &[
            ("a/x.ndjson", lines(&a, &una)),
            ("b/x.ndjson", lines(&b, &ben)),
        ],
        &["a: 1950", "b: 1961"],
    );
    check(
        "a practice without the person",
        &[("a/x.ndjson", a.clone()), ("b/x.ndjson", lines(&b, &ben))],
        &["a: Record in doubt", "b: 1961"],
    );
    check(
        "folders that only sort",
        &[
            ("2026-11-20/ServiceRequest/1.jsonl", a.clone()),
            ("Patient/1.ndjson", una.clone()),
        ],
        &["a: 1950"],
    );
    check(
        "both with a request of one id",
        &[
            ("a/x.ndjson", lines(&a, &una)),
            ("b/x.ndjson", lines(&a, &ben)),
        ],
        &["a: 1950", "a: 1961"],
    );
}

#[test]
fn the_newest_version_counts_wherever_it_stands_and_a_doubt_names_nobody() {
    let a = request("a", "Patient/1");
    let day = |day: u8| format!("2026-11-{day:02}T10:00:00Z");
    let version = |mark: &str, version: &str, at: &str| {
        patient("1", mark, &(number("9000000076") + &meta(version, at)))
    };
    let lines = |people: &[String]| format!("{a}\n{}", people.join("\n"));
    let (old, new) = (
        version("1950", "1", &day(20)),
        version("1961", "2", &day(21)),
    );
    for people in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        check(
            "by date and number",
            &[("a.ndjson", lines(&people))],
            &["a: 1961"],
        );
    }
    let at = "https://one.example/fhir/Patient/1";
    let own = bundle(
        "searchset",
        &[
            ("https://one.example/fhir/ServiceRequest/a", &a),
            (at, &old),
        ],
    );
    let newer = bundle("searchset", &[(at, &new)]);
    check(
        "a newer one in another Bundle than the referral's",
        &[("1.json", own), ("2.json", newer)],
        &["a: 1961"],
    );
    let plain = |mark: &str| patient("1", mark, &number("9000000076"));
    let undated = [plain("1950"), plain("1961")];
    check(
        "neither says",
        &[("a.ndjson", lines(&undated))],
        &["a: Record in doubt"],
    );
    check(
        "both say the same",
        &[("a.ndjson", lines(&[plain("1950"), plain("1950")]))],
        &["a: 1950"],
    );
    let tied = [version("1950", "2", &day(21)), new.clone()];
    check(
        "equally new",
        &[("a.ndjson", lines(&tied))],
        &["a: Record in doubt"],
    );
    let settled = [tied[0].clone(), new.clone(), version("1970", "3", &day(22))];
    check(
        "a third settles it",
        &[("a.ndjson", lines(&settled))],
        &["a: 1970"],
    );
    let against = [
        version("1950", "2", &day(20)),
        version("1961", "1", &day(21)),
    ];
    check(
        "date and number disagree",
        &[("a.ndjson", lines(&against))],
        &["a: Record in doubt"],
    );
    let other = patient("1", "1970", &(number("9000000149") + &meta("9", &day(23))));
    check(
        "a newer one of another person",
        &[("a.ndjson", lines(&[old.clone(), other]))],
        &["a: Record in doubt"],
    );
}

#[test]
fn requests_under_one_name_are_versions_or_a_doubt() {
    let (una, ben) = (
        patient("1", "1950", &number("9000000076")),
        patient("1", "1961", &number("9000000149")),
    );
    let a = request("a", "Patient/1");
    let of = |request: &str, person: &str| bundle("message", &[("", request), ("", person)]);
    check(
        "one id for two people's requests",
        &[("a.json", of(&a, &una)), ("b.json", of(&a, &ben))],
        &["a: Request in doubt", "a: Request in doubt"],
    );
    let dated = |note: &str, at: &str| {
        a.replace(
            "}}",
            &format!(
                "}},\"note\":[{{\"text\":\"{note}\"}}]{}}}",
                meta(at, &format!("2026-11-2{at}T10:00:00Z"))
            ),
        )
    };
    check(
        "the same with other words",
        &[
            ("a.json", of(&dated("x", "1"), &una)),
            ("b.json", of(&dated("y", "2"), &ben)),
        ],
        &["a: Request in doubt", "a: Request in doubt"],
    );
    check(
        "two versions about one person",
        &[
            ("a.json", of(&dated("x", "1"), &una)),
            ("b.json", of(&dated("y", "2"), &una)),
        ],
        &["a: 1950"],
    );
}

#[test]
fn what_a_source_deleted_is_gone_unless_it_was_written_again() {
    let a = request("a", "Patient/1")
        .replace("}}", &format!("}}{}}}", meta("1", "2026-11-20T10:00:00Z")));
    let una = patient("1", "1950", &meta("1", "2026-11-20T10:00:00Z"));
    let gone = |url: &str, at: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"history","meta":{{"lastUpdated":"{at}"}},"entry":[{{"fullUrl":"https://gp.example/fhir/{url}","request":{{"method":"DELETE","url":"{url}"}}}}]}}"#
        )
    };
    let with = |gone: String| {
        vec![
            ("all.ndjson", format!("{a}\n{una}")),
            ("deleted/Bundle.ndjson", gone),
        ]
    };
    for (url, at, found) in [
        (
            "ServiceRequest/a",
            "2026-11-21T10:00:00Z",
            "a: 1950 deleted",
        ),
        ("ServiceRequest/a", "2026-11-19T10:00:00Z", "a: 1950"),
        ("ServiceRequest/a", "", "a: 1950 deleted"),
        ("ServiceRequest/b", "2026-11-21T10:00:00Z", "a: 1950"),
        ("Patient/1", "2026-11-21T10:00:00Z", "a: nobody"),
        ("Patient/1", "2026-11-19T10:00:00Z", "a: 1950"),
    ] {
        check(&format!("{url} {at}"), &with(gone(url, at)), &[found]);
    }
}

#[test]
fn bundles_in_bundles_and_lists_are_read() {
    let (a, una) = (request("a", "Patient/1"), patient("1", "1950", ""));
    let of = |resource: &str| bundle("searchset", &[("", resource)]);
    check(
        "the answers of one batch know one another",
        &[(
            "a.json",
            bundle("batch-response", &[("", &of(&a)), ("", &of(&una))]),
        )],
        &["a: 1950"],
    );
    let together = |kind: &str| {
        let of = |resource: &str| bundle(kind, &[("", resource)]);
        bundle("collection", &[("", &of(&a)), ("", &of(&una))])
    };
    check(
        "so do pages that were put together",
        &[("a.json", together("searchset"))],
        &["a: 1950"],
    );
    check(
        "and messages do not",
        &[("a.json", together("message"))],
        &["a: nobody"],
    );
    check(
        "a list",
        &[("a.json", format!("[{a},{una}]"))],
        &["a: 1950"],
    );
    check(
        "a list of Bundles",
        &[(
            "a.json",
            format!("[{}]", bundle("message", &[("", &a), ("", &una)])),
        )],
        &["a: 1950"],
    );
}

#[test]
fn bundles_stand_no_deeper_in_one_another_than_they_may() {
    limits::holds_at(limits::BUNDLE_DEPTH_MAX, |depth| {
        let inner = request("a", "Patient/1");
        let nested = (0..depth).fold(inner, |inner, _| bundle("collection", &[("", &inner)]));
        outcomes(&[("a.json", nested)]).len() == 1
    });
}

#[test]
fn what_is_contained_has_its_name_in_the_request_alone() {
    let request = |subject: &str| {
        format!(
            r#"{{"resourceType":"ServiceRequest","id":"a","contained":[{{"resourceType":"Patient","id":"1","birthDate":"1961"}}],"subject":{{"reference":"{subject}"}}}}"#
        )
    };
    let una = patient("1", "1950", "");
    let lines = |subject: &str| vec![("a.ndjson", format!("{}\n{una}", request(subject)))];
    check("the outer one", &lines("Patient/1"), &["a: 1950"]);
    // The contained one is read from the request itself.
    check("the inner one", &lines("#1"), &["a: nobody"]);
    let tree = request("#1");
    let (tree, arena) = (tree.as_bytes(), Arena::default());
    let tree = Json::parse(tree, &arena).unwrap();
    assert!(resource::contained(&tree, "1").is_some());
}

#[test]
fn a_name_without_a_server_is_that_of_the_file_set_where_it_names_one() {
    let a = request("a", "Patient/1");
    let only = |resource: &str| bundle("collection", &[("", resource)]);
    let of = |mark: &str, value: &str, more: &str| patient("1", mark, &(number(value) + more));
    let una = of("1950", "9000000076", &meta("1", "2026-11-20T10:00:00Z"));
    let una_later = of("1951", "9000000076", &meta("2", "2026-11-21T10:00:00Z"));
    let ben = of("1961", "9000000149", "");
    let with = |people: &[&String]| {
        let mut files = vec![("a.json", only(&a))];
        let names = ["p1.json", "p2.json"];
        files.extend(names.into_iter().zip(people.iter().map(|one| only(one))));
        files
    };
    check("one", &with(&[&una]), &["a: 1950"]);
    check("two versions", &with(&[&una_later, &una]), &["a: 1951"]);
    check("two people", &with(&[&una, &ben]), &["a: Record in doubt"]);
    let own = |person: &str| bundle("message", &[("", &a), ("", person)]);
    check(
        "a newer version in another message than the referral's",
        &[
            ("a.json", own(&una)),
            ("b.json", bundle("message", &[("", &una_later)])),
        ],
        &["a: 1951"],
    );
    check(
        "another person in another message",
        &[
            ("a.json", own(&una)),
            ("b.json", bundle("message", &[("", &ben)])),
        ],
        &["a: 1950"],
    );
}
