//! Tells the demo to somebody who has never heard of any of it: what happened in each room, who waits, what came back.
//!
//! What was played goes in, one page of text comes out. Invariant: every number is one that Kith counted; no port, path of the
//! machine or time of day is in it, so the page is the same each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Played;
use super::expect::count;
use super::home::Home;
use super::people::ScriptedOutcome;
use super::resources::PRACTICES;
use super::services::To;
use crate::domain::{Owner, Reason};
use crate::sheet::RowsByAction;

/// Lines of the short page: what a terminal shows at once.
const LINES_MAX: usize = 25;

/// The most useful of the page; the rest is asked for with `-v`.
pub(super) fn tell_briefly(played: &Played, differences: &[String]) -> String {
    let mut page = Page(String::new());
    let at = |night: &super::run_summary::Night, room: &str| night.room(room).accepted;
    let people = played.people.len();
    page.line("Kith carries referrals from GP practices to local services, and brings back into the GP record what became of");
    page.line("each person. You have just watched three nights of it, on made-up people:");
    page.line("");
    let (select, map) = (played.first.room("select"), played.first.room("map"));
    let (collect, matching) = (played.second.room("collect"), played.second.room("match"));
    page.room("out", &format!(
        "{people} people referred by two practices; {} rows put into the folders of four services, in their layouts;\n{} wait, because something is missing, forbidden or unclear: in doubt Kith asks a person.",
        at(&played.first, "deliver"), select.held + map.held
    ));
    page.room("changes", "One person's new telephone number reached the service, and one \"Please stop\", in the next night.");
    page.room("back", &format!(
        "{} spreadsheets came back: {} rows taken in, {} wait, {} refused, each with what to do in a receipt.",
        played.returned.len(), matching.accepted, collect.held + matching.held, collect.rejected + matching.rejected
    ));
    page.room("record", &format!(
        "{} entries stand in the GP records, each fact once; the same sheets sent again added {}.",
        played.entries_third.all, played.entries_third.all.saturating_sub(played.entries_second.all)
    ));
    let verdict = if played.balanced {
        "The books balance: in every room as many left as came in."
    } else {
        "THE BOOKS DO NOT BALANCE."
    };
    page.room("books", verdict);
    page.room(
        "who waits",
        &format!(
            "{} questions, each with who can settle it.",
            played.third.held.len()
        ),
    );
    page.heading("WHERE TO LOOK, inside the folder of this demo");
    page.line("  what the services were sent      var/partners/*/out/");
    page.line("  receipts for what they sent      var/partners/*/out/receipts/");
    for report in played
        .reports
        .iter()
        .filter(|path| !path.contains("/tables/"))
        .take(1)
    {
        page.line(&format!(
            "  the report, which names no one   {report}/report.html"
        ));
    }
    page.line("  what is agreed with each         mappings/partners/");
    page.line("  next, in that folder             kith held list, kith status, kith prove");
    page.line("  all of the story                 kith demo -v");
    ending(&mut page, differences);
    debug_assert!(!differences.is_empty() || page.0.lines().count() <= LINES_MAX);
    page.0
}

/// The page.
pub(super) fn tell(played: &Played, home: &Home, differences: &[String]) -> String {
    let mut page = Page(String::new());
    opening(&mut page, played);
    outward(&mut page, played);
    changes(&mut page, played);
    back(&mut page, played);
    onward(&mut page, played);
    again(&mut page, played);
    books(&mut page, played);
    waiting(&mut page, played);
    places(&mut page, played, home);
    ending(&mut page, differences);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    /// A room: its number and name, then its text.
    fn room(&mut self, room: &str, text: &str) {
        for (place, line) in text.lines().enumerate() {
            let label = if place == 0 { room } else { "" };
            self.line(&format!("  {label:<13}{}", line.trim_start()));
        }
    }
}

fn opening(page: &mut Page, played: &Played) {
    page.line("Kith carries referrals from GP practices to local services such as befriending or debt advice, and brings back");
    page.line("into the GP record what became of each person. Every night it proves that nobody was lost on the way.");
    page.line("");
    let [first, second] = &PRACTICES;
    page.line(&format!(
        "You have just watched three nights of it. {} made-up people, each referred by one of two made-up practices",
        played.people.len()
    ));
    page.line(&format!(
        "({}, {}) to one of four made-up services. Something is wrong with",
        first.name, second.name
    ));
    page.line("about half of the referrals, as in life. Eight steps, called rooms, count all that comes in and all that leaves.");
}

fn outward(page: &mut Page, played: &Played) {
    let (pull, select, map) = (
        played.first.room("pull"),
        played.first.room("select"),
        played.first.room("map"),
    );
    let unseen = count(&played.people, |outcome| {
        outcome == ScriptedOutcome::NotServed
    });
    page.heading("FIRST NIGHT, OUT: from the practices to the services");
    page.room("1 pull", &format!(
        "{} referrals read from the practices' computer systems. ({unseen} more people are there, but referred\nfor something else: they are not asked for.)",
        pull.accepted
    ));
    page.room("2 select", &format!(
        "{} may go to a service; {} were already over at the practice; {} wait, because something is\nmissing, forbidden or unclear. In doubt Kith asks a person rather than send.",
        map.received, select.accepted.saturating_sub(map.received), select.held
    ));
    page.room("3 map", &format!(
        "{} rows written, each in its service's own layout and with only the details agreed with it;\n{} waits: its text does not fit the service's column.",
        map.accepted, map.held
    ));
    page.room(
        "4 deliver",
        &format!(
            "{} rows put into the services' folders:",
            played.first.room("deliver").accepted
        ),
    );
    for (to, layout) in LAYOUTS {
        let rows = played.sent_first.get(&to).map_or(0, |sent| sent.new);
        page.room("", &format!("{:<23}{rows:>3} people   {layout}", to.name()));
    }
}

const LAYOUTS: [(To, &str); 4] = [
    (To::Riverside, "commas, opens in Excel by a double click"),
    (
        To::Debt,
        "semicolons, an older Windows alphabet, five columns",
    ),
    (To::Gym, "tabs, and a check code in every row"),
    (To::Link, "commas, everything in quotation marks"),
];

fn changes(page: &mut Page, played: &Played) {
    let (before, after) = (
        played.sent_first.get(&To::Riverside),
        played.sent_second.get(&To::Riverside),
    );
    let (before, after) = (
        before.copied().unwrap_or_default(),
        after.copied().unwrap_or_default(),
    );
    page.heading("SECOND NIGHT, OUT: the practices changed something about three people, so Riverside Befriending was sent");
    page.room(
        "",
        &format!(
            "{} row  \"Changed\"      a new telephone number, and which columns are new",
            after.amend
        ),
    );
    page.room(
        "",
        &format!(
            "{} row  \"Please stop\"  the practice took the referral back; the row gives no reason",
            after.stop
        ),
    );
    page.room(
        "",
        &format!(
            "{} row  \"New\"          the practice had paused this referral and now lets it go on",
            after.new.saturating_sub(before.new)
        ),
    );
}

fn back(page: &mut Page, played: &Played) {
    let (collect, matching) = (played.second.room("collect"), played.second.room("match"));
    let rows: u64 = played.returned.iter().map(|returned| returned.rows).sum();
    let refused = collect.rejected + matching.rejected;
    let held = collect.held + matching.held;
    page.heading("SECOND NIGHT, BACK: from the services into the GP record");
    page.room("5 collect", &format!(
        "{} spreadsheets came back with {rows} rows: who came, how people feel (four questions about\nwell-being, asked at the start and again later), how it ended.",
        played.returned.len()
    ));
    page.room("6 match", &format!(
        "{} rows belong to a person that this very service was sent, and were taken in. {held} rows wait and\n{refused} are refused; the service reads why, and what to do, in its receipt. Among them:",
        matching.accepted
    ));
    let reason = |code: &str| collect.reason(code) + matching.reason(code);
    let told = [
        (
            "sorted",
            "one column had been sorted alone: names and answers no longer belonged\ntogether, so the whole file waits and nothing of it was used",
        ),
        ("not-your-reference", "names a person of another service"),
        (
            "not-our-person",
            "names somebody who was never sent to anyone",
        ),
        ("bad-reference", "has a mistyped reference"),
        ("bad-date", "has a date that does not exist (31 February)"),
        ("out-of-range", "has a score of 11 on a scale from 0 to 10"),
        (
            "unknown-code",
            "says \"maybe\" where yes, no or late was agreed",
        ),
        (
            "onward-consent",
            "sends a person on, but does not say that the person agreed",
        ),
    ];
    for (code, words) in told {
        for (place, line) in words.lines().enumerate() {
            let number = if place == 0 {
                reason(code).to_string()
            } else {
                String::new()
            };
            page.line(&format!("               {number:>3} {line}"));
        }
    }
    page.room("7 push", &format!(
        "{} entries (FHIR Observations: the form in which such systems exchange facts) are now in the\nGP records, {} of them different from all others: each fact once.",
        played.entries_second.all, played.entries_second.different
    ));
}

fn onward(page: &mut Page, played: &Played) {
    let new = |sent: &BTreeMap<To, RowsByAction>| sent.get(&To::Gym).map_or(0, |rows| rows.new);
    let sent = new(&played.sent_third).saturating_sub(new(&played.sent_second));
    let waiting = played.third.waiting("onward-consent");
    page.heading("THIRD NIGHT, OUT: the link workers send people on to Green Gym");
    page.room("", &format!(
        "{sent} of their people agreed, so Green Gym was sent the name and what its own agreement allows: all of\nit from the GP's referral, nothing from the link workers' sheet. {waiting} waits until agreement is recorded."
    ));
}

fn again(page: &mut Page, played: &Played) {
    let (collect, matching) = (played.third.room("collect"), played.third.room("match"));
    page.heading("THIRD NIGHT, BACK: two services sent the same sheets again, as people do; one confirmed that it has stopped");
    page.room("", &format!(
        "Rows recognised as seen before: {}; new: {}. Entries in the GP records before: {}, after: {}.\nNothing is written twice.",
        collect.repeated + matching.repeated, matching.accepted, played.entries_second.all, played.entries_third.all
    ));
}

fn books(page: &mut Page, played: &Played) {
    page.heading("A WEEK LATER, AT TWO IN THE MORNING: the books of November are closed");
    let verdict = if played.balanced {
        "The books balance: in every room as many left as came in, and no record was altered since."
    } else {
        "THE BOOKS DO NOT BALANCE."
    };
    let checked: u64 = played.checked.values().sum();
    page.room(
        "8 reconcile",
        &format!(
            "{verdict}\nThings checked: {checked}. Problems found: {}.",
            played.findings.len()
        ),
    );
    for certificate in &played.third.certificates {
        let practice = PRACTICES
            .iter()
            .find(|practice| practice.source == certificate.source);
        let name = practice.map_or(certificate.source.as_str(), |practice| practice.name);
        let except = certificate.except.as_deref().unwrap_or_default();
        let promise = format!("{} {except}", certificate.verdict);
        page.room(
            "",
            &format!("What was read from {name}: {}.", promise.trim_end()),
        );
    }
}

fn waiting(page: &mut Page, played: &Played) {
    let mut owners: BTreeMap<Owner, BTreeMap<&str, u64>> = BTreeMap::new();
    for waiting in &played.third.held {
        let reason = Reason::from_code(&waiting.reason);
        let owner = Owner::from_code(&waiting.owner)
            .or_else(|| reason.map(Reason::owner))
            .unwrap_or(Owner::It);
        let words = match reason {
            Some(reason) => reason.practice_words(),
            None => waiting.reason.as_str(),
        };
        *owners.entry(owner).or_default().entry(words).or_default() += 1;
    }
    page.heading(&format!(
        "WHO WAITS NOW: {} questions, and who can settle each",
        played.third.held.len()
    ));
    for owner in [Owner::Practice, Owner::Ig, Owner::Partner, Owner::It] {
        let Some(reasons) = owners.get(&owner) else {
            continue;
        };
        page.line(&format!("  {}", owner_words(owner)));
        for (words, number) in reasons {
            page.line(&format!("    {number:>3}  {words}"));
        }
    }
}

fn owner_words(owner: Owner) -> &'static str {
    match owner {
        Owner::It => "Whoever runs the machine",
        Owner::Practice => "The practice, for what concerns the person's care and identity",
        Owner::Ig => "Whoever answers for data protection",
        Owner::Partner => "The service, for its own answers",
    }
}

fn places(page: &mut Page, played: &Played, home: &Home) {
    page.heading("WHERE TO LOOK, inside the folder of this demo");
    page.line(
        "  What the services were sent (each .csv has a .manifest.json that counts its rows)",
    );
    for to in To::ALL {
        let mut names = home.names(&format!("var/partners/{}/out", to.id()), ".csv");
        // The list of everybody is no drop, and has no manifest.
        names.retain(|name| !name.contains("your people"));
        for name in names {
            page.line(&format!("    {name}"));
        }
    }
    page.line("  Receipts: the services' own rows back, with what became of each");
    for to in To::ALL {
        let folder = format!("var/partners/{}/out/receipts", to.id());
        let number = home.names(&folder, ".receipt.csv").len();
        page.line(&format!("    {folder}/   {number} of them"));
    }
    page.line("  The report for whoever pays for the services; it names no one");
    for report in played
        .reports
        .iter()
        .filter(|path| !path.contains("/tables/"))
    {
        page.line(&format!("    {report}"));
    }
    page.line("  What is agreed with each service, in words and columns: mappings/partners/");
}

fn ending(page: &mut Page, differences: &[String]) {
    if differences.is_empty() {
        page.heading("Everything ended as scripted, the people who wait included.");
        return;
    }
    page.heading("THIS DID NOT END AS SCRIPTED:");
    for difference in differences {
        // Writing to a String cannot fail.
        writeln!(page.0, "  {difference}").unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entries;
    use super::super::people::people;
    use super::*;
    use crate::demo::run_summary::{Night, Waiting};

    fn played() -> Played {
        let waiting = |reason: &str, owner: &str| Waiting {
            reason: reason.to_owned(),
            owner: owner.to_owned(),
        };
        let held = vec![
            waiting("consent", "ig"),
            waiting("consent", "ig"),
            waiting("died", "practice"),
            waiting("onward-consent", "ig"),
        ];
        let gym = |new: u64| {
            let rows = RowsByAction {
                new,
                ..RowsByAction::default()
            };
            BTreeMap::from([(To::Gym, rows)])
        };
        Played {
            people: people(),
            first: Night::default(),
            second: Night::default(),
            third: Night {
                held,
                ..Night::default()
            },
            sent_first: BTreeMap::new(),
            sent_second: gym(8),
            sent_third: gym(9),
            returned: Vec::new(),
            entries_second: Entries {
                all: 5,
                different: 5,
            },
            entries_third: Entries {
                all: 5,
                different: 5,
            },
            balanced: true,
            findings: Vec::new(),
            checked: BTreeMap::new(),
            reports: vec!["var/reports/icb/2026-11-23".to_owned()],
        }
    }

    #[test]
    fn the_page_is_short_and_groups_who_waits_by_owner() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(&folder.path().join("demo")).unwrap();
        let page = tell(&played(), &home, &[]);
        assert!(
            page.lines().count() <= 100,
            "{} lines",
            page.lines().count()
        );
        assert!(
            page.lines().all(|line| line.chars().count() <= 118),
            "a line is too wide"
        );
        assert!(page.contains("Whoever answers for data protection\n"));
        assert!(page.contains("      2  The person refused"));
        assert!(page.contains("  1 of their people agreed, so Green Gym was sent the name"));
        assert!(page.contains(" 1 waits until agreement is recorded.\n"));
        assert!(page.contains("as scripted, the people who wait included"));
        for jargon in ["ServiceRequest", "NDJSON", "ledger", "127.0.0.1"] {
            assert!(!page.contains(jargon), "{jargon}");
        }
    }

    #[test]
    fn the_short_page_fits_a_terminal() {
        let page = tell_briefly(&played(), &[]);
        assert!(
            page.lines().count() <= LINES_MAX,
            "{} lines",
            page.lines().count()
        );
        assert!(
            page.lines().all(|line| line.chars().count() <= 118),
            "{page}"
        );
        for part in [
            "var/reports/icb/2026-11-23/report.html",
            "kith demo -v",
            "as scripted",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let failed = tell_briefly(&played(), &["map held: expected 1, found 0".to_owned()]);
        assert!(
            failed.contains("THIS DID NOT END AS SCRIPTED:\n  map held"),
            "{failed}"
        );
    }

    #[test]
    fn a_difference_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(&folder.path().join("demo")).unwrap();
        let page = tell(
            &played(),
            &home,
            &["map held: expected 1, found 0".to_owned()],
        );
        assert!(page.contains("THIS DID NOT END AS SCRIPTED:\n  map held: expected 1, found 0\n"));
    }
}
