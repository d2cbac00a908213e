//! Fifty people, split at random over practices, forms and hosts whose ids clash: whoever is attached to a referral is the
//! referral's person, in the newest version.

use super::*;
use crate::pipeline::pull::seeded::{Draw, seeds};

/// Folders in the ordinary tests.
const SEEDS: u64 = 30;
const PEOPLE: usize = 50;
const PRACTICES: usize = 5;

/// How a practice's records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WrittenForm {
    /// Lines in a folder of its own.
    Below,
    /// Lines in the folder that others share.
    Shared,
    /// A message a person, without addresses.
    Messages,
    /// The same with `urn:` addresses that other practices use too.
    Urns,
    /// Pages of a host.
    Pages,
}

const FORMS: [WrittenForm; 5] = [
    WrittenForm::Below,
    WrittenForm::Shared,
    WrittenForm::Messages,
    WrittenForm::Urns,
    WrittenForm::Pages,
];

/// One person's records: the referral, and the versions of the person.
struct PersonRecords {
    id: usize,
    request: String,
    versions: Vec<String>,
}

fn records(
    dice: &mut Draw,
    person: usize,
    id: usize,
    form: WrittenForm,
    dated: bool,
) -> PersonRecords {
    let subject = match form {
        WrittenForm::Urns => format!("urn:uuid:{id}"),
        WrittenForm::Pages if dice.below(2) == 0 => format!("Patient/{id}/_history/1"),
        _ => format!("Patient/{id}"),
    };
    // Every fourth referral bears an id that other practices use too.
    let own = if dice.below(4) == 0 {
        id
    } else {
        1000 + person
    };
    let request = format!(
        r#"{{"resourceType":"ServiceRequest","id":"{own}","note":[{{"text":"{person}"}}],"subject":{{"reference":"{subject}"}}}}"#
    );
    let version = |number: usize, mark: &str| {
        let meta = if dated {
            format!(
                r#""meta":{{"versionId":"{number}","lastUpdated":"2026-11-{}T10:00:00Z"}},"#,
                10 + number
            )
        } else {
            String::new()
        };
        format!(
            r#"{{"resourceType":"Patient","id":"{id}",{meta}"birthDate":"{mark}","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9{person:09}"}}]}}"#
        )
    };
    let mut versions = match dice.below(8) {
        // In a folder that two share, nothing tells that a record of that name is the other's.
        0 if form != WrittenForm::Shared => Vec::new(),
        1 | 2 => vec![version(1, "old"), version(2, &person.to_string())],
        3 => vec![version(2, &person.to_string()), version(1, "old")],
        _ => vec![version(1, &person.to_string())],
    };
    if !dated {
        versions.dedup();
    }
    PersonRecords {
        id,
        request,
        versions,
    }
}

fn write(home: &Path, practice: usize, form: WrittenForm, all: &[PersonRecords]) {
    let bundle = |kind: &str, entries: &[(String, &String)]| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(url, resource)| match &**url {
                "" => format!(r#"{{"resource":{resource}}}"#),
                url => format!(r#"{{"fullUrl":"{url}","resource":{resource}}}"#),
            })
            .collect();
        let entries = entries.join(",");
        format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#)
    };
    let below = if form == WrittenForm::Below {
        home.join(format!("practice-{practice}"))
    } else {
        home.to_owned()
    };
    std::fs::create_dir_all(&below).unwrap();
    let put = |name: String, text: String| std::fs::write(below.join(name), text).unwrap();
    if matches!(form, WrittenForm::Below | WrittenForm::Shared) {
        let requests: Vec<&str> = all.iter().map(|one| one.request.as_str()).collect();
        let people: Vec<String> = all.iter().flat_map(|one| one.versions.clone()).collect();
        put(format!("{practice}-requests.ndjson"), requests.join("\n"));
        put(format!("{practice}-people.ndjson"), people.join("\n"));
        return;
    }
    for (number, one) in all.iter().enumerate() {
        let host = format!("https://host-{practice}.example/fhir");
        let (kind, of_request, of_person) = match form {
            WrittenForm::Urns => ("transaction", String::new(), format!("urn:uuid:{}", one.id)),
            WrittenForm::Pages => (
                "searchset",
                format!("{host}/ServiceRequest/{}", id_of(&one.request)),
                format!("{host}/Patient/{}", one.id),
            ),
            _ => ("message", String::new(), String::new()),
        };
        let mut entries = vec![(of_request, &one.request)];
        entries.extend(
            one.versions
                .iter()
                .map(|person| (of_person.clone(), person)),
        );
        put(format!("{practice}-{number}.json"), bundle(kind, &entries));
    }
}

fn id_of(request: &str) -> String {
    let arena = Arena::default();
    let tree = Json::parse(request.as_bytes(), &arena).unwrap();
    tree.get("id").and_then(Json::as_str).unwrap().to_owned()
}

/// The person whom the request is about, and the one who is attached.
fn told(folder: &Folder, index: usize) -> (String, Option<String>) {
    let referral = folder.referral(index).unwrap();
    let text = |bytes: &Bytes, path: &[&str]| {
        let arena = Arena::default();
        let tree = Json::parse(bytes, &arena).unwrap();
        tree.at(path).and_then(Json::as_str).map(str::to_owned)
    };
    let request = std::str::from_utf8(&referral.request).unwrap();
    let note = request.split(r#"[{"text":""#).nth(1).unwrap();
    let about = note.split('"').next().unwrap().to_owned();
    let attached = referral.patient.as_ref();
    (
        about,
        attached.and_then(|bytes| text(bytes, &["birthDate"])),
    )
}

#[test]
fn whoever_is_attached_to_a_referral_is_its_person() {
    let (mut attached, mut left) = (0, 0);
    let seeds = seeds(SEEDS);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let mut dice = Draw::of(seed, 3);
        let home = tempfile::tempdir().unwrap();
        let input = home.path().join("in");
        let mut next_id = [0; PRACTICES];
        let forms: Vec<WrittenForm> = (0..PRACTICES).map(|_| FORMS[dice.below(5)]).collect();
        let dated = dice.below(4) > 0;
        let mut all: Vec<Vec<PersonRecords>> = (0..PRACTICES).map(|_| Vec::new()).collect();
        for person in 0..PEOPLE {
            let practice = dice.below(PRACTICES);
            next_id[practice] += 1;
            let records = records(&mut dice, person, next_id[practice], forms[practice], dated);
            all[practice].push(records);
        }
        for (practice, records) in all.iter().enumerate() {
            write(&input, practice, forms[practice], records);
        }
        let temporary = home.path().join("tmp");
        let folder = Folder::open(&input, &temporary, &Limits::default()).unwrap();
        for index in 0..folder.len() {
            let (about, found) = told(&folder, index);
            match found {
                Some(found) => {
                    assert_eq!(found, about, "seed {seed}, {:?}", folder.location(index));
                    attached += 1;
                }
                None => left += 1,
            }
        }
        // Nobody is lost: a request is there once, or in doubt beside another of its name.
        assert!(
            folder.len() > PEOPLE * 3 / 4,
            "seed {seed}: {}",
            folder.len()
        );
    }
    assert!(attached > count * 27, "{attached} attached, {left} not");
}
