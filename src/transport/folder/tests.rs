//! Tests of the folder transport: against real files in a temporary folder.

use std::fs;
use std::fs::OpenOptions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::domain::limits;
use crate::sheet::write_atomically;
use crate::transport::{CandidateKind, CandidateVersion, LiesIn};

mod looks;

const MODIFIED_SECONDS: u64 = 1_795_000_000;
const AT_ONCE: ListingTerms = ListingTerms {
    now_micros: 0,
    settle_seconds: 0,
    files_max: 200,
};

pub(super) struct Exchange {
    home: tempfile::TempDir,
    pub(super) transport: FolderTransport,
}

pub(super) fn place() -> Exchange {
    let home = tempfile::tempdir().unwrap();
    let transport = FolderTransport::of_partner(&home.path().join("p/elm/x"), "elm", FILE_MODE);
    transport.0.prepare().unwrap();
    assert!(home.path().join("p/elm/x/in/done").is_dir());
    Exchange { home, transport }
}

impl Exchange {
    pub(super) fn folder(&self) -> &OpenFolder {
        &self.transport.0
    }

    /// A path below the partner's folder.
    pub(super) fn below(&self, path: &str) -> PathBuf {
        self.home.path().join("p/elm/x").join(path)
    }

    fn puts(&self, name: &str, content: &str) {
        let path = self.below("in").join(name);
        write_atomically(&path, content.as_bytes(), 0o640).unwrap();
        let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }

    fn lists(&self, terms: ListingTerms) -> Listing {
        self.folder().list(terms).unwrap()
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

pub(super) fn drop_one() -> OutgoingDrop {
    OutgoingDrop {
        name: "r_000001.csv".to_owned(),
        bytes: b"A\n1\n".to_vec(),
        manifest_name: "r_000001.manifest.json".to_owned(),
        manifest: b"{}\n".to_vec(),
    }
}

#[test]
fn a_drop_is_published_once_and_its_manifest_last() {
    let place = place();
    let out = &place.below("out");
    assert_eq!(place.folder().publish(&drop_one()).unwrap(), Published::Now);
    assert_eq!(files_in(out), ["r_000001.csv", "r_000001.manifest.json"]);
    assert_eq!(files_in(&place.below("out/.kith")), [""; 0]);
    assert_eq!(
        fs::metadata(out.join(&drop_one().name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
    assert!(place.folder().fate(&drop_one().name).unwrap() == DropOutcome::Waits);

    // The run died between file and manifest: the rest follows.
    fs::remove_file(out.join(&drop_one().manifest_name)).unwrap();
    assert_eq!(place.folder().publish(&drop_one()).unwrap(), Published::Now);

    // The partner has fetched the file: it is not sent a second time.
    fs::remove_file(out.join(&drop_one().name)).unwrap();
    assert_eq!(
        place.folder().fate(&drop_one().name).unwrap(),
        DropOutcome::Gone
    );
    assert_eq!(
        place.folder().publish(&drop_one()).unwrap(),
        Published::Before
    );
    assert_eq!(files_in(out), ["r_000001.manifest.json"]);
}

#[test]
fn another_file_under_a_drops_name_is_kept() {
    let place = place();
    place.folder().publish(&drop_one()).unwrap();
    let other_manifest = OutgoingDrop {
        manifest: b"[]\n".to_vec(),
        ..drop_one()
    };
    assert!(matches!(
        place.folder().publish(&other_manifest),
        Err(TransportError::NameTaken { .. })
    ));
    fs::remove_file(place.below("out").join(&drop_one().manifest_name)).unwrap();
    let other_rows = OutgoingDrop {
        bytes: b"A\n2\n".to_vec(),
        ..drop_one()
    };
    assert!(matches!(
        place.folder().publish(&other_rows),
        Err(TransportError::NameTaken { .. })
    ));
    assert_eq!(files_in(&place.below("out")), ["r_000001.csv"]);
    let path = OutgoingDrop {
        name: "../x.csv".to_owned(),
        ..drop_one()
    };
    assert!(matches!(
        place.folder().publish(&path),
        Err(TransportError::BadName { .. })
    ));
}

#[test]
fn only_the_file_that_was_listed_is_read() {
    let place = place();
    place.puts("r.csv", "content");
    let candidate = place.only_candidate();
    assert_eq!(place.folder().take(&candidate, 7).unwrap(), b"content");
    assert!(matches!(
        place.folder().take(&candidate, 6),
        Err(TransportError::TooLarge { .. })
    ));

    place.puts("r.csv", "another");
    assert!(matches!(
        place.folder().take(&candidate, 100),
        Err(TransportError::Changed { .. })
    ));
    assert!(matches!(
        place
            .folder()
            .acknowledge(&candidate, Acknowledgement::Done),
        Err(TransportError::Changed { .. })
    ));
    let path = place.below("in").join("r.csv");
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        place.folder().take(&candidate, 100),
        Err(TransportError::Changed { .. })
    ));
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(
        place.folder().take(&candidate, 100),
        Err(TransportError::NotRegular { .. })
    ));
    fs::remove_file(&path).unwrap();
    let _socket = UnixListener::bind(&path).unwrap();
    assert!(matches!(
        place.folder().take(&candidate, 100),
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
                .folder()
                .acknowledge(&candidate, Acknowledgement::Done)
                .unwrap()
                .reveal(),
            expected
        );
    }
    place.puts("r.csv", "x");
    let kept = place
        .folder()
        .acknowledge(&place.only_candidate(), Acknowledgement::Refused)
        .unwrap();
    assert_eq!(kept.reveal(), "r.csv");
    assert_eq!(
        files_in(&place.below("in/done")),
        ["r (2).csv", "r (3).csv", "r.csv"]
    );
    assert!(files_in(&place.below("in")).is_empty());
}

#[test]
fn receipts_of_one_return_share_a_name_and_the_same_ones_change_nothing() {
    let place = place();
    let of = PartnerFileName::new("week/47.xlsx".to_owned());
    let write = |csv: &[u8], json: &[u8]| {
        let receipts = [
            Receipt {
                ending: "receipt.csv",
                bytes: csv.to_vec(),
            },
            Receipt {
                ending: "receipt.json",
                bytes: json.to_vec(),
            },
        ];
        place.folder().write_receipts(&of, &receipts).unwrap()
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
    fs::remove_file(place.below("out/receipts").join("week_47 (2).receipt.json")).unwrap();
    assert_eq!(
        write(b"b", b"3"),
        ["week_47 (3).receipt.csv", "week_47 (3).receipt.json"]
    );
    assert_eq!(files_in(&place.below("out/receipts")).len(), 5);
}

#[test]
fn a_folder_that_is_a_link_is_refused_and_old_parts_are_swept() {
    let place = place();
    write_atomically(&place.below("out/.kith").join("r.csv.part"), b"half", 0o600).unwrap();
    place.folder().sweep().unwrap();
    assert!(files_in(&place.below("out/.kith")).is_empty());
    fs::remove_dir(place.below("in/done")).unwrap();
    symlink("/", place.below("in/done")).unwrap();
    let error = place.folder().prepare().unwrap_err();
    assert!(matches!(error, TransportError::NotAFolder { .. }));
}

#[test]
fn a_return_is_no_longer_than_it_may_be_and_no_more_than_so_many_are_taken() {
    limits::holds_at(limits::RETURN_BYTES.usual, |bytes| {
        let exchange = place();
        exchange.puts("r.csv", "");
        OpenOptions::new()
            .write(true)
            .open(exchange.below("in/r.csv"))
            .unwrap()
            .set_len(bytes)
            .unwrap();
        let listing = exchange.lists(ListingTerms {
            now_micros: i64::MAX,
            ..AT_ONCE
        });
        let read = exchange
            .folder()
            .take(&listing.candidates[0], limits::RETURN_BYTES.usual);
        read.is_ok_and(|content| content.len() as u64 == bytes)
    });
    for files_max in [1, limits::RETURN_FILES.usual, limits::RETURN_FILES.most] {
        limits::holds_at(files_max, |files| {
            let candidate = |number: u64| Candidate {
                name: PartnerFileName::new(format!("r{number}.csv")),
                kind: CandidateKind::File,
                lies_in: LiesIn::Incoming,
                file_size_bytes: 1,
                written_micros: 0,
                version: CandidateVersion("v".into()),
            };
            let listing = Listing {
                candidates: (0..files).map(candidate).collect(),
                ..Listing::default()
            };
            let listing = listing.in_order(usize::try_from(files_max).unwrap());
            listing.candidates.len() as u64 == files && !listing.more
        });
    }
}

#[test]
fn a_drop_is_read_again_up_to_the_bytes_that_any_drop_has() {
    limits::holds_at(limits::DROP_BYTES_MAX, |bytes| {
        let exchange = place();
        let path = exchange.below("out/r.csv");
        fs::write(&path, b"").unwrap();
        let opened = OpenOptions::new().write(true).open(path).unwrap();
        opened.set_len(bytes).unwrap();
        let read = exchange.folder().reread("r.csv", limits::DROP_BYTES_MAX);
        read.is_ok_and(|content| content.is_some_and(|content| content.len() as u64 == bytes))
    });
}

#[test]
fn without_the_renames_of_newer_systems_no_file_is_replaced_either() {
    for lacks_links in [false, true] {
        let place = place();
        place.transport.refuses(|refused| {
            refused.lacks_renameat2 = true;
            refused.lacks_links = lacks_links;
        });
        assert_eq!(place.folder().publish(&drop_one()).unwrap(), Published::Now);
        assert_eq!(files_in(&place.below("out")).len(), 2);
        assert!(files_in(&place.below("out/.kith")).is_empty());
        for expected in ["r.csv", "r (2).csv"] {
            place.puts("r.csv", expected);
            let candidate = place.only_candidate();
            let kept = place
                .folder()
                .acknowledge(&candidate, Acknowledgement::Done)
                .unwrap();
            assert_eq!(kept.reveal(), expected);
            let content = fs::read_to_string(place.below("in/done").join(expected)).unwrap();
            assert_eq!(content, expected);
        }
        assert!(files_in(&place.below("in")).is_empty());
    }
}

#[test]
fn below_the_folder_that_has_a_partners_id_no_link_is_followed() {
    let home = tempfile::tempdir().unwrap();
    for (path, followed, opened) in [
        ("share/elm", "share", true),
        ("share/elm", "share/elm", true),
        ("share/elm/kith", "share/elm", true),
        ("share/elm/kith", "share/elm/kith", false),
        ("share/elm/kith/x", "share/elm/kith", false),
    ] {
        let home = tempfile::tempdir_in(home.path()).unwrap();
        let link = home.path().join(followed);
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("elm")).unwrap();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&elsewhere, &link).unwrap();
        let transport = FolderTransport::of_partner(&home.path().join(path), "elm", FILE_MODE);
        let prepared = transport.0.prepare();
        assert_eq!(prepared.is_ok(), opened, "{path}, a link at {followed}");
        if !opened {
            assert!(matches!(prepared, Err(TransportError::NotAFolder { .. })));
        }
    }
}

#[test]
fn a_folder_without_a_partner_has_its_files_in_itself() {
    let home = tempfile::tempdir().unwrap();
    let transport = FolderTransport::for_import(&home.path().join("import"));
    transport.0.prepare().unwrap();
    transport.0.publish(&drop_one()).unwrap();
    let folder = home.path().join("import");
    assert_eq!(
        files_in(&folder),
        ["r_000001.csv", "r_000001.manifest.json"]
    );
    fs::write(folder.join(".r_000002.csv.part"), b"half").unwrap();
    fs::write(folder.join("theirs.part"), b"theirs").unwrap();
    transport.0.sweep().unwrap();
    assert!(files_in(&folder).contains(&"theirs.part".to_owned()));
    assert_eq!(files_in(&folder).len(), 3);
}

#[test]
fn a_disk_that_cannot_put_names_on_disk_is_gone_on_from_and_one_that_fails_is_not() {
    use rustix::io::Errno;
    for (answer, goes_on) in [
        (Errno::INVAL, true),
        (Errno::NOTSUP, true),
        (Errno::NOSYS, true),
        (Errno::IO, false),
        (Errno::NOSPC, false),
    ] {
        let place = place();
        place
            .transport
            .refuses(|refused| refused.sync = Some(answer));
        let published = place.folder().publish(&drop_one());
        assert_eq!(published.is_ok(), goes_on, "{answer}");
        let written = if goes_on { 2 } else { 1 };
        assert_eq!(files_in(&place.below("out")).len(), written, "{answer}");
    }
}

#[test]
fn a_file_that_is_busy_is_tried_again_and_nothing_of_it_is_left() {
    let place = place();
    place
        .transport
        .refuses(|refused| refused.rename = Some(rustix::io::Errno::BUSY));
    let failed = place.folder().publish(&drop_one()).unwrap_err();
    assert_eq!(failed.remedy(), crate::transport::Remedy::TryAgain);
    assert!(files_in(&place.below("out")).is_empty());
    assert!(files_in(&place.below("out/.kith")).is_empty());
    place.puts("r.csv", "one");
    let candidate = place.only_candidate();
    let how = Acknowledgement::Done;
    let failed = place.folder().acknowledge(&candidate, how).unwrap_err();
    assert_eq!(failed.remedy(), crate::transport::Remedy::TryAgain);
    place.transport.refuses(|refused| refused.rename = None);
    assert_eq!(place.folder().publish(&drop_one()).unwrap(), Published::Now);
    assert!(place.folder().acknowledge(&candidate, how).is_ok());
}

#[test]
fn files_have_the_mode_that_was_agreed_and_folders_let_in_who_may_read() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (file_mode, folder_mode) in [(0o600, 0o600), (0o640, 0o750), (0o664, 0o775)] {
        let home = tempfile::tempdir().unwrap();
        let transport = FolderTransport::of_partner(&home.path().join("elm"), "elm", file_mode);
        transport.0.prepare().unwrap();
        transport.0.publish(&drop_one()).unwrap();
        for name in ["r_000001.csv", "r_000001.manifest.json"] {
            assert_eq!(mode(&home.path().join("elm/out").join(name)), file_mode);
        }
        let reports = FolderTransport::for_reports(&home.path().join("reports"), file_mode);
        let wanted = reports.0.folder_mode();
        assert_eq!(wanted & 0o055, folder_mode & 0o055, "{file_mode:o}");
        assert_eq!(wanted & 0o002, 0);
    }
}

#[test]
fn a_receipt_that_is_newer_than_its_file_is_enough() {
    let place = place();
    place.puts("r.csv", "one");
    let candidate = place.only_candidate();
    let endings = ["receipt.csv", "receipt.json"];
    let texts = |name: &str| vec![format!("\"name\": \"{name}\""), "\"bytes\": 3,".to_owned()];
    let answers = |name: &str| {
        let answered = place.folder().answered(&candidate, &endings, &texts(name));
        answered.unwrap()
    };
    let answered = || answers("r.csv");
    assert!(!answered());
    // The clock of a file system ticks a few times a second.
    std::thread::sleep(Duration::from_millis(30));
    let receipts = endings.map(|ending| Receipt {
        ending,
        bytes: texts("r.csv").join(" ").into_bytes(),
    });
    let name = &candidate.name;
    place.folder().write_receipts(name, &receipts).unwrap();
    assert!(answered());
    // It is no answer to another file whose name has the same stem, nor to one of another size.
    assert!(!answers("r.CSV"));
    let other_size = vec!["\"bytes\": 33,".to_owned()];
    let answered_size = place.folder().answered(&candidate, &endings, &other_size);
    assert!(!answered_size.unwrap());
    fs::remove_file(place.below("out/receipts/r.receipt.json")).unwrap();
    assert!(!answered());
    place.folder().write_receipts(name, &receipts).unwrap();
    assert!(answered());
    // The same name again, put there later: it is answered anew.
    std::thread::sleep(Duration::from_millis(30));
    place.puts("r.csv", "one");
    assert!(!answered());
}
