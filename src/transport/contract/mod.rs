//! The duties of every transport, held to: each by one check, on the folder and on the fake in memory, and each shown to fail where the fake leaves the
//! duty out.

mod checks_in;
mod checks_out;
mod folder_bench;
mod memory_bench;
mod race;
mod weather;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{
    Candidate, Listing, ListingTerms, OutgoingDrop, PartnerFileName, Published, Transport,
    TransportError,
};
use folder_bench::FolderBench;
use memory_bench::MemoryBench;

/// When returns were written; some day in 2026.
const MODIFIED_SECONDS: u64 = 1_795_000_000;
/// Takes what lies there as it is.
const AT_ONCE: ListingTerms = ListingTerms {
    now_micros: 0,
    settle_seconds: 0,
    files_max: 200,
};

type Checked<'b> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'b>>;
type Check = for<'b> fn(&'b dyn Bench) -> Checked<'b>;

/// What goes wrong at the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// There is room for so many files, and for half of the next.
    Full {
        after: usize,
    },
    ReadOnly,
    Gone,
}

/// Where a run died while it published a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Died {
    BeforeTheName,
    BeforeTheManifest,
    AfterTheManifest,
}

/// An exchange, with a test that stands on both of its sides.
trait Bench: Send + Sync {
    /// Our side.
    fn transport(&self) -> Arc<dyn Transport>;
    /// Our side of an exchange by which nothing comes back.
    fn one_way(&self) -> Arc<dyn Transport>;
    /// What lies there of that.
    fn one_way_sees(&self) -> Vec<(String, Vec<u8>)>;

    /// What the partner sees of drops and manifests, by name.
    fn sees(&self) -> Vec<(String, Vec<u8>)>;
    /// How many files are half-written.
    fn half_written(&self) -> usize;
    fn receipts(&self) -> Vec<(String, Vec<u8>)>;
    /// Returns that wait to be taken.
    fn returns(&self) -> Vec<String>;
    fn done(&self) -> Vec<(String, Vec<u8>)>;
    fn refused(&self) -> Vec<(String, Vec<u8>)>;

    /// The partner fetches a drop.
    fn fetches(&self, name: &str);
    /// Somebody lays a file where drops go.
    fn lays(&self, name: &str, content: &[u8]);
    /// The partner sends a return, in place of one of that name.
    fn puts(&self, name: &str, content: &[u8]) {
        self.puts_after(name, content, 0);
    }
    /// The same of one that was written so many seconds after the others.
    fn puts_after(&self, name: &str, content: &[u8], seconds: u32);
    /// The partner puts a link to something else under a name.
    fn links(&self, name: &str);
    /// The partner puts a folder in.
    fn puts_a_folder(&self, name: &str);
    /// Since when something in `in/` stands still, in microseconds since 1970.
    fn stands_since(&self, name: &str) -> i64;
    /// A file that was put away as done is written on.
    fn grows(&self, name: &str, content: &[u8]);
    /// The partner says that a drop is there; whether this kind hears it.
    fn acknowledges(&self, name: &str) -> bool;
    /// A drop did not get there, or not as a file.
    fn fails(&self, name: &str);

    /// Brings about what a run leaves that dies while it publishes.
    fn died(&self, drop: &OutgoingDrop, at: Died);
    /// The answer to the next naming of a file is lost; whether this kind can lose one.
    fn loses_an_answer(&self, arrives: bool) -> bool;
    fn in_trouble(&self, trouble: Option<Trouble>);
    /// Texts that no error may hold.
    fn paths(&self) -> Vec<String>;
}

/// A duty and the check that holds a kind to it.
struct Duty {
    number: usize,
    /// As it stands in the list of the trait.
    title: &'static str,
    check: Check,
}

/// Whether two things are the same; says what they are where they are not.
fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    found: &T,
    wanted: &T,
) -> anyhow::Result<()> {
    anyhow::ensure!(found == wanted, "{what}: {found:?}, and not {wanted:?}");
    Ok(())
}

fn a_drop(number: usize) -> OutgoingDrop {
    OutgoingDrop {
        name: format!("r_{number:06}.csv"),
        bytes: format!("A\n{number}\n").into_bytes(),
        manifest_name: format!("r_{number:06}.manifest.json"),
        manifest: b"{}\n".to_vec(),
    }
}

/// What a partner sees of drops that are there.
fn whole(drops: &[OutgoingDrop]) -> Vec<(String, Vec<u8>)> {
    let files = drops.iter().flat_map(|drop| {
        [
            (drop.name.clone(), drop.bytes.clone()),
            (drop.manifest_name.clone(), drop.manifest.clone()),
        ]
    });
    files.collect()
}

async fn publish(bench: &dyn Bench, drop: &OutgoingDrop) -> Result<Published, TransportError> {
    bench.transport().publish(drop.clone()).await
}

async fn list(bench: &dyn Bench, terms: ListingTerms) -> Result<Listing, TransportError> {
    bench.transport().list(terms).await
}

async fn only_candidate(bench: &dyn Bench) -> anyhow::Result<Candidate> {
    let mut candidates = list(bench, AT_ONCE).await?.candidates;
    same("candidates", &candidates.len(), &1)?;
    Ok(candidates.remove(0))
}

fn names(files: &[PartnerFileName]) -> Vec<&str> {
    files.iter().map(PartnerFileName::reveal).collect()
}

fn file(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), content.to_vec())
}

/// The error of a call that must have none but an error.
fn error_of<T: std::fmt::Debug>(
    what: &str,
    result: Result<T, TransportError>,
) -> anyhow::Result<TransportError> {
    match result {
        Ok(value) => anyhow::bail!("{what}: {value:?}, and not an error"),
        Err(error) => Ok(error),
    }
}

macro_rules! duties {
    ($($number:literal $test:ident: $title:literal, $check:path;)*) => {
        const DUTIES: &[Duty] = &[$(Duty {
            number: $number,
            title: $title,
            check: |bench| Box::pin($check(bench)),
        }),*];

        mod on_the_folder {
            $(#[tokio::test]
            async fn $test() {
                super::keeps($number, &super::FolderBench::new()).await;
            })*
        }

        mod on_the_fake {
            $(#[tokio::test]
            async fn $test() {
                super::keeps($number, &super::MemoryBench::new(0)).await;
            })*
        }

        mod left_out_of_the_fake {
            $(#[tokio::test]
            async fn $test() {
                super::misses($number).await;
            })*
        }
    };
}

duties! {
    1 d01_ready: "Ready", checks_out::ready;
    2 d02_whole_or_not_at_all: "Whole or not at all", checks_out::whole_or_not_at_all;
    3 d03_once: "Once", checks_out::once;
    4 d04_a_taken_name: "A taken name", checks_out::a_taken_name;
    5 d05_a_crash_before_the_name: "A crash before the name", checks_out::a_crash_before_the_name;
    6 d06_a_crash_after_the_name: "A crash after the name", checks_out::a_crash_after_the_name;
    7 d07_a_lost_answer: "A lost answer", checks_out::a_lost_answer;
    8 d08_fate: "Fate", checks_out::fate;
    9 d09_candidates: "Candidates", checks_in::candidates;
    10 d10_a_file_that_grows: "A file that grows", checks_in::a_file_that_grows;
    11 d11_record_first: "Record first", checks_in::record_first;
    12 d12_acknowledged_once: "Acknowledged once", checks_in::acknowledged_once;
    13 d13_the_same_file_twice: "The same file twice", checks_in::the_same_file_twice;
    14 d14_receipts: "Receipts", checks_in::receipts;
    15 d15_full: "Full", checks_out::full;
    16 d16_read_only: "Read-only", checks_in::read_only;
    17 d17_gone: "Gone", checks_in::gone;
    18 d18_order: "Order", checks_in::order;
    19 d19_names: "Names", checks_out::names_of_ours;
    20 d20_limits: "Limits", checks_in::limits;
    21 d21_nothing_outside: "Nothing outside", checks_in::nothing_outside;
    22 d22_capabilities: "Capabilities", checks_out::capabilities;
    23 d23_reports: "Reports", checks_out::reports;
    24 d24_errors: "Errors", checks_out::errors;
    25 d25_everything_is_answered: "Everything is answered", checks_in::everything_is_answered;
    26 d26_grown_since: "Grown since", checks_in::grown_since;
    27 d27_written_into: "Written into", checks_out::written_into;
    28 d28_renewed: "Renewed", checks_out::renewed;
}

async fn keeps(number: usize, bench: &dyn Bench) {
    let duty = DUTIES.iter().find(|duty| duty.number == number).unwrap();
    if let Err(missed) = (duty.check)(bench).await {
        panic!("duty {number}, {}: {missed:#}", duty.title);
    }
}

/// The check of a duty fails where the fake leaves that duty out.
async fn misses(number: usize) {
    let duty = DUTIES.iter().find(|duty| duty.number == number).unwrap();
    let bench = MemoryBench::new(number);
    let found = (duty.check)(&bench).await;
    assert!(
        found.is_err(),
        "duty {number}, {}: its check passes without it",
        duty.title
    );
}

#[test]
fn the_list_of_the_trait_and_the_checks_are_the_same_duties() {
    let listed: Vec<(usize, String)> = include_str!("../mod.rs")
        .lines()
        .filter_map(|line| {
            let (number, rest) = line.strip_prefix("/// ")?.split_once(". **")?;
            let title = rest.split_once(".**")?.0;
            Some((number.parse().ok()?, title.to_owned()))
        })
        .collect();
    let checked: Vec<(usize, String)> = DUTIES
        .iter()
        .map(|duty| (duty.number, duty.title.to_owned()))
        .collect();
    assert_eq!(listed, checked);
}
