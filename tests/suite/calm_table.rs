//! What can be wrong, as one table: what was done to an installation that was well, the first line of `kith status` then, its
//! command, and the exit code. Healthy ones, of which nothing is said, are in `calm.rs`.
//!
//! Each is looked at by the built binary, on a store, folders and servers of its own. What needs root to be done is left out
//! without it, which is said.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::support::case::{Case, small_disk};
use super::support::fake_gp::Writes;
use super::support::partner_file::PartnerFile;
use super::support::people::{day, ndjson, referral};
use super::support::source::Source;
use super::support::world::{World, came};
use super::writes::Told;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Writes as `Told` has them, after one run while the server did this to them.
fn written(writes: Writes) -> Case {
    let told = Told::new().came();
    told.gp.writes(writes);
    Case::of_world(told.world, told.start)
        .after(60)
        .ran(1)
        .after(90)
}

/// A situation: what was done, the exit code of `kith status`, how its first line begins, and the command at its end.
struct Situation {
    name: &'static str,
    done: fn() -> Option<Seen>,
}

/// An installation, and what is to be said of it.
struct Seen {
    case: Case,
    begins: String,
    ends: String,
}

#[expect(clippy::unnecessary_wraps, reason = "what needs root may be none")]
fn seen(case: Case, begins: impl Into<String>, ends: impl Into<String>) -> Option<Seen> {
    Some(Seen {
        case,
        begins: begins.into(),
        ends: ends.into(),
    })
}

fn said(case: Case, begins: &str, ends: &str) -> Option<Seen> {
    seen(case, begins, ends)
}

/// A referral of somebody, in an extract of its own.
fn referred(case: Case, records: &[serde_json::Value]) -> Case {
    case.writes("extracts/b.ndjson", ndjson(records))
}

const ELM: &str = "mappings/partners/elm.toml";
const NO_SERVER: &str = "http://127.0.0.1:9/fhir";

const SITUATIONS: &[Situation] = &[
    Situation {
        name: "nothing has run",
        done: || {
            let case = Case::of(PartnerFile::of("elm"));
            said(
                case,
                "Needs somebody now: nothing has run here yet",
                ": kith run",
            )
        },
    },
    Situation {
        name: "GP system dead since installation, an hour ago",
        done: || {
            let world = World::of(
                &[Source::searched("gp", NO_SERVER)],
                &[PartnerFile::of("elm")],
            );
            let case = Case::of_world(world, jiff::Timestamp::now());
            let begins = format!(
                "Needs somebody today: source gp ({NO_SERVER}) could not be read to its end, never yet"
            );
            seen(case.ran(1), begins, ": kith check --online")
        },
    },
    Situation {
        name: "GP system dead since installation, five weeks ago",
        done: || {
            let world = World::of(
                &[Source::searched("gp", NO_SERVER)],
                &[PartnerFile::of("elm")],
            );
            let case = Case::of_world(world, jiff::Timestamp::now());
            let case = case.ran(1).after(35 * DAY).ran(1).after(35 * DAY + 60);
            let begins = format!(
                "Needs somebody now: source gp ({NO_SERVER}) could not be read to its end, never yet"
            );
            seen(case, begins, ": kith check --online")
        },
    },
    Situation {
        name: "GP system dead since yesterday",
        done: || {
            let mut case = Case::served().ran(0);
            let begins = format!(
                "Needs somebody now: source hilltop ({}) could not be read to its end, not since ",
                case.gp_base()
            );
            case.world.gp_goes();
            let case = case.after(DAY).ran(1).after(DAY + 60);
            seen(case, begins, " hours): kith check --online")
        },
    },
    Situation {
        name: "no run for seven weeks",
        done: || {
            let case = Case::well().after(49 * DAY + 3_600);
            said(
                case,
                "Needs somebody now: nothing has run since ",
                " (49 days): kith run",
            )
        },
    },
    Situation {
        name: "one night was not issued",
        done: || {
            let case = Case::well().after(2 * DAY).ran(0).after(2 * DAY + 60);
            let night = case.day(0);
            let begins = format!("Needs somebody today: the night of {night} was not issued");
            let ends = format!(": kith report --date {night}");
            seen(case, begins, ends)
        },
    },
    Situation {
        name: "several nights were not issued",
        done: || {
            let case = Case::well().after(2 * DAY).ran(0).after(5 * DAY).ran(0);
            let case = case.after(5 * DAY + 60);
            let [first, second, last] = [0, 2, 3].map(|night| case.day(night));
            let begins = format!(
                "Needs somebody today: 3 nights were not issued ({first}, {second} to {last})"
            );
            let ends = format!(": kith report --date {first}");
            seen(case, begins, ends)
        },
    },
    Situation {
        name: "the first of them was issued by its command",
        done: || {
            let case = Case::well().after(2 * DAY).ran(0).after(5 * DAY).ran(0);
            let [first, second, last] = [0, 2, 3].map(|night| case.day(night));
            let case = case
                .does(&["report", "--date", &first], 0)
                .after(5 * DAY + 60);
            let begins =
                format!("Needs somebody today: 2 nights were not issued ({second} to {last})");
            let ends = format!(": kith report --date {second}");
            seen(case, begins, ends)
        },
    },
    Situation {
        name: "certificate unknown",
        done: || {
            let case = Case::well().moves("extracts", "away").ran(1);
            said(
                case,
                "Needs somebody today: source gp (",
                ": kith run --once pull --source gp",
            )
        },
    },
    Situation {
        name: "certificate complete except",
        done: || {
            let case = Case::well().writes("extracts/b.ndjson", "{\"resourceType\":\"Patient\",");
            said(
                case.ran(1),
                "Needs somebody today: source gp was read except ",
                ": kith run --once pull --source gp",
            )
        },
    },
    Situation {
        name: "the file of a live partner is broken",
        done: || {
            let case = Case::well().edits(ELM, "id = \"elm\"", "id = \"elm\"\nidd = \"x\"");
            let begins = "Needs somebody now: a partner file has a fault: the partner goes on by its last good version (partner elm)";
            said(case, begins, ": kith check")
        },
    },
    Situation {
        name: "the file of a partner in shadow is broken",
        done: || {
            let case = Case::well().writes(
                "mappings/partners/yew.toml",
                "[partner]\nid = \"yew\"\nmode = \"shadow\"\n",
            );
            let begins = "Needs somebody now: a partner file has a fault, and there is no earlier version: the partner is left out (partner yew)";
            said(case, begins, ": kith check")
        },
    },
    Situation {
        name: "a .numbers in in/",
        done: || {
            let case = Case::well().writes("var/partners/elm/in/week 49.numbers", "PK not a sheet");
            said(
                case.ran(1),
                "Needs somebody today: 1 question waits for the partner (file-unread), the oldest since ",
                ": kith held list --owner partner",
            )
        },
    },
    Situation {
        name: "a 0-byte file in in/",
        done: || {
            let case = Case::well().writes("var/partners/elm/in/returns.csv", "");
            let ends = format!(": ls -l {}/in", case.folder());
            seen(
                case,
                "Needs somebody today: nobody takes 1 file in in/ of partner elm (1 empty)",
                ends,
            )
        },
    },
    Situation {
        name: "a file that cannot be read in in/",
        done: || {
            let case = Case::well().writes(
                "var/partners/elm/in/returns.csv",
                b"PK\x03\x04\x00 no sheet",
            );
            let case = case.ran(1);
            said(
                case,
                "Needs somebody today: 1 question waits for the partner (file-unread), the oldest since ",
                ": kith held list --owner partner",
            )
        },
    },
    Situation {
        name: "a file that is too large in in/",
        done: || {
            let case = Case::well().edits(
                "config/kith.toml",
                "[store]",
                "[limits]\nreturn_bytes_max = 20\n[store]",
            );
            let case = case.writes(
                "var/partners/elm/in/returns.csv",
                "Our ref,Date seen,Attended?\n",
            );
            said(
                case.ran(1),
                "Needs somebody today: 1 question waits for the partner (file-unread), the oldest since ",
                ": kith held list --owner partner",
            )
        },
    },
    Situation {
        name: "a drop that somebody wrote into",
        done: || {
            let case = Case::well();
            let name = case.drop_name();
            let path = format!("var/partners/elm/out/{name}");
            let text = fs::read(case.world.home.below(&path)).unwrap();
            let case = case.writes(&path, [&text[..], b"x"].concat());
            let ends = format!(": ls -l {}/out", case.folder());
            seen(
                case,
                format!(
                    "Needs somebody today: somebody wrote into drop {name} in out/ of partner elm"
                ),
                ends,
            )
        },
    },
    Situation {
        name: "a drop that was prepared and did not leave",
        done: || {
            let case = Case::well();
            let name = case.drop_name().replace("000001", "000002");
            let case = case.writes(&format!("var/partners/elm/out/{name}"), "somebody else's");
            let case = referred(case, &referral(2, "Ben", "Cedar", "elm")).ran(1);
            let begins = format!(
                "Needs somebody today: drop {name} of {} for partner elm was prepared and did not leave",
                case.day(0)
            );
            seen(case, begins, ": kith run --once deliver --partner elm")
        },
    },
    Situation {
        name: "a partner's folder that is gone",
        done: || {
            let case = Case::well().moves("var/partners/elm", "away");
            let ends = format!(": ls -ld {}", case.folder());
            seen(
                case,
                "Needs somebody today: the folder of partner elm cannot be looked into: ",
                ends,
            )
        },
    },
    Situation {
        name: "a store behind its anchor",
        done: || {
            let case = Case::well();
            let store = fs::read(case.world.home.below("var/kith.db")).unwrap();
            let case = referred(case, &referral(2, "Ben", "Cedar", "elm")).ran(0);
            for ending in ["-wal", "-shm"] {
                drop(fs::remove_file(
                    case.world.home.below(&format!("var/kith.db{ending}")),
                ));
            }
            let case = case.writes("var/kith.db", store);
            let ends = "(STORE-004): kith store accept --by NAME --because \"…\"";
            said(
                case,
                "Needs somebody now: nothing runs: the store is older than it was",
                ends,
            )
        },
    },
    Situation {
        name: "the disk at less than 5 %",
        done: || {
            let mut case = Case::of(PartnerFile::of("elm"));
            case.with = Some(small_disk(&case.world.home.below("var"))?);
            let case = case.ran(0).writes("var/filler", vec![0; 13 << 20]);
            let filler = fs::File::options()
                .append(true)
                .open(case.world.home.below("var/filler"))
                .unwrap();
            let mut more = std::io::BufWriter::new(&filler);
            let free = |case: &Case| {
                let stat = Command::new("stat")
                    .args(["-f", "-c", "%a"])
                    .arg(case.world.home.below("var"))
                    .output();
                String::from_utf8_lossy(&stat.unwrap().stdout)
                    .trim()
                    .parse::<u64>()
                    .unwrap()
                    * 4096
            };
            while free(&case) > (16 << 20) / 25 {
                std::io::Write::write_all(&mut more, &[0; 4096]).unwrap();
                std::io::Write::flush(&mut more).unwrap();
            }
            let ends = format!(": df -h {}", case.world.home.below("var").display());
            seen(
                case,
                "Needs somebody now: the disk of the store is nearly full: ",
                ends,
            )
        },
    },
    Situation {
        name: "a clock hours behind",
        done: || {
            let case = Case::of(PartnerFile::of("elm"))
                .after(3 * DAY)
                .ran(0)
                .after(3 * DAY - 7_200);
            said(
                case,
                "Needs somebody now: this machine's clock says ",
                " before the last recorded event, whose time is written instead: timedatectl status",
            )
        },
    },
    Situation {
        name: "a clock days behind",
        done: || {
            let case = Case::of(PartnerFile::of("elm"))
                .after(9 * DAY)
                .ran(0)
                .after(DAY);
            let ends = "(STORE-009): timedatectl status; if the clock is right, kith store accept --by NAME --because \"…\"";
            said(
                case,
                "Needs somebody now: nothing runs: the clock is ",
                ends,
            )
        },
    },
    Situation {
        name: "a clock ahead of the GP system's",
        done: || {
            let case = Case::served().after(450).ran(0).after(470);
            said(
                case,
                "Needs somebody today: this machine's clock is 7 minutes ahead of that of source hilltop",
                ": kith check --online",
            )
        },
    },
    Situation {
        name: "writes that always meet 429",
        done: || {
            let case = written(Writes::Refuses(429));
            said(
                case,
                "Needs somebody today: the last run, ",
                ", could not reach everything (PUSH-003): kith explain PUSH-003",
            )
        },
    },
    Situation {
        name: "writes whose answer is lost",
        done: || {
            let case = written(Writes::Drops);
            said(
                case,
                "Needs somebody today: the last run, ",
                ", could not reach everything (PUSH-002): kith explain PUSH-002",
            )
        },
    },
    Situation {
        name: "a write that is refused",
        done: || {
            let case = written(Writes::Refuses(422));
            said(
                case,
                "Needs somebody today: 1 question waits for IT (refused), the oldest since ",
                ": kith held list --owner it",
            )
        },
    },
    Situation {
        name: "a correction that always meets 412",
        done: || {
            let told = Told::new().came();
            told.writes_after(60, 0);
            let row = told.world.row_of("Anna Beech");
            told.world
                .partner_returns("elm", "returns 2.csv", &[(row, came(3, "N"))]);
            told.gp.writes(Writes::Refuses(412));
            let (world, start) = (told.world, told.start);
            let case = Case::of_world(world, start).after(120).ran(1).after(150);
            said(
                case,
                "Needs somebody today: 1 question waits for the practice (correction), the oldest since ",
                ": kith held list --owner practice",
            )
        },
    },
    Situation {
        name: "an approval that waits",
        done: || {
            let wider = PartnerFile::of("elm").shares(&[
                "patient.name",
                "referral.activity",
                "patient.phone",
            ]);
            let mut case = Case::well();
            case.world.agrees(wider.column("Phone", "patient.phone"));
            let begins = "Needs somebody today: the file of partner elm allows ";
            said(
                case.ran(1),
                begins,
                ": kith partner approve elm --by NAME --because \"…\"",
            )
        },
    },
    Situation {
        name: "an agreement that has ended",
        done: || {
            let ended = format!("expires_on = {}", day(-1));
            let case = Case::of(PartnerFile::of("elm").with("share", ended)).ran(1);
            let begins = format!(
                "Needs somebody today: the agreement with partner elm ended on {}, and nothing new goes there",
                day(-1)
            );
            seen(case, begins, ": kith explain agreement-expired")
        },
    },
    Situation {
        name: "a hold of the loud kind",
        done: || {
            let [mut person, request] = referral(2, "Ben", "Cedar", "elm");
            person["deceasedBoolean"] = json!(true);
            let case = referred(Case::well(), &[person, request]).ran(1);
            said(
                case,
                "Needs somebody now: The person has died (hold 1, died, since ",
                "): kith held show 1",
            )
        },
    },
    Situation {
        name: "a last run that ended with 2",
        done: || {
            let route = ["run", "--once", "pull", "select", "map"];
            let case = Case::of(PartnerFile::of("elm")).does(&route, 0);
            // A sealed value that does not open is nothing that a run can go on from.
            let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(\"update raw set sealed = x'01'\"); c.commit()";
            let spoiled = Command::new("python3")
                .args(["-c", script])
                .arg(case.world.home.below("var/kith.db"))
                .status();
            assert!(spoiled.unwrap().success());
            let case = case.does(&["run", "--once", "deliver"], 2);
            said(
                case,
                "Needs somebody now: the run of ",
                " could not go on: kith run --once",
            )
        },
    },
    Situation {
        name: "what keeps Kith from looking",
        done: || {
            let case = Case::well().edits("config/kith.toml", "[store]", "[stor]");
            said(
                case,
                "Needs somebody now: Kith cannot look, ",
                "kith explain CFG-003",
            )
        },
    },
];

/// What differs from what is to be said.
fn differs(situation: &Situation, seen: &Seen) -> Option<String> {
    let home = &seen.case.world.home;
    let ran = home.kith(&["status"]);
    let first = ran.stdout.lines().next().unwrap_or_default();
    let code = if situation.name.starts_with("what keeps") {
        2
    } else {
        1
    };
    // What else there is stands below.
    let (one, _) = first.split_once(" (and ").unwrap_or((first, ""));
    let as_told = one.starts_with(&seen.begins) && one.ends_with(&seen.ends);
    if as_told && ran.code == code && first.contains(": ") {
        return None;
    }
    let (name, begins, ends) = (situation.name, &seen.begins, &seen.ends);
    Some(format!(
        "{name}: exit {}\n  said    {first}\n  wanted  {begins} … {ends}\n{}",
        ran.code, ran.stderr
    ))
}

/// Every situation whose place leaves this rest, so that several are tried at once; what was left out.
fn each(rest: usize) -> String {
    let (mut wrong, mut left_out) = (Vec::new(), Vec::new());
    let parts = SITUATIONS.iter().enumerate();
    for (_, situation) in parts.filter(|(place, _)| place % PARTS == rest) {
        match (situation.done)() {
            Some(seen) => wrong.extend(differs(situation, &seen)),
            None => left_out.push(situation.name),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    format!("left out, for root is needed: {left_out:?}")
}

const PARTS: usize = 3;

#[test]
fn every_situation_has_its_first_line_command_and_exit_code_1() {
    println!("{}", each(0));
}

#[test]
fn every_situation_has_its_first_line_command_and_exit_code_2() {
    println!("{}", each(1));
}

#[test]
fn every_situation_has_its_first_line_command_and_exit_code_3() {
    println!("{}", each(2));
}
