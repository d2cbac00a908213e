//! Writes a draft as the text of a partner file, each guess marked on its line with why and what else it might be.

use std::collections::BTreeMap;

use super::DraftInput;
use super::answers::one_event;
use super::columns::{Guess, is_day};
use super::drafted_column::{ACTIONS, UNREAD, dated, one_column, why};
use super::events::Event;
use super::text::{DraftText, pair, quoted};
use crate::partner::agreement::PLACEHOLDER;
use crate::sheet::Sheet;

/// Tells editors where the schema of partner files lies; `kith partner new` puts it there.
const SCHEMA_HINT: &str = "#:schema ../partner.schema.json";

/// `elm-house` as a name.
fn titled(id: &str) -> String {
    let words = id.split('-').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The starter file.
pub(super) fn starter(wanted: &DraftInput<'_>) -> String {
    let mut page = DraftText::default();
    about(&mut page, wanted, "made by `kith partner new`");
    let shared = [
        "patient.name",
        "patient.phone",
        "referral.authored_on",
        "referral.activity",
    ];
    share(&mut page, shared.into_iter(), None);
    page.line("");
    page.line("[deliver]");
    deliver_to(&mut page, wanted);
    page.line("format = { delimiter = \",\", encoding = \"utf-8-bom\", newline = \"crlf\", quote = \"necessary\" }   # opens in Excel by a double click");
    column(&mut page, "Our ref", "leg.reference");
    column(&mut page, "Check", "leg.check");
    action(&mut page, "What to do");
    column(&mut page, "Please note", "leg.stop");
    column(&mut page, "Name", "patient.name");
    column(&mut page, "Phone", "patient.phone");
    column(&mut page, "Date of referral", "referral.authored_on");
    page.line("date = \"%d/%m/%Y\"");
    column(&mut page, "Referred for", "referral.activity");
    page.line("");
    page.line("# How they answer: take the marks off and put in their headers and words.");
    for line in [
        "[collect]",
        "transport = \"local\"",
        "file = \"returns*.csv\"",
        "dates = \"%d/%m/%Y\"",
        "acknowledged = { column = \"Stopped?\", values = [\"Yes\"] }",
        "[[collect.event]]",
        "kind = \"attendance\"",
        "on = \"Date seen\"",
        "value = { column = \"Attended?\", codes = { Y = \"attended\", N = \"did-not-attend\", C = \"cancelled-by-person\" } }",
        "[[collect.event]]",
        "kind = \"status\"",
        "on = \"Closed on\"",
        "value = { column = \"Outcome\", codes = { Finished = \"completed\", \"Could not reach\" = \"closed-unsuccessful\" } }",
    ] {
        page.line(&format!("# {line}"));
    }
    page.0
}

fn about(page: &mut DraftText, wanted: &DraftInput<'_>, origin: &str) {
    page.line(SCHEMA_HINT);
    page.line(&format!(
        "# Partner {}, {origin}. Nothing leaves by it while mode is \"shadow\".",
        wanted.id
    ));
    page.line("# `kith check` says what is left to fill in; `kith explain fields` lists what a column can hold.");
    page.line("[partner]");
    page.line(&pair("id", wanted.id));
    let name = pair("name", &titled(wanted.id));
    page.guess(&name, "from the id; write it as they do");
    page.line("kind = \"provider\"                             # provider | link-worker");
    let system = format!("{}/Id/partner", wanted.namespace.trim_end_matches('/'));
    let identifier = format!(
        "identifier = {{ {}, {} }}",
        pair("system", &system),
        pair("value", wanted.id)
    );
    page.guess(
        &identifier,
        "how a referral's performer names them; an ODS code if they have one",
    );
    page.line("# contact = { name = \"…\", email = \"…\", phone = \"…\" }");
    page.fill_in(
        &pair("changed_by", PLACEHOLDER),
        "who writes this; somebody else approves a later version that allows more",
    );
    page.line("mode = \"shadow\"                               # all is decided and recorded, no file; \"live\" when you are content");
    page.line("");
    page.line("[select]                                      # whom they take; `kith partner criteria` prints it for them to sign");
    page.line("consent = \"required\"                          # the person's consent names them");
    page.line(
        "# activities = [\"befriending\"]                # needs referral.activity in fields below",
    );
    page.line(
        "# age_years = { min = 18 }                    # needs patient.birth_date in fields below",
    );
    page.line("# postcodes = [\"BS1\", \"BS2 8\"]                # needs patient.postcode in fields below");
    page.line("");
    page.line("[push]");
    page.line("volume = \"first-and-close\"                    # what reaches the GP record: first contact, ending and measures");
}

fn share<'f>(page: &mut DraftText, fields: impl Iterator<Item = &'f str>, left: Option<&str>) {
    page.line("");
    page.line("[share]                                       # nothing beyond this list can leave");
    page.fill_in("basis = \"?\"", "the agreement, with its number");
    page.line("# expires_on = 2027-03-31                     # after this day nothing new goes");
    let listed: Vec<String> = fields.map(quoted).collect();
    let line = format!("fields = [{}]", listed.join(", "));
    match left {
        None => page.line(&line),
        Some(why) => page.guess(&line, why),
    }
}

fn deliver_to(page: &mut DraftText, wanted: &DraftInput<'_>) {
    let transport = pair("transport", wanted.transport);
    page.guess(&transport, "the first transport of the config");
    page.line("file = \"referrals_{date}_{sequence}.csv\"");
}

fn column(page: &mut DraftText, header: &str, from: &str) {
    page.column(header);
    page.line(&pair("from", from));
}

fn action(page: &mut DraftText, header: &str) {
    column(page, header, "leg.action");
    let codes = ACTIONS.map(|(code, word)| pair(code, word));
    page.line(&format!("codes = {{ {} }}", codes.join(", ")));
}

/// The file drafted from a sheet.
pub(super) fn draft(
    wanted: &DraftInput<'_>,
    sheet: &Sheet,
    guesses: &[Guess],
    (events, withheld): (&[Event], &[usize]),
) -> String {
    let mut page = DraftText::default();
    about(
        &mut page,
        wanted,
        "drafted from their own sheet by `kith partner new`",
    );
    let mut fields: Vec<&str> = guesses
        .iter()
        .filter(|guess| !guess.is_asked())
        .filter_map(Guess::field)
        .filter(|field| !field.starts_with("leg.") && !UNREAD.contains(field))
        .collect();
    if fields.is_empty() {
        fields.push("patient.name");
    }
    let left = "what the columns below read; agree it with them";
    share(&mut page, fields.into_iter(), Some(left));
    page.line("");
    page.line("[deliver]");
    deliver_to(&mut page, wanted);
    layout(&mut page, sheet);
    let has = |field: &str| guesses.iter().any(|guess| guess.field() == Some(field));
    for (header, from, why) in [
        (
            "Kith ref",
            "leg.reference",
            "their sheet has no column for our reference, which their answers need",
        ),
        (
            "Kith check",
            "leg.check",
            "their sheet has no column that shows when rows were sorted apart",
        ),
    ] {
        if !has(from) {
            page.column(header);
            page.guess(&pair("from", from), why);
        }
    }
    if !has("leg.action") {
        page.line("# guess: their sheet has no column that says what a row asks of them, and a stop needs one");
        action(&mut page, "What to do");
    }
    if !has("leg.stop") {
        page.column("Please note");
        page.guess(
            &pair("from", "leg.stop"),
            "what the reader of a stop may do; empty in all other rows",
        );
    }
    let read: Vec<usize> = events.iter().flat_map(Event::columns).collect();
    for (index, guess) in guesses.iter().enumerate() {
        one_column(&mut page, guess, read.contains(&index));
    }
    for column in withheld {
        page.line(&format!("# guess: none for column {column} of their sheet: its heading may be somebody's name and is not copied. Is it one? If not, add it here"));
    }
    collect(&mut page, wanted, guesses, events);
    page.0
}

fn layout(page: &mut DraftText, sheet: &Sheet) {
    let delimiter = match sheet.dialect.delimiter {
        b'\t' => "tab".to_owned(),
        other => char::from(other).to_string(),
    };
    let line = format!(
        "format = {{ delimiter = {}, encoding = {}, newline = {}, quote = {} }}",
        quoted(&delimiter),
        quoted("utf-8-bom"),
        quoted("crlf"),
        quoted(if sheet.dialect.quoted {
            "always"
        } else {
            "necessary"
        }),
    );
    let why = match sheet.preamble_rows {
        0 => "delimiter and quotes as in their sheet; the rest as Excel opens it by a double click",
        _ => {
            "as their sheet is written, without the lines above its heading; the rest as Excel opens it by a double click"
        }
    };
    page.guess(&line, why);
}

fn collect(page: &mut DraftText, wanted: &DraftInput<'_>, guesses: &[Guess], events: &[Event]) {
    let acknowledged = guesses
        .iter()
        .find(|guess| guess.means == Some("acknowledged"));
    if events.is_empty() && acknowledged.is_none() {
        page.line("");
        page.line("# guess: no column of their sheet reads like an answer; add [collect] when it is agreed how they answer");
        return;
    }
    page.line("");
    page.line("[collect]");
    page.line(&pair("transport", wanted.transport));
    page.guess("file = \"returns*.csv\"", "agree a name with them");
    let (pattern, reason) = dates(guesses);
    page.guess(&pair("dates", pattern), reason);
    if let Some(guess) = acknowledged {
        let yes = guess.codes.iter().find(|(_, word)| *word == "true");
        let yes = yes.map_or("Yes", |(cell, _)| cell.as_str());
        let line = format!(
            "acknowledged = {{ column = {}, values = [{}] }}",
            quoted(&guess.header),
            quoted(yes)
        );
        page.guess(&line, &why(guess));
    }
    for event in events {
        one_event(page, guesses, event);
    }
}

/// The pattern of most date columns that come back.
fn dates(guesses: &[Guess]) -> (&'static str, &'static str) {
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    for guess in guesses {
        let comes_back = guess.means.is_some_and(is_day);
        if let (true, Some(pattern)) = (comes_back, guess.shape.date()) {
            *seen.entry(pattern).or_default() += 1;
        }
    }
    if let Some((pattern, _)) = seen.iter().max_by_key(|(_, count)| **count) {
        return (*pattern, "by the look of the days they wrote");
    }
    let sent = guesses
        .iter()
        .filter(|guess| guess.field().is_some_and(dated))
        .find_map(|guess| guess.shape.date());
    sent.map_or(("%d/%m/%Y", "no days to tell it by"), |pattern| {
        (pattern, "as the other days of the sheet are written")
    })
}
