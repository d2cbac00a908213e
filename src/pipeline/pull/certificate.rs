//! What a pull can promise: `complete`, `complete except …` or `unknown`, with the evidence for it.
//!
//! In: what was read, and the certificate before. Out: a verdict, which is a pure function of the evidence; both go into
//! the ledger by their digest. Evidence counts and names kinds, never persons, and nothing that a server wrote.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use crate::domain::Instant;
use crate::pipeline::run::{Env, HeldLease, Run};
use crate::store::rows::Certificate;
use crate::store::{Body, Entry};

/// Days whose new referrals are counted to know what is usual.
const USUAL_DAYS: i64 = 28;
/// New referrals that ought to have come before none at all is unusual: by chance alone that is one time in 150.
const MISSED_MIN: u64 = 5;

/// What a pull saw. Absent means nothing of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own, named in the JSON"
)]
pub(super) struct Evidence {
    /// Start of the window asked for; absent for everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// The server's time before anything was asked, less the settle time: everything to then was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    /// Where `to` comes from: `server`, `page` or `own`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<String>,
    /// Server's clock less ours; absent where ours was set by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skew_seconds: Option<i64>,
    /// Pages read.
    pub(super) pages: u64,
    /// Requests that came, each version once.
    pub(super) requests: u64,
    /// Requests by FHIR status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) statuses: BTreeMap<String, u64>,
    /// Requests without any of the codes asked for: not taken in.
    pub(super) other_code: u64,
    /// Requests from outside the window asked for: taken in all the same.
    pub(super) outside_window: u64,
    /// Records that requests name and the server does not give.
    pub(super) unresolved: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) unresolved_by_kind: BTreeMap<String, u64>,
    /// Requests of earlier pulls whose person is still not found.
    pub(super) still_unresolved: u64,
    /// Records read one by one because the server does not give them otherwise.
    pub(super) read_singly: u64,
    /// Requests that came again on other pages.
    pub(super) repeats: u64,
    /// Searches begun again: expired or damaged pages, pages that moved meanwhile.
    pub(super) restarts: u64,
    /// Windows cut in two.
    pub(super) halvings: u64,
    /// Asked without what a server need not have: order and includes.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) asked_plainly: bool,
    /// Parameters that the server says it left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ignored_parameters: Vec<String>,
    /// Parameters that the server says it added: it may have left referrals out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) added_parameters: Vec<String>,
    /// Pages went on empty and never ended.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) endless: bool,
    /// Files or resources that could not be read.
    pub(super) unreadable: u64,
    /// Matches of a search that the server counted and did not give, or gave only when it was asked again.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) left_out: u64,
    /// Pages as full as they were asked to be, from which nothing leads on, of windows that cannot be cut further.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) full_pages: u64,
    /// How often the source says itself that something is missing.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) told_missing: u64,
    /// Requests of a folder whose id came again with newer content.
    pub(super) superseded: u64,
    /// Resources of a folder that are no referral nor record of one.
    pub(super) other_resources: u64,
    /// Requests that a folder says were deleted.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) deleted: u64,
    /// What an export consisted of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) export: Option<Exported>,
    /// When the newest record of a folder was written, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) newest: Option<String>,
    /// Days since: nothing later is known of anybody in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) age_days: Option<i64>,
    /// Not every page came: the window is read again.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) broken: bool,
    /// This pull swept.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) swept: bool,
    /// The newest full sweep, of this pull or an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sweep: Option<Sweep>,
    /// New referrals of the last days, by London day.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) days: BTreeMap<String, u64>,
    /// New referrals that ought to have come since the last one did, where that is many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missing_usual: Option<u64>,
}

/// What an export consisted of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Exported {
    /// Files read, and those of types that no referral needs.
    pub(super) files: u64,
    pub(super) files_skipped: u64,
    /// Unpacked.
    pub(super) bytes: u64,
    /// Resources kept, by type.
    pub(super) resources: BTreeMap<String, u64>,
    /// What the server says it left out, and what else it says.
    pub(super) errors: u64,
    pub(super) warnings: u64,
    /// Requests that the server says it deleted, and other resources.
    pub(super) deleted: u64,
    pub(super) deleted_others: u64,
    /// People who changed while none of their requests did.
    pub(super) people_alone: u64,
    /// Ordered by an earlier run.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) resumed: bool,
}

/// A full sweep: everything of the last weeks asked for again, which must find nothing unseen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sweep {
    /// When, UTC.
    pub(super) at: String,
    /// Requests that came.
    pub(super) requests: u64,
    /// Those that no pull had seen.
    pub(super) unseen: u64,
    /// Those of which a change had not been seen.
    pub(super) changed: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Evidence {
    /// The evidence of a certificate; empty if it cannot be read.
    pub(super) fn of(certificate: &Certificate) -> Self {
        serde_json::from_str(&certificate.evidence).unwrap_or_default()
    }

    /// Counts a record that a request names and the server does not give.
    pub(super) fn unresolved(&mut self, kind: &str) {
        self.unresolved += 1;
        *self.unresolved_by_kind.entry(kind.to_owned()).or_default() += 1;
    }

    /// What the pull can promise.
    pub(super) fn verdict(&self) -> String {
        if self.broken {
            return "unknown".to_owned();
        }
        let mut except = Vec::new();
        let mut counted = |n: u64, what: &str| {
            if n > 0 {
                except.push(format!("{n} {what}"));
            }
        };
        counted(self.unreadable, "unreadable");
        let left_out = self.export.as_ref().map_or(0, |export| export.errors);
        counted(left_out, "errors of the export");
        counted(self.told_missing, "that the source says are missing");
        counted(self.left_out, "matches that the server leaves out");
        counted(self.full_pages, "full pages from which nothing leads on");
        counted(self.outside_window, "from outside the window asked for");
        counted(self.other_code, "with another code than asked for");
        counted(
            self.unresolved.saturating_add(self.still_unresolved),
            "unresolved references",
        );
        if let Some(sweep) = self.sweep.as_ref().filter(|_| self.swept) {
            counted(sweep.unseen, "that only the sweep found");
        }
        if self.endless {
            except.push("pages after an empty one".to_owned());
        }
        if !self.ignored_parameters.is_empty() {
            let names = self.ignored_parameters.join(", ");
            except.push(format!(
                "what the server was asked by {names}, which it ignored"
            ));
        }
        if !self.added_parameters.is_empty() {
            let names = self.added_parameters.join(", ");
            except.push(format!("what the server left out by {names}"));
        }
        if except.is_empty() {
            return "complete".to_owned();
        }
        format!("complete except {}", except.join(", "))
    }

    /// Carries the count of new referrals by day on from the certificate before, and says if none came for too long.
    ///
    /// Usual is the number of new referrals a working day over the four weeks up to the last one that came. Where none came
    /// since, and five or more ought to have come on the working days after it, that is unusual (our decision).
    pub(super) fn count_day(&mut self, before: Option<&Self>, today: Date, new: u64) {
        let Some(before) = before else {
            // The first pull brings years at once, which says nothing of a usual day.
            self.days.insert(today.to_string(), 0);
            return;
        };
        self.days = before
            .days
            .iter()
            .filter(|(day, _)| age(day, today).is_some_and(|age| age < 2 * USUAL_DAYS))
            .map(|(day, n)| (day.clone(), *n))
            .collect();
        *self.days.entry(today.to_string()).or_default() += new;
        self.missing_usual = missing(&self.days, today);
    }
}

fn age(day: &str, today: Date) -> Option<i64> {
    let day: Date = day.parse().ok()?;
    today.since(day).ok().map(|span| i64::from(span.get_days()))
}

/// The referrals that ought to have come since the last one, if they are many.
fn missing(days: &BTreeMap<String, u64>, today: Date) -> Option<u64> {
    let last: Date = days
        .iter()
        .filter(|(_, n)| **n > 0)
        .filter_map(|(day, _)| day.parse().ok())
        .next_back()?;
    let first: Date = days.keys().next()?.parse().ok()?;
    let from = last.saturating_sub(jiff::Span::new().days(USUAL_DAYS - 1));
    let from = from.max(first);
    let came: u64 = days
        .iter()
        .filter(|(day, _)| {
            day.parse::<Date>()
                .is_ok_and(|day| (from..=last).contains(&day))
        })
        .map(|(_, n)| *n)
        .sum();
    let usual_days = working_days(from, last).max(1);
    // Today is not over: it counts from tomorrow on.
    let quiet = working_days(last.saturating_add(jiff::Span::new().days(1)), today)
        .saturating_sub(u64::from(is_working(today)));
    // A fortnight at least, or one busy day would make the next quiet one unusual.
    let known = age(&from.to_string(), last).unwrap_or(0) >= USUAL_DAYS / 2;
    let missed = came.saturating_mul(quiet) / usual_days;
    (known && missed >= MISSED_MIN).then_some(missed)
}

/// Monday to Friday; bank holidays are not known here.
fn is_working(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Working days from one day to another, both counted.
fn working_days(from: Date, to: Date) -> u64 {
    let mut count = 0;
    let mut day = from;
    while day <= to {
        count += u64::from(is_working(day));
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
    count
}

/// Records what a pull can promise.
///
/// # Errors
/// The store failed.
pub(super) async fn record(
    run: &Run,
    lease: &HeldLease,
    evidence: &Evidence,
    high: Instant,
    input: Vec<u8>,
) -> anyhow::Result<()> {
    let verdict = evidence.verdict();
    let evidence = serde_json::to_string(evidence)?;
    let mut batch = lease.batch(run.now());
    let digest = crate::seal::sha256(&[verdict.as_bytes(), evidence.as_bytes()]);
    let high = high.0;
    batch.push(Entry::new(run.id, Body::Certified { digest, high }));
    batch.certificates.push(Certificate {
        run: run.id,
        source: lease.strand(),
        verdict,
        evidence,
        high,
        input,
    });
    run.store.commit(batch).await?;
    Ok(())
}

/// The newest certificate of a source.
///
/// # Errors
/// The store failed.
pub(super) async fn last(env: &Env, source: usize) -> anyhow::Result<Option<Certificate>> {
    let strand = env.sources[source].strand;
    Ok(env
        .store
        .certificates()
        .await?
        .into_iter()
        .find(|certificate| certificate.source == strand))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = Evidence::default();
        change(&mut evidence);
        evidence.verdict()
    }

    #[test]
    fn the_verdict_follows_from_the_evidence() {
        assert_eq!(verdict(|_| {}), "complete");
        assert_eq!(verdict(|it| it.repeats = 7), "complete");
        assert_eq!(
            verdict(|it| (it.unresolved, it.still_unresolved, it.unreadable) = (1, 2, 4)),
            "complete except 4 unreadable, 3 unresolved references"
        );
        assert_eq!(
            verdict(|it| it.added_parameters.push("status".to_owned())),
            "complete except what the server left out by status"
        );
        let unseen = Sweep {
            unseen: 2,
            ..Sweep::default()
        };
        assert_eq!(
            verdict(|it| (it.sweep, it.swept) = (Some(unseen.clone()), true)),
            "complete except 2 that only the sweep found"
        );
        assert_eq!(
            verdict(|it| it.sweep = Some(unseen.clone())),
            "complete",
            "a sweep of an earlier pull"
        );
        assert_eq!(
            verdict(|it| (it.sweep, it.swept, it.broken) = (Some(unseen), true, true)),
            "unknown"
        );
    }

    /// Pulls once a day from Monday 1 September 2025 on; says on which days none was unusual.
    fn quiet_days(new: &[u64]) -> Vec<usize> {
        let mut day: Date = "2025-09-01".parse().unwrap();
        let mut before: Option<Evidence> = None;
        let mut told = Vec::new();
        for (index, n) in new.iter().enumerate() {
            let mut evidence = Evidence::default();
            evidence.count_day(before.as_ref(), day, *n);
            if evidence.missing_usual.is_some() {
                told.push(index);
            }
            before = Some(evidence);
            day = day.tomorrow().unwrap();
        }
        told
    }

    #[test]
    fn no_referrals_are_unusual_only_where_many_are_usual() {
        let weeks = |week: [u64; 7], n: usize| week.repeat(n);
        // Two each working day for four weeks; then none: after three whole working days six are missing.
        let busy = [weeks([2, 2, 2, 2, 2, 0, 0], 4), vec![0; 7]].concat();
        assert_eq!(quiet_days(&busy), [31, 32, 33, 34]);
        // A weekend, one a week, and a first pull of a thousand say nothing.
        assert_eq!(quiet_days(&weeks([2, 2, 2, 2, 2, 0, 0], 8)), [0; 0]);
        assert_eq!(
            quiet_days(&[weeks([1, 0, 0, 0, 0, 0, 0], 4), vec![0; 21]].concat()),
            [0; 0]
        );
        assert_eq!(quiet_days(&[vec![1_000], vec![0; 30]].concat()), [0; 0]);
        // It ends when one comes.
        let again = [busy, vec![1], vec![0; 2]].concat();
        assert_eq!(quiet_days(&again), [31, 32, 33, 34]);
    }
}
