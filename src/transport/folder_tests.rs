//! Tests of the folder transport: against real files in a temporary folder.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::domain::limits;
use crate::sheet::write_atomically;

const MODIFIED_SECONDS: u64 = 1_795_000_000;
const AT_ONCE: Moment = Moment {
    now_micros: 0,
    settle_seconds: 0,
};

struct Exchange {
    _home: tempfile::TempDir,
    transport: FolderTransport,
}

fn place() -> Exchange {
    let home = tempfile::tempdir().unwrap();
    let transport = FolderTransport::new(&home.path().join("p/{partner}/x"), "elm", FILE_MODE);
    transport.prepare().unwrap();
    assert!(home.path().join("p/elm/x/in/done").is_dir());
    Exchange {
        _home: home,
        transport,
    }
}

impl Exchange {
    fn puts(&self, name: &str, content: &str) {
        let path = self.transport.incoming.join(name);
        write_atomically(&path, content.as_bytes(), 0o640).unwrap();
        let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }

    fn lists(&self, moment: Moment) -> Listing {
        self.transport
            .list(&Pattern::parse("r*.csv").unwrap(), moment)
            .unwrap()
    }

    fn only_candidate(&self) -> Candidate {
        let mut listing = self.lists(AT_ONCE);
        assert_eq!(listing.candidates.len(), 1);
        listing.candidates.remove(0)
    }
}

fn names(files: &[PartnerFileName]) -> Vec<&str> {
    files.iter().map(PartnerFileName::reveal).collect()
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

const DROP: OutgoingDrop<'static> = OutgoingDrop {
    name: "r_000001.csv",
    bytes: b"A\n1\n",
    manifest_name: "r_000001.manifest.json",
    manifest: b"{}\n",
};

#[test]
fn a_drop_is_published_once_and_its_manifest_last() {
    let place = place();
    let out = &place.transport.out;
    assert_eq!(place.transport.publish(&DROP).unwrap(), Published::Now);
    assert_eq!(files_in(out), ["r_000001.csv", "r_000001.manifest.json"]);
    assert_eq!(files_in(&place.transport.parts), [""; 0]);
    assert_eq!(
        fs::metadata(out.join(DROP.name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
    assert!(place.transport.waits(DROP.name).unwrap());

    // The run died between file and manifest: the rest follows.
    fs::remove_file(out.join(DROP.manifest_name)).unwrap();
    assert_eq!(place.transport.publish(&DROP).unwrap(), Published::Now);

    // The partner has fetched the file: it is not sent a second time.
    fs::remove_file(out.join(DROP.name)).unwrap();
    assert!(!place.transport.waits(DROP.name).unwrap());
    assert_eq!(place.transport.publish(&DROP).unwrap(), Published::Before);
    assert_eq!(files_in(out), ["r_000001.manifest.json"]);
}

#[test]
fn another_file_under_a_drops_name_is_kept() {
    let place = place();
    place.transport.publish(&DROP).unwrap();
    let other_manifest = OutgoingDrop {
        manifest: b"[]\n",
        ..DROP
    };
    assert!(matches!(
        place.transport.publish(&other_manifest),
        Err(TransportError::NameTaken { .. })
    ));
    fs::remove_file(place.transport.out.join(DROP.manifest_name)).unwrap();
    let other_rows = OutgoingDrop {
        bytes: b"A\n2\n",
        ..DROP
    };
    assert!(matches!(
        place.transport.publish(&other_rows),
        Err(TransportError::NameTaken { .. })
    ));
    assert_eq!(files_in(&place.transport.out), ["r_000001.csv"]);
    let path = OutgoingDrop {
        name: "../x.csv",
        ..DROP
    };
    assert!(matches!(
        place.transport.publish(&path),
        Err(TransportError::BadName { .. })
    ));
}

#[test]
fn returns_are_sorted_into_those_to_take_and_those_to_leave() {
    let place = place();
    let incoming = &place.transport.incoming;
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
    symlink("/dev/zero", incoming.join("r4.csv")).unwrap();
    fs::create_dir(incoming.join("r5.csv")).unwrap();
    let _socket = UnixListener::bind(incoming.join("r6.csv")).unwrap();
    fs::hard_link(incoming.join("notes.docx"), incoming.join("r7.csv")).unwrap();

    let listing = place.lists(AT_ONCE);
    let taken: Vec<PartnerFileName> = listing
        .candidates
        .iter()
        .map(|candidate| candidate.name.clone())
        .collect();
    assert_eq!(names(&taken), ["R1.CSV", "r2.csv"]);
    assert_eq!(names(&listing.waiting), ["r.csv"]);
    assert!(listing.ignored.is_empty());
    let skipped: Vec<(&str, SkipReason)> = listing
        .skipped
        .iter()
        .map(|(name, reason)| (name.reveal(), *reason))
        .collect();
    assert_eq!(
        skipped,
        [
            ("notes.docx", SkipReason::HardLink),
            ("r4.csv", SkipReason::Symlink),
            ("r5.csv", SkipReason::Folder),
            ("r6.csv", SkipReason::Special),
            ("r7.csv", SkipReason::HardLink),
        ]
    );
    fs::remove_file(incoming.join("r7.csv")).unwrap();
    assert_eq!(names(&place.lists(AT_ONCE).ignored), ["notes.docx"]);
}

#[test]
fn a_return_is_taken_when_it_stood_still_long_enough() {
    let place = place();
    place.puts("r.csv", "x");
    let modified_micros = i64::try_from(MODIFIED_SECONDS).unwrap() * 1_000_000;
    for (after_micros, taken) in [(59_999_999, 0), (60_000_000, 1), (-1, 0)] {
        let listing = place.lists(Moment {
            now_micros: modified_micros + after_micros,
            settle_seconds: 60,
        });
        assert_eq!(listing.candidates.len(), taken, "{after_micros}");
        assert_eq!(listing.waiting.len(), 1 - taken);
    }
}

#[test]
fn only_the_file_that_was_listed_is_read() {
    let place = place();
    place.puts("r.csv", "content");
    let candidate = place.only_candidate();
    assert_eq!(place.transport.read(&candidate, 7).unwrap(), b"content");
    assert!(matches!(
        place.transport.read(&candidate, 6),
        Err(TransportError::TooLarge { .. })
    ));

    place.puts("r.csv", "another");
    assert!(matches!(
        place.transport.read(&candidate, 100),
        Err(TransportError::Changed { .. })
    ));
    assert!(matches!(
        place.transport.put_away(&candidate, Place::Done),
        Err(TransportError::Changed { .. })
    ));
    let path = place.transport.incoming.join("r.csv");
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        place.transport.read(&candidate, 100),
        Err(TransportError::Changed { .. })
    ));
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(
        place.transport.read(&candidate, 100),
        Err(TransportError::NotRegular { .. })
    ));
    fs::remove_file(&path).unwrap();
    let _socket = UnixListener::bind(&path).unwrap();
    assert!(matches!(
        place.transport.read(&candidate, 100),
        Err(TransportError::NotRegular { .. })
    ));
}

#[test]
fn returns_put_away_keep_their_names_or_get_a_number() {
    let place = place();
    for (round, expected) in [(1, "r.csv"), (2, "r (2).csv"), (3, "r (3).csv")] {
        place.puts("r.csv", &format!("round {round}"));
        let candidate = place.only_candidate();
        assert_eq!(
            place
                .transport
                .put_away(&candidate, Place::Done)
                .unwrap()
                .reveal(),
            expected
        );
    }
    place.puts("r.csv", "x");
    let kept = place
        .transport
        .put_away(&place.only_candidate(), Place::Refused)
        .unwrap();
    assert_eq!(kept.reveal(), "r.csv");
    assert_eq!(
        files_in(&place.transport.done),
        ["r (2).csv", "r (3).csv", "r.csv"]
    );
    assert!(files_in(&place.transport.incoming).is_empty());
}

#[test]
fn receipts_of_one_return_share_a_name_and_the_same_ones_change_nothing() {
    let place = place();
    let of = PartnerFileName::new("week/47.xlsx".to_owned());
    let write = |csv: &'static [u8], json: &'static [u8]| {
        let receipts = [
            Receipt {
                ending: "receipt.csv",
                bytes: csv,
            },
            Receipt {
                ending: "receipt.json",
                bytes: json,
            },
        ];
        place.transport.write_receipts(&of, &receipts).unwrap()
    };
    assert_eq!(
        write(b"a", b"1"),
        ["week_47.receipt.csv", "week_47.receipt.json"]
    );
    assert_eq!(
        write(b"a", b"1"),
        ["week_47.receipt.csv", "week_47.receipt.json"]
    );
    assert_eq!(
        write(b"a", b"2"),
        ["week_47 (2).receipt.csv", "week_47 (2).receipt.json"]
    );
    fs::remove_file(place.transport.receipts.join("week_47 (2).receipt.json")).unwrap();
    assert_eq!(
        write(b"b", b"3"),
        ["week_47 (3).receipt.csv", "week_47 (3).receipt.json"]
    );
    assert_eq!(files_in(&place.transport.receipts).len(), 5);
}

#[test]
fn a_folder_that_is_a_link_is_refused_and_old_parts_are_swept() {
    let place = place();
    write_atomically(&place.transport.parts.join("r.csv.part"), b"half", 0o600).unwrap();
    place.transport.sweep().unwrap();
    assert!(files_in(&place.transport.parts).is_empty());
    fs::remove_dir(&place.transport.done).unwrap();
    symlink("/", &place.transport.done).unwrap();
    let error = place.transport.prepare().unwrap_err();
    assert!(matches!(error, TransportError::NotAFolder { .. }));
}

#[test]
fn a_return_is_no_longer_than_it_may_be_and_no_more_than_so_many_are_taken() {
    limits::holds_at(limits::RETURN_BYTES.usual, |bytes| {
        let exchange = place();
        exchange.puts("r.csv", "");
        OpenOptions::new()
            .write(true)
            .open(exchange.transport.incoming.join("r.csv"))
            .unwrap()
            .set_len(bytes)
            .unwrap();
        let candidate = exchange.only_candidate();
        let read = exchange
            .transport
            .read(&candidate, limits::RETURN_BYTES.usual);
        read.is_ok_and(|content| content.len() as u64 == bytes)
    });
    limits::holds_at(limits::RETURN_FILES_MAX, |files| {
        let exchange = place();
        (0..files).for_each(|number| exchange.puts(&format!("r{number}.csv"), "x"));
        let listing = exchange.lists(AT_ONCE);
        listing.candidates.len() == files && !listing.more
    });
}
