//! Reads `[collect]`: how a partner answers, and what each column of a return tells.
//!
//! Invariant: every code of a partner leads to a word that Kith knows, and every measure to an item of the catalogue.

use super::catalogue::Catalogue;
use super::lint;
use super::onward::Onward;
use super::patterns::{check_date_pattern, check_return_name};
use crate::diagnostics::{Code, did_you_mean};
use crate::domain::event::ATTENDANCE;
use crate::domain::{LegState, Occasion};
use crate::partner::agreement::{
    Acknowledged, Collect, CollectEvent, Deliver, EventRule, MeasureItem, OccasionFrom, REPORTABLE,
};
use crate::partner::fields::CodeMap;
use crate::toml_reader::{At, TableReader, TextOrTable};

/// Days by which an event may lie before the referral.
const EARLY_DAYS: u32 = 28;
/// Seconds for which a return must have stood still.
const SETTLE_SECONDS: u32 = 60;
/// Events of one row; one for each item of the largest sheet seen, several times over.
const EVENTS_MAX: usize = 100;

/// The kinds of events of the contract; those without a reader are refused.
#[derive(Clone, Copy)]
enum EventWord {
    Attendance,
    Measure,
    Status,
    Acknowledged,
    Note,
    Onward,
    NotYet(&'static str),
}

const KINDS: [(&str, EventWord); 8] = [
    ("attendance", EventWord::Attendance),
    ("measure", EventWord::Measure),
    ("status", EventWord::Status),
    ("acknowledged", EventWord::Acknowledged),
    ("note", EventWord::Note),
    ("onward", EventWord::Onward),
    ("concern", EventWord::NotYet("kind = \"concern\"")),
    ("withdrawn", EventWord::NotYet("kind = \"withdrawn\"")),
];

/// Reads the section.
pub(super) fn read_collect(
    table: &TableReader<'_>,
    deliver: Option<&Deliver>,
    onward: &Onward<'_>,
    catalogue: &Catalogue<'_>,
) -> Collect {
    let problems = table.problems();
    let file = table.text("file");
    if !file.value.is_empty() {
        check_return_name(&file, problems);
    }
    let dates = table.text("dates");
    if !dates.value.is_empty() {
        check_date_pattern(&dates, true, problems);
    }
    let header_of = |name: &str| {
        let deliver = deliver?;
        let position = deliver.position_of(catalogue.vocabulary.fields.id(name)?)?;
        deliver
            .columns
            .get(position)
            .map(|column| column.header.clone())
    };
    let settle_seconds = table.whole("settle_seconds", 0..=86_400);
    let withdrawn = table.opt_table("withdrawn");
    let acknowledged = table.opt_table("acknowledged");
    let identity = table.word("identity", &[("required", false), ("optional", true)]);
    let aliases = table.opt_table("aliases");
    let unguarded = table.word("unguarded", &[("hold-all", true)]);
    let entries = table.tables("event");
    if entries.len() > EVENTS_MAX {
        table.bad_value(
            "event",
            &format!("at most {EVENTS_MAX} times in a file"),
            table.place(),
        );
    }
    let mut events: Vec<CollectEvent> = Vec::new();
    for entry in entries.into_iter().take(EVENTS_MAX) {
        if let Some(event) = read_event(&entry, onward, catalogue) {
            lint::check_event(&entry, &event, &events);
            events.push(event);
        }
        entry.finish();
    }
    problems.add(
        Code::NoConcernColumn,
        "returns have no column for a worry about safety",
        table.place(),
    );
    let check = table.opt_string("check").or_else(|| header_of("leg.check"));
    let no_check = check.is_none();
    Collect {
        transport: table.text("transport").map(str::to_owned),
        file: file.value.to_owned(),
        reference: table
            .opt_string("reference")
            .or_else(|| header_of("leg.reference"))
            .unwrap_or_default(),
        check,
        dates: dates.value.to_owned(),
        settle_seconds: settle_seconds.unwrap_or(SETTLE_SECONDS),
        early_days: table.whole("early_days", 0..=365).unwrap_or(EARLY_DAYS),
        aliases: aliases
            .map(|table| read_aliases(&table))
            .unwrap_or_default(),
        delivered: deliver.map(headers_of).unwrap_or_default(),
        cumulative: table.flag("cumulative", false),
        // A drop with a token has what speaks for a row that bears nothing else of its person.
        by_reference_alone: identity.map_or(no_check, |identity| identity.value),
        hold_all: unguarded.is_some(),
        acknowledged: acknowledged.map(|table| table.read_with(read_acknowledged)),
        withdrawn: withdrawn.map(|table| table.read_with(read_acknowledged)),
        events,
    }
}

/// The headers of a drop as a sheet that comes back has them.
fn headers_of(deliver: &Deliver) -> Vec<String> {
    let words = |header: &str| header.split_whitespace().collect::<Vec<_>>().join(" ");
    let columns = deliver.columns.iter();
    columns.map(|column| words(&column.header)).collect()
}

/// Reads `aliases = { "ref" = "Our ref" }`: what the partner calls a column, and what was agreed.
fn read_aliases(table: &TableReader<'_>) -> Vec<(String, String)> {
    let pairs = table.pairs().into_iter();
    pairs
        .map(|(theirs, ours)| (theirs.value.to_owned(), ours.value.to_owned()))
        .collect()
}

fn read_acknowledged(table: &TableReader<'_>) -> Acknowledged {
    let values = table.strings("values");
    if values.is_empty() {
        table.missing("values");
    }
    Acknowledged {
        column: table.string("column"),
        values,
    }
}

fn read_event(
    table: &TableReader<'_>,
    onward: &Onward<'_>,
    catalogue: &Catalogue<'_>,
) -> Option<CollectEvent> {
    table.needs("kind");
    let Some(kind) = table.word("kind", &KINDS) else {
        // Which of the other keys belong to it cannot be said.
        table.forgive();
        return None;
    };
    let told = match kind.value {
        EventWord::Attendance => {
            let words: Vec<(&str, ())> = ATTENDANCE.iter().map(|(word, _)| (*word, ())).collect();
            let (column, codes) = read_value(table, catalogue, &words)?;
            Some(EventRule::Attendance { column, codes })
        }
        EventWord::Status => {
            let words: Vec<(&str, ())> = REPORTABLE
                .iter()
                .map(|state: &LegState| (state.code(), ()))
                .collect();
            let reason = table.opt_string("reason");
            let (column, codes) = read_value(table, catalogue, &words)?;
            Some(EventRule::Status {
                column,
                codes,
                reason,
            })
        }
        EventWord::Measure => read_measure(table, catalogue),
        EventWord::Acknowledged => {
            let on = table.opt_string("on");
            let value = table.table("value")?;
            let told = EventRule::Acknowledged(value.read_with(read_acknowledged));
            return Some(CollectEvent { on, told });
        }
        EventWord::Note => {
            let column = table.string("column");
            return Some(CollectEvent {
                on: table.opt_string("on"),
                told: EventRule::Note { column },
            });
        }
        EventWord::Onward => onward.read_event(table, &kind.place, catalogue),
        EventWord::NotYet(what) => {
            table.not_yet_at(what, &kind.place);
            table.forgive();
            None
        }
    };
    let told = told?;
    Some(CollectEvent {
        on: Some(table.string("on")),
        told,
    })
}

/// Reads `value = { column, codes }`; the codes lead to these words only.
fn read_value(
    table: &TableReader<'_>,
    catalogue: &Catalogue<'_>,
    words: &[(&str, ())],
) -> Option<(String, CodeMap)> {
    // Asked for here too, so that a wrong value does not make the date an unknown key.
    table.opt_text("on");
    read_coded_column(table.table("value")?, catalogue, words)
}

fn read_coded_column(
    value: TableReader<'_>,
    catalogue: &Catalogue<'_>,
    words: &[(&str, ())],
) -> Option<(String, CodeMap)> {
    let known = |word: &str| words.iter().any(|(known, ())| *known == word);
    let check_word = |value: &TableReader<'_>, word: &At<&str>| {
        value.choose("a word of codes", word, words);
    };
    catalogue.coded_column(value, check_word, |value, codes, place| {
        if let Some((_, word)) = codes.entries().find(|(_, word)| !known(word)) {
            let rule = format!("a list that leads to known words, not to \"{word}\"");
            value.bad_value("codes", &rule, place);
        }
    })
}

fn read_measure(table: &TableReader<'_>, catalogue: &Catalogue<'_>) -> Option<EventRule> {
    let id = table.text("instrument");
    let named = Some(&id).filter(|id| !id.value.is_empty());
    let instrument = named.and_then(|id| catalogue.instrument(id));
    let occasion = read_occasion(table, catalogue);
    table.opt_text("on");
    let pairs = table.table("items").map(|items| items.pairs());
    let instrument = instrument?;
    let mut items = Vec::new();
    for (item, column) in pairs.unwrap_or_default() {
        if instrument.item(item.value).is_none() {
            let what = format!("{} has no item \"{}\"", instrument.id, item.value);
            let known = instrument.items.iter().map(|item| item.id.as_str());
            let fix = did_you_mean(item.value, known.clone()).unwrap_or_else(|| {
                format!("its items are: {}", known.collect::<Vec<_>>().join(", "))
            });
            table
                .problems()
                .add_fix(Code::UnknownKey, what, &item.place, fix);
        }
        if let Some(twin) = items
            .iter()
            .find(|known: &&MeasureItem| known.column == column.value)
        {
            let what = format!(
                "items {} and {} are read from one column",
                twin.item, item.value
            );
            table.problems().add(Code::TwoAnswers, what, &column.place);
        }
        items.push(MeasureItem {
            item: item.value.to_owned(),
            column: column.value.to_owned(),
        });
    }
    // The catalogue's order, so that the same answers give the same bytes whatever the file's order.
    let known = &instrument.items;
    items.sort_by_key(|item| known.iter().position(|known| known.id == item.item));
    Some(EventRule::Measure {
        instrument: Box::new(instrument.clone()),
        occasion: occasion?,
        items,
    })
}

fn read_occasion(table: &TableReader<'_>, catalogue: &Catalogue<'_>) -> Option<OccasionFrom> {
    let all = [Occasion::Baseline, Occasion::FollowUp];
    table.needs("occasion");
    match table.either("occasion")? {
        TextOrTable::Text(text) => {
            let words = all.map(|occasion| (occasion.code(), occasion));
            table
                .choose("occasion", &text, &words)
                .map(OccasionFrom::Fixed)
        }
        TextOrTable::Table(value) => {
            let words = all.map(|occasion| (occasion.code(), ()));
            let read = read_coded_column(value, catalogue, &words);
            read.map(|(column, codes)| OccasionFrom::Column { column, codes })
        }
    }
}
