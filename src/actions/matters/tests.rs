//! Situations, each with its first line, command and owner; and healthy ones with none.

use super::facts::{
    DiskSeen, Facts, HoldSeen, LogSeen, PartnerSeen, PreparedSeen, RunSeen, RunUnderWay, SourceSeen,
};
use super::*;
use crate::actions::approvals::{ApprovalLine, WiderLine};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::{HoldNumber, Reason, Stage};
use crate::partner::schedule::DueTimes;
use crate::pipeline::receive::Untaken;
use crate::store::body::RunResult;

/// A Tuesday, 09:10 in London.
const NOW: &str = "2026-12-01T09:10:00Z";

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn run_of(number: i64, when: &str, stages: &[Stage]) -> RunSeen {
    RunSeen {
        number,
        at: at(when),
        stages: stages.to_vec(),
        ended: Some((RunResult::Done, String::new())),
    }
}

/// An installation that is well: a source of a server, a partner, every room in time.
fn well() -> Facts {
    let due = |text: &str| DueTimes::parse(text).unwrap();
    let back = [Stage::Collect, Stage::Match, Stage::Push];
    let out = [Stage::Pull, Stage::Select, Stage::Map];
    Facts {
        now: at(NOW),
        by_hand: false,
        doubts: Vec::new(),
        broken: Vec::new(),
        last_event: at("2026-12-01T09:00:09Z"),
        first_run: Some(at("2026-10-01T08:00:00Z")),
        runs: vec![
            run_of(9, "2026-12-01T09:00:05Z", &back),
            run_of(8, "2026-12-01T09:00:01Z", &out),
            run_of(7, "2026-12-01T06:00:01Z", &[Stage::Deliver]),
            run_of(6, "2026-12-01T02:00:01Z", &[Stage::Reconcile]),
        ],
        under_way: Vec::new(),
        schedule: vec![
            ("pull", vec![Stage::Pull], due("*/30 * * * *")),
            ("deliver", vec![Stage::Deliver], due("0 6 * * MON-FRI")),
            ("collect", vec![Stage::Collect], due("*/15 * * * *")),
            ("reconcile", vec![Stage::Reconcile], due("0 2 * * *")),
        ],
        sources: vec![SourceSeen {
            id: "hilltop".to_owned(),
            at: "https://gp.example/fhir".to_owned(),
            server: true,
            verdict: Some("complete".to_owned()),
            read_to: Some(at("2026-12-01T08:58:01Z")),
            skew_seconds: Some(2),
            missing_usual: 0,
        }],
        partners: vec![PartnerSeen {
            id: "elm".to_owned(),
            folder: "/srv/elm".to_owned(),
            expires_on: Some("2027-03-31".parse().unwrap()),
            under_way: false,
            drops_prepared: Vec::new(),
            files_changed: Vec::new(),
            inbox: Ok(Untaken::default()),
            late: false,
        }],
        nights_missing: Vec::new(),
        disk: Some(DiskSeen {
            folder: "/srv/kith/var".to_owned(),
            bytes_free: 40 << 30,
            bytes_all: 100 << 30,
        }),
        log: None,
        holds: Vec::new(),
        approvals: Vec::new(),
    }
}

fn hold(number: i64, reason: Reason, since: &str) -> HoldSeen {
    HoldSeen {
        number: HoldNumber::new(number),
        reason,
        stage: Stage::Match,
        since: at(since),
    }
}

fn prepared(number: i64, stale: bool) -> PreparedSeen {
    PreparedSeen {
        name: format!("referrals_20261130_{number:06}.csv"),
        number,
        day: "2026-11-30".parse().unwrap(),
        stale,
    }
}

fn under_way(number: i64) -> RunUnderWay {
    let (pid, host) = (4711, "gp-link".to_owned());
    RunUnderWay { number, pid, host }
}

fn approval() -> ApprovalLine {
    let wider = WiderLine {
        section: "share".to_owned(),
        key: "patient.email".to_owned(),
        what: "is shared".to_owned(),
        elements: Vec::new(),
        text: String::new(),
    };
    ApprovalLine {
        partner: "elm".to_owned(),
        changed_by: Some("B. Writer".to_owned()),
        since: Some("2026-12-01T09:00:00Z".to_owned()),
        wider: vec![wider],
    }
}

type Change = fn(&mut Facts);

/// Every situation: what differs from an installation that is well, and the first line.
const SITUATIONS: [(&str, Change, &str); 44] = [
    (
        "nothing ever ran",
        |it| (it.first_run, it.runs) = (None, Vec::new()),
        "Needs somebody now: nothing has run here yet: kith run",
    ),
    (
        "GP system dead since installation, first run a minute ago",
        |it| {
            it.first_run = Some(at("2026-12-01T09:00:01Z"));
            (it.sources[0].verdict, it.sources[0].read_to) = (Some("unknown".into()), None);
        },
        "Needs somebody today: source hilltop (https://gp.example/fhir) could not be read to its end, never yet: kith check --online",
    ),
    (
        "GP system dead since installation, weeks ago",
        |it| (it.sources[0].verdict, it.sources[0].read_to) = (Some("unknown".into()), None),
        "Needs somebody now: source hilltop (https://gp.example/fhir) could not be read to its end, never yet: kith check --online",
    ),
    (
        "GP system dead since yesterday",
        |it| {
            (it.sources[0].verdict, it.sources[0].read_to) =
                (Some("unknown".into()), Some(at("2026-11-30T09:00:00Z")));
        },
        "Needs somebody now: source hilltop (https://gp.example/fhir) could not be read to its end, not since 30 November 2026 09:00 (24 hours): kith check --online",
    ),
    (
        "certificate unknown, one pull",
        |it| {
            (it.sources[0].verdict, it.sources[0].read_to) =
                (Some("unknown".into()), Some(at("2026-12-01T08:28:01Z")));
        },
        "Needs somebody today: source hilltop (https://gp.example/fhir) could not be read to its end, not since 1 December 2026 08:28 (41 minutes): kith check --online",
    ),
    (
        "certificate complete except",
        |it| it.sources[0].verdict = Some("complete except 4 unreadable".into()),
        "Needs somebody today: source hilltop was read except 4 unreadable: kith run --once pull --source hilltop",
    ),
    (
        "a source that no run asked, though pulls go on",
        |it| it.sources[0].read_to = Some(at("2026-11-30T09:00:00Z")),
        "Needs somebody today: source hilltop (https://gp.example/fhir) was not read by the schedule, not since 30 November 2026 09:00 (24 hours): kith check --online",
    ),
    (
        "a practice that fell silent",
        |it| it.sources[0].missing_usual = 7,
        "Needs somebody today: source hilltop shows no new referral where 7 would be usual by now: kith explain PULL-015",
    ),
    (
        "no run for seven weeks",
        |it| {
            for run in &mut it.runs {
                run.at = run.at.plus_seconds(-49 * 86_400);
            }
            it.sources[0].read_to = Some(at("2026-10-13T08:58:01Z"));
        },
        "Needs somebody now: nothing has run since 13 October 2026 10:00 (49 days): kith run",
    ),
    (
        "one room that no run enters any more",
        |it| drop(it.runs.remove(0)),
        "Needs somebody now: collect has not run by the schedule since 1 October 2026 09:00 (61 days): kith run",
    ),
    (
        "a night that did not run, told on its second step",
        |it| it.runs[3].at = at("2026-11-29T02:00:01Z"),
        "Needs somebody now: reconcile has not run by the schedule since 29 November 2026 02:00 (2 days): kith run",
    ),
    (
        "a night not issued",
        |it| it.nights_missing = vec!["2026-11-30".parse().unwrap()],
        "Needs somebody today: the night of 2026-11-30 was not issued: kith report --date 2026-11-30",
    ),
    (
        "a week of nights not issued",
        |it| {
            it.nights_missing = (24..31)
                .map(|day| jiff::civil::date(2026, 11, day))
                .collect();
        },
        "Needs somebody today: 7 nights were not issued (2026-11-24 to 2026-11-30): kith report --date 2026-11-24",
    ),
    (
        "nights not issued here and there",
        |it| {
            it.nights_missing = [1, 2, 5, 9, 10, 11, 20, 30]
                .map(|day| jiff::civil::date(2026, 11, day))
                .to_vec();
        },
        "Needs somebody today: 8 nights were not issued (2026-11-01 to 2026-11-02, 2026-11-05, 2026-11-09 to 2026-11-11 and 2 others): kith report --date 2026-11-01",
    ),
    (
        "a file in in/ of a partner that sends nothing back",
        |it| {
            it.partners[0].inbox = Ok(Untaken {
                foreign: 1,
                ..Untaken::default()
            });
        },
        "Needs somebody today: nobody takes 1 file in in/ of partner elm (1 though no return is agreed): ls -l /srv/elm/in",
    ),
    (
        "an empty file in in/",
        |it| {
            it.partners[0].inbox = Ok(Untaken {
                empty: 1,
                ..Untaken::default()
            });
        },
        "Needs somebody today: nobody takes 1 file in in/ of partner elm (1 empty): ls -l /srv/elm/in",
    ),
    (
        "files in in/ that the last run left",
        |it| {
            it.partners[0].inbox = Ok(Untaken {
                left: 2,
                ..Untaken::default()
            });
        },
        "Needs somebody today: nobody takes 2 files in in/ of partner elm (2 not taken by the last run): ls -l /srv/elm/in",
    ),
    (
        "a partner's folder that is gone",
        |it| it.partners[0].inbox = Err("listing in failed: not found".into()),
        "Needs somebody today: the folder of partner elm cannot be looked into: listing in failed: not found: ls -ld /srv/elm",
    ),
    (
        "a drop written into",
        |it| it.partners[0].files_changed = vec!["drop referrals_20261130_000007.csv".into()],
        "Needs somebody today: somebody wrote into drop referrals_20261130_000007.csv in out/ of partner elm: ls -l /srv/elm/out",
    ),
    (
        "a drop prepared and not out",
        |it| {
            it.partners[0].drops_prepared = vec![prepared(7, false)];
        },
        "Needs somebody today: drop referrals_20261130_000007.csv of 2026-11-30 for partner elm was prepared and did not leave: kith run --once deliver --partner elm",
    ),
    (
        "a drop prepared, perhaps out, and no longer so",
        |it| {
            it.partners[0].drops_prepared = vec![prepared(6, false), prepared(7, true)];
        },
        "Needs somebody today: drop referrals_20261130_000007.csv of 2026-11-30 for partner elm was prepared and did not leave, and what it says is no longer so: kith void elm:7 --by NAME --because \"…\"; if elm has it, with --it-left",
    ),
    (
        "a run that does not end, told on the second step of its room",
        |it| {
            (it.under_way, it.runs[0].ended) = (vec![under_way(9)], None);
            it.runs[0].at = at("2026-12-01T08:44:59Z");
        },
        "Needs somebody now: the run of 1 December 2026 08:44 (25 minutes) has not come to its end (pid 4711 on gp-link): ps -fp 4711 (and 1 more below)",
    ),
    (
        "a drop that waits while a run does not end",
        |it| {
            (it.under_way, it.runs[1].ended) = (vec![under_way(8)], None);
            it.runs[1].at = at("2026-12-01T05:59:59Z");
            (it.partners[0].under_way, it.partners[0].drops_prepared) =
                (true, vec![prepared(7, false)]);
        },
        "Needs somebody now: the run of 1 December 2026 05:59 (3 hours) has not come to its end (pid 4711 on gp-link): ps -fp 4711 (and 2 more below)",
    ),
    (
        "the last run was killed while an earlier one is under way",
        |it| (it.under_way, it.runs[0].ended) = (vec![under_way(8)], None),
        "Needs somebody now: the run of 1 December 2026 09:00 (9 minutes) was cut off before its end: kith run --once",
    ),
    (
        "disk at 5 %",
        |it| it.disk.as_mut().unwrap().bytes_free = 5 << 30,
        "Needs somebody now: the disk of the store is nearly full: 5 % free, 5120 MiB: df -h /srv/kith/var",
    ),
    (
        "disk full",
        |it| it.disk.as_mut().unwrap().bytes_free = 0,
        "Needs somebody now: the disk of the store is nearly full: 0 % free, 0 MiB: df -h /srv/kith/var",
    ),
    (
        "a reader keeps the write-ahead log",
        |it| {
            it.log = Some(LogSeen {
                bytes: (300 << 20) + 1,
                readers: vec![(4242, "python3".to_owned()), (4250, "sqlite3".to_owned())],
            });
        },
        "Needs somebody today: the write-ahead log of the store takes 301 MiB, and grows: a process reads from it and does not end (pid 4242, python3; pid 4250, sqlite3): ps -fp 4242",
    ),
    (
        "somebody unknown keeps the write-ahead log",
        |it| {
            it.log = Some(LogSeen {
                bytes: 300 << 20,
                readers: Vec::new(),
            });
        },
        "Needs somebody today: the write-ahead log of the store takes 300 MiB, and grows: a process reads from it and does not end: kith explain STORE-010",
    ),
    (
        "store behind its anchor",
        |it| {
            it.doubts = vec![Diagnostic::new(
                Code::StoreBehind,
                "the store is older than it was",
                Place::default(),
            )];
        },
        "Needs somebody now: nothing runs: the store is older than it was (STORE-004): kith store accept --by NAME --because \"…\"",
    ),
    (
        "a partner file broken",
        |it| {
            let place = Place::detail("partner elm");
            it.broken = vec![Diagnostic::new(
                Code::PartnerStandsIn,
                "a partner file has a fault: the partner goes on by its last good version",
                place,
            )];
        },
        "Needs somebody now: a partner file has a fault: the partner goes on by its last good version (partner elm): kith check",
    ),
    (
        "clock years off",
        |it| {
            it.now = at("2020-12-01T09:00:00Z");
            it.doubts = vec![Diagnostic::new(
                Code::ClockOff,
                "the clock is 2191 days behind the last recorded event",
                Place::default(),
            )];
            it.runs.clear();
            it.first_run = Some(it.now);
        },
        "Needs somebody now: nothing runs: the clock is 2191 days behind the last recorded event (STORE-009): timedatectl status; if the clock is right, kith store accept --by NAME --because \"…\"",
    ),
    (
        "clock behind",
        |it| it.now = at("2026-11-28T09:00:00Z"),
        "Needs somebody now: this machine's clock says 28 November 2026 09:00, 3 days before the last recorded event, whose time is written instead: timedatectl status",
    ),
    (
        "clock ahead of the GP system's",
        |it| it.sources[0].skew_seconds = Some(-420),
        "Needs somebody today: this machine's clock is 7 minutes ahead of that of source hilltop: kith check --online",
    ),
    (
        "clock behind the GP system's",
        |it| it.sources[0].skew_seconds = Some(61),
        "Needs somebody today: this machine's clock is 1 minute behind that of source hilltop: kith check --online",
    ),
    (
        "writes not reached (429 to the end of a run)",
        |it| it.runs[0].ended = Some((RunResult::Waits, "PUSH-001".into())),
        "Needs somebody today: the last run of collect, 1 December 2026 09:00 (9 minutes), could not reach everything (PUSH-001): kith explain PUSH-001",
    ),
    (
        "a write refused (412)",
        |it| it.holds = vec![hold(4, Reason::Refused, "2026-12-01T09:00:05Z")],
        "Needs somebody today: 1 question waits for IT (refused), the oldest since 1 December 2026 09:00 (9 minutes): kith held list --owner it",
    ),
    (
        "approval waiting",
        |it| it.approvals = vec![approval()],
        "Needs somebody today: the file of partner elm allows 1 thing more than was approved, and nothing new goes there: kith partner approve elm --by NAME --because \"…\"",
    ),
    (
        "agreement expired",
        |it| it.partners[0].expires_on = Some("2026-11-30".parse().unwrap()),
        "Needs somebody today: the agreement with partner elm ended on 2026-11-30, and nothing new goes there: kith explain agreement-expired",
    ),
    (
        "a now hold",
        |it| it.holds = vec![hold(7, Reason::Died, "2026-12-01T09:00:05Z")],
        "Needs somebody now: The person has died (hold 7, died, since 1 December 2026 09:00 (9 minutes)): kith held show 7",
    ),
    (
        "five hundred equal now holds",
        |it| it.holds = (1..=500).map(|n| hold(n, Reason::Died, NOW)).collect(),
        "Needs somebody now: The person has died (hold 1 and 499 others, died, since 1 December 2026 09:10 (0 minutes)): kith held list --reason died",
    ),
    (
        "morning holds of two owners",
        |it| {
            it.holds = vec![
                hold(5, Reason::Tie, "2026-11-20T09:00:00Z"),
                hold(6, Reason::BadDate, "2026-11-30T09:00:00Z"),
                hold(8, Reason::NoService, "2026-11-19T09:00:00Z"),
            ];
        },
        "Needs somebody today: 2 questions wait for the practice (no-service, tie), the oldest since 19 November 2026 09:00 (12 days): kith held list --owner practice (and 1 more below)",
    ),
    (
        "a last run that ended with 2",
        |it| it.runs[0].ended = Some((RunResult::Failed, String::new())),
        "Needs somebody now: the run of 1 December 2026 09:00 (9 minutes) could not go on: kith run --once",
    ),
    (
        "a run that was cut off",
        |it| it.runs[0].ended = None,
        "Needs somebody now: the run of 1 December 2026 09:00 (9 minutes) was cut off before its end: kith run --once",
    ),
    (
        "much at once: the most pressing is named",
        |it| {
            it.holds = vec![hold(5, Reason::Tie, NOW), hold(7, Reason::Restricted, NOW)];
            it.disk.as_mut().unwrap().bytes_free = 0;
            it.nights_missing = vec!["2026-11-30".parse().unwrap()];
        },
        "Needs somebody now: The record is restricted (hold 7, restricted, since 1 December 2026 09:10 (0 minutes)): kith held show 7 (and 3 more below)",
    ),
];

#[test]
fn every_situation_has_its_first_line_and_command() {
    for (situation, change, expected) in SITUATIONS {
        let mut facts = well();
        change(&mut facts);
        let matters = judge(&facts);
        assert_eq!(first_line(&matters), expected, "{situation}");
        for matter in &matters {
            assert!(
                !matter.command.is_empty() && !matter.what.ends_with('.'),
                "{situation}"
            );
        }
    }
}

#[test]
fn what_is_said_of_one_source_or_partner_hides_nothing_of_another() {
    let all = [Stage::Pull, Stage::Deliver, Stage::Push];
    let of = |stages: &[Stage], codes: &str| {
        let mut facts = well();
        facts.sources[0].verdict = Some("complete except 4 unreadable".to_owned());
        facts.partners[0].drops_prepared = vec![prepared(7, false)];
        facts.runs = vec![run_of(9, "2026-12-01T09:00:05Z", stages)];
        facts.runs[0].ended = Some((RunResult::Waits, codes.to_owned()));
        let matters = judge(&facts).into_iter();
        let mut matters = matters.filter(|matter| matter.kind == MatterKind::NotReached);
        matters.next().map(|matter| {
            let told = matter.what.rsplit_once('(').unwrap().1;
            told.trim_end_matches(')').to_owned()
        })
    };
    let out = &all[..2];
    for (stages, codes, told) in [
        (out, "GP-003@source:hilltop", None),
        (out, "GP-003@source:valley", Some("GP-003")),
        (
            out,
            "GP-003@source:hilltop WATCH-001@source:valley",
            Some("WATCH-001"),
        ),
        (out, "GP-003", None),
        (&all[..], "GP-003@source:hilltop", Some("GP-003")),
        (&all[..], "PULL-003@source:hilltop CFG-013", None),
        (out, "DELIVER-001@partner:elm", None),
        (
            out,
            "DELIVER-001@partner:oak DELIVER-006@partner:oak",
            Some("DELIVER-001, DELIVER-006"),
        ),
        (
            out,
            "DELIVER-001@partner:ash DELIVER-001@partner:oak",
            Some("DELIVER-001"),
        ),
    ] {
        assert_eq!(of(stages, codes).as_deref(), told, "{codes}");
    }
}

#[test]
fn each_kind_of_the_table_is_met_by_a_situation() {
    let seen = |kind: MatterKind| {
        SITUATIONS.iter().any(|(_, change, _)| {
            let mut facts = well();
            change(&mut facts);
            judge(&facts).iter().any(|matter| matter.kind == kind)
        })
    };
    for kind in MatterKind::ALL {
        assert!(seen(kind), "{} is in no situation", kind.code());
    }
}

#[test]
fn a_healthy_installation_needs_nobody() {
    let healthy: [(&str, Change); 13] = [
        ("as it is", |_| {}),
        ("a run is under way and has no end yet", |it| {
            (it.under_way, it.runs[0].ended) = (vec![under_way(9)], None);
        }),
        ("a drop is being delivered at this moment", |it| {
            it.under_way = vec![under_way(9)];
            (it.partners[0].under_way, it.partners[0].drops_prepared) =
                (true, vec![prepared(7, false)]);
        }),
        (
            "shadow legs and what is closed at the source wait for nobody",
            |it| {
                it.holds = vec![
                    hold(1, Reason::Shadow, NOW),
                    hold(2, Reason::ClosedAtSource, NOW),
                ];
            },
        ),
        ("Monday morning before the first drop", |it| {
            it.now = at("2026-11-30T05:58:00Z");
            for run in &mut it.runs {
                run.at = at("2026-11-30T05:45:01Z");
            }
            it.runs[2].at = at("2026-11-27T06:00:01Z");
            (it.last_event, it.sources[0].read_to) =
                (at("2026-11-30T05:45:09Z"), Some(at("2026-11-30T05:28:01Z")));
        }),
        ("one step of a schedule late", |it| {
            it.runs[3].at = at("2026-11-30T02:00:01Z");
        }),
        ("the last day of an agreement", |it| {
            it.partners[0].expires_on = Some("2026-12-01".parse().unwrap());
        }),
        ("an agreement without an end", |it| {
            it.partners[0].expires_on = None;
        }),
        ("installed ten minutes ago, read once", |it| {
            it.first_run = Some(at("2026-12-01T09:00:00Z"));
            it.runs.truncate(2);
        }),
        ("6 % of the disk free", |it| {
            it.disk.as_mut().unwrap().bytes_free = 6 << 30;
        }),
        ("a clock that was put right by a minute", |it| {
            it.last_event = it.now.plus_seconds(60);
        }),
        ("clocks a minute apart", |it| {
            it.sources[0].skew_seconds = Some(60);
        }),
        ("looked at as of an earlier day", |it| {
            (it.by_hand, it.last_event) = (true, at("2027-01-01T00:00:00Z"));
        }),
    ];
    for (situation, change) in healthy {
        let mut facts = well();
        change(&mut facts);
        assert_eq!(
            (first_line(&judge(&facts)), judge(&facts)),
            (CALM.to_owned(), Vec::new()),
            "{situation}"
        );
    }
}

#[test]
fn the_night_that_is_asked_for_is_the_last_one_whose_time_has_come() {
    for (schedule, now, expected) in [
        ("0 2 * * *", "2026-12-01T09:10:00Z", Some("2026-11-30")),
        ("0 2 * * *", "2026-12-01T02:30:00Z", Some("2026-11-29")),
        ("0 0 * * *", "2026-12-01T09:10:00Z", Some("2026-11-30")),
        ("* * * * *", "2026-12-01T00:30:00Z", Some("2026-11-29")),
        ("0 2 * * MON", "2026-12-01T09:10:00Z", Some("2026-11-29")),
        ("0 2 29 2 *", "2026-12-01T09:10:00Z", None),
    ] {
        let due = DueTimes::parse(schedule).unwrap();
        let last = super::gather::last_night(&due, at(now)).map(|day| day.to_string());
        assert_eq!(last.as_deref(), expected, "{schedule} at {now}");
    }
}
