//! What is listed and looked at: all that lies there, by what it is and by when it last changed.

use std::os::unix::ffi::OsStrExt;

use super::*;

#[test]
fn all_that_lies_there_is_listed_by_what_it_is() {
    let place = place();
    let incoming = &place.below("in");
    for (name, content) in [
        ("r2.csv", "x"),
        ("R1.CSV", "x"),
        ("notes.docx", "x"),
        ("r.csv", ""),
        ("r3.csv.part", "x"),
        ("~$r.csv", "x"),
    ] {
        place.puts(name, content);
    }
    let no_text = std::ffi::OsStr::from_bytes(b"r\xE9.csv");
    fs::write(incoming.join(no_text), "in latin letters").unwrap();
    symlink("/dev/zero", incoming.join("r4.csv")).unwrap();
    fs::create_dir(incoming.join("r5.csv")).unwrap();
    let _socket = UnixListener::bind(incoming.join("r6.csv")).unwrap();
    fs::hard_link(incoming.join("notes.docx"), incoming.join("r7.csv")).unwrap();

    let mut listing = place.lists(AT_ONCE);
    let by_name = |one: &Candidate, other: &Candidate| one.name.cmp(&other.name);
    listing.candidates.sort_by(by_name);
    let found: Vec<(&str, CandidateKind)> = listing
        .candidates
        .iter()
        .map(|candidate| (candidate.name.reveal(), candidate.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("R1.CSV", CandidateKind::File),
            ("notes.docx", CandidateKind::HardLink),
            ("r2.csv", CandidateKind::File),
            ("r4.csv", CandidateKind::Symlink),
            ("r5.csv", CandidateKind::Folder),
            ("r6.csv", CandidateKind::Special),
            ("r7.csv", CandidateKind::HardLink),
            ("r\u{FFFD}.csv", CandidateKind::File),
        ]
    );
    assert_eq!(names(&listing.waiting), ["r.csv"]);
    let folder = place.folder();
    for candidate in &listing.candidates {
        let read = folder.take(candidate, 100);
        assert_eq!(read.is_ok(), candidate.kind == CandidateKind::File);
        let kept = folder.acknowledge(candidate, Acknowledgement::Refused);
        assert_eq!(kept.unwrap().reveal(), candidate.name.reveal());
    }
    assert!(place.lists(AT_ONCE).candidates.is_empty());
    assert!(place.below("in/refused/r5.csv").is_dir());
    // Only the link was moved, and nothing was read through it.
    let link = fs::symlink_metadata(place.below("in/refused/r4.csv")).unwrap();
    assert!(link.is_symlink());
    let named = place.below("in/refused/r\u{FFFD}.csv");
    assert_eq!(fs::read(named).unwrap(), b"in latin letters");
}

#[test]
fn what_may_not_be_opened_is_put_away_unread() {
    let place = place();
    place.puts("r.csv", "content");
    place
        .transport
        .refuses(|refused| refused.open = Some(rustix::io::Errno::ACCESS));
    let candidate = place.only_candidate();
    let read = place.folder().take(&candidate, 100);
    assert!(matches!(read, Err(TransportError::Forbidden { .. })));
    let kept = place
        .folder()
        .acknowledge(&candidate, Acknowledgement::Refused);
    assert_eq!(kept.unwrap().reveal(), "r.csv");
    assert_eq!(files_in(&place.below("in/refused")), ["r.csv"]);
}

#[test]
fn a_return_is_taken_when_content_and_entry_stood_still_long_enough() {
    let place = place();
    place.puts("r.csv", "x");
    let path = place.below("in/r.csv");
    let times = || place.folder().open(&["in"], "in").unwrap().facts("r.csv");
    let changed_micros = times().unwrap().unwrap().changed_micros();
    let taken = |after_micros: i64| {
        let listing = place.lists(ListingTerms {
            now_micros: changed_micros + after_micros,
            settle_seconds: 60,
            ..AT_ONCE
        });
        assert_eq!(listing.candidates.len() + listing.waiting.len(), 1);
        listing.candidates.len()
    };
    // Its content is old: it was copied with its time. Its entry is not.
    for (after_micros, wanted) in [(59_999_999, 0), (60_000_000, 1), (-1, 0)] {
        assert_eq!(taken(after_micros), wanted, "{after_micros}");
    }
    // A time of writing that lies ahead was set by a clock that is wrong.
    let now = Duration::from_micros(u64::try_from(changed_micros).unwrap());
    let ahead = UNIX_EPOCH + now + Duration::from_hours(24);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_modified(ahead).unwrap();
    let changed_micros = times().unwrap().unwrap().changed_micros();
    let listing = place.lists(ListingTerms {
        now_micros: changed_micros + 60_000_000,
        settle_seconds: 60,
        ..AT_ONCE
    });
    assert_eq!(listing.candidates.len(), 1);
}

#[test]
fn a_drop_that_somebody_touched_is_looked_at() {
    let place = place();
    place.folder().publish(&drop_one()).unwrap();
    let second = OutgoingDrop {
        name: "b.csv".to_owned(),
        manifest_name: "b.manifest.json".to_owned(),
        ..drop_one()
    };
    place.folder().publish(&second).unwrap();
    let none = ("c.csv".to_owned(), "c.manifest.json".to_owned());
    let names = |drop: OutgoingDrop| (drop.name, drop.manifest_name);
    let drops = || vec![names(drop_one()), names(second.clone()), none.clone()];
    let touched = || place.folder().touched(drops()).unwrap();
    let named = |name: &str| touched().iter().any(|touched| touched == name);
    assert!(!named("c.csv"), "what is not there");
    fs::write(place.below("out/b.csv"), "filled in").unwrap();
    assert!(named("b.csv"));
    // A time that is set back does not hide it.
    let file = OpenOptions::new()
        .write(true)
        .open(place.below("out/b.csv"))
        .unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS))
        .unwrap();
    assert!(named("b.csv"));
    fs::remove_file(place.below("out").join(&drop_one().manifest_name)).unwrap();
    assert!(named(&drop_one().name) && named("b.csv"));
}
