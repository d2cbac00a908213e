//! What a partner file says, once read: whom the partner takes, what they may see, how they want it, how they answer.
//!
//! Everything here is resolved and checked by the loader: a `Partner` that exists can be worked with, and nobody past the
//! loader checks it again. It holds no patient data.

use jiff::civil::Date;

use super::codes::CodeMap;
use super::fields::FieldId;
use super::instruments::Instrument;
use super::table::At;
use crate::diagnostics::Place;
use crate::domain::{EventKind, LegState, Occasion};
use crate::fhirpath::Expression;
use crate::tabular::{Format, UnencodableRule};

/// A voluntary-sector organisation and its agreement with us: one file of `mappings/partners`.
#[derive(Debug)]
pub(crate) struct Partner {
    /// The file's name, in every path and record.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: PartnerKind,
    pub(crate) identifier: Identifier,
    pub(crate) contact: Option<Contact>,
    /// In shadow all is decided and recorded, and nothing goes out.
    pub(crate) shadow: bool,
    /// The partner's name by itself tells something about a person.
    pub(crate) sensitive: bool,
    /// Takes people under 18.
    pub(crate) children: bool,
    /// Classes of recipients that a Consent may name instead of the partner.
    pub(crate) classes: Vec<String>,
    /// Who wrote this version: somebody else approves what it widens.
    pub(crate) changed_by: Option<String>,
    /// Set when the installation is opened, for the file alone does not tell.
    pub(crate) sends: Sends,
    pub(crate) select: Select,
    pub(crate) share: Share,
    pub(crate) deliver: Deliver,
    pub(crate) collect: Option<Collect>,
    pub(crate) push: PartnerPush,
    /// Ids of the partners that a return of this one may refer on to; of a link worker only.
    pub(crate) onward_to: Vec<String>,
    /// Where the file says what only all files together can be held against.
    pub(crate) places: Places,
    /// SHA-256 over [`Partner::bundle`]: a drop made under this hash can be made again.
    pub(crate) hash: [u8; 32],
    /// The partner's file and every mapping text it stands on, as one text that `Rules::from_bundle` reads back.
    pub(crate) bundle: String,
}

impl Partner {
    /// Whether this version allows more than was approved.
    pub(crate) fn unapproved(&self) -> bool {
        self.sends == Sends::NothingNew
    }
}

/// What goes out by a version of a partner file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    Everything,
    /// It allows more than was approved.
    NothingNew,
}

/// Places of a partner file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) identifier: Place,
    /// `priority`, or the section where there is none.
    pub(crate) priority: Place,
    pub(crate) expires_on: Place,
}

/// What a partner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartnerKind {
    Provider,
    LinkWorker,
}

impl PartnerKind {
    /// The word in partner files.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::LinkWorker => "link-worker",
        }
    }
}

/// How a performer names the partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identifier {
    pub(crate) system: String,
    pub(crate) value: String,
}

/// Whom to phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

/// The referral criteria; a list that is empty asks nothing.
#[derive(Debug)]
pub(crate) struct Select {
    /// A partner that is not enabled is never routed to; `kith map` still works.
    pub(crate) enabled: bool,
    pub(crate) activities: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) age_years: Option<AgeYears>,
    pub(crate) postcodes: Vec<PostcodeArea>,
    pub(crate) no_postcode: NoPostcode,
    pub(crate) consent: ConsentRule,
    pub(crate) open_legs_max: Option<u32>,
    /// The highest wins; a tie that is left is held.
    pub(crate) priority: i32,
    /// ODS codes of the practices whose referrals are taken.
    pub(crate) practices: Vec<String>,
    /// FHIR gender codes; may only ever hold, never reject or re-route.
    pub(crate) gender: Vec<String>,
    pub(crate) starts_on: Option<Date>,
    pub(crate) ends_on: Option<Date>,
    pub(crate) urgent: UrgentRule,
}

/// Ages taken, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgeYears {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// A whole outward code (`BS1`), or outward code and sector (`BS2 8`); upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostcodeArea {
    outward: String,
    sector: Option<char>,
}

impl PostcodeArea {
    /// Reads `BS1` or `BS2 8`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let mut words = upper.split_ascii_whitespace();
        let outward = words.next()?.to_owned();
        let letters = outward
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .count();
        let lawful = (1..=2).contains(&letters)
            && (2..=4).contains(&outward.len())
            && outward
                .chars()
                .nth(letters)
                .is_some_and(|character| character.is_ascii_digit())
            && outward
                .chars()
                .all(|character| character.is_ascii_alphanumeric());
        let sector = match words.next() {
            None => None,
            Some(word) => {
                let digit = word.chars().next().filter(char::is_ascii_digit)?;
                (word.len() == 1).then_some(Some(digit))?
            }
        };
        (lawful && words.next().is_none()).then_some(Self { outward, sector })
    }

    /// Whether a postcode, with one space before its last three characters, lies in the area.
    pub(crate) fn covers(&self, postcode: &str) -> bool {
        let Some((outward, inward)) = postcode.trim().split_once(' ') else {
            return false;
        };
        outward.eq_ignore_ascii_case(&self.outward)
            && self
                .sector
                .is_none_or(|sector| inward.trim_start().starts_with(sector))
    }

    /// Whether every postcode of this area lies in the other one.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.outward == other.outward && (other.sector.is_none() || self.sector == other.sector)
    }

    /// As written in the partner file.
    pub(crate) fn text(&self) -> String {
        match self.sector {
            None => self.outward.clone(),
            Some(sector) => format!("{} {sector}", self.outward),
        }
    }
}

/// What happens to a person without a postcode where `postcodes` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPostcode {
    Hold,
    Ignore,
}

/// On what a disclosure rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentRule {
    Required,
    /// Direct care; the basis is `[share] basis`.
    Implied,
}

/// What happens to an urgent referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrgentRule {
    SendAndTell,
    Hold,
}

/// What may go out at all, and on which ground.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) basis: String,
    /// Field, group and element names as written.
    pub(crate) fields: Vec<String>,
    pub(crate) expires_on: Option<Date>,
}

/// How the partner wants a drop.
#[derive(Debug)]
pub(crate) struct Deliver {
    /// Id of a transport of the config.
    pub(crate) transport: At<String>,
    /// File name with `{date}`, `{sequence}`, `{partner}`.
    pub(crate) file: String,
    /// Whether a drop is written when there are no rows.
    pub(crate) empty: bool,
    pub(crate) format: Format,
    pub(crate) columns: Vec<Column>,
}

impl Deliver {
    /// Position of the column that carries this field unchanged.
    pub(crate) fn position_of(&self, field: FieldId) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.field() == Some(field))
    }

    /// The file name of a drop: date as `YYYYMMDD`, sequence in six digits.
    pub(crate) fn file_name(&self, partner: &str, date: Date, sequence: u64) -> String {
        self.file
            .replace("{date}", &date.strftime("%Y%m%d").to_string())
            .replace("{sequence}", &format!("{sequence:06}"))
            .replace("{partner}", partner)
    }
}

/// One column of a drop.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) header: String,
    pub(crate) source: ColumnSource,
    /// Whether a row without this cell is held.
    pub(crate) required: bool,
    /// Stands where the value is empty.
    pub(crate) default: Option<String>,
    /// strftime pattern; partial dates are written as they are.
    pub(crate) date: Option<String>,
    pub(crate) codes: Option<CodeMap>,
    pub(crate) unmapped: Unmapped,
    pub(crate) max_length: Option<usize>,
    pub(crate) too_long: TooLong,
    /// Between several values of one cell; else the field's own.
    pub(crate) join: String,
    pub(crate) unencodable: Unencodable,
    /// A `patient.*` column: compared with what comes back.
    pub(crate) identity: bool,
    /// A `?` in it would be a wrong name.
    pub(crate) never_question_mark: bool,
}

impl Column {
    /// The field of the column, if it has one.
    pub(crate) fn field(&self) -> Option<FieldId> {
        match self.source {
            ColumnSource::Field(field) => Some(field),
            ColumnSource::Path(_) | ColumnSource::Text(_) => None,
        }
    }

    /// The rule for whoever writes the cell.
    pub(crate) fn unencodable_rule(&self) -> UnencodableRule {
        match (self.unencodable, self.never_question_mark) {
            (Unencodable::Hold, _) => UnencodableRule::Hold,
            (Unencodable::Replace, true) => UnencodableRule::LetterOrHold,
            (Unencodable::Replace, false) => UnencodableRule::Replace,
        }
    }
}

/// Where a column's value comes from.
#[derive(Debug)]
pub(crate) enum ColumnSource {
    Field(FieldId),
    /// For what has no field name.
    Path(Expression),
    Text(String),
}

/// What to write for a value that `codes` does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    Hold,
    Blank,
    Keep,
    Text(String),
}

/// What to do with a text longer than `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLong {
    Hold,
    Truncate,
}

/// What to do with a character that the encoding lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unencodable {
    Hold,
    Replace,
}

/// How the partner answers.
#[derive(Debug)]
pub(crate) struct Collect {
    pub(crate) transport: At<String>,
    /// Pattern of the names of returns.
    pub(crate) file: String,
    /// Header of the column with our reference.
    pub(crate) reference: String,
    /// Header of the column with the row token.
    pub(crate) check: Option<String>,
    /// strftime pattern in which the partner writes dates.
    pub(crate) dates: String,
    /// How long a return must have stood still before the daemon takes it.
    pub(crate) settle_seconds: u32,
    /// Days by which an event may lie before the referral.
    pub(crate) early_days: u32,
    /// No check and no identity column: every row that says something waits.
    pub(crate) hold_all: bool,
    /// How a STOP or AMEND row is acknowledged.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// How a row takes back what it had told.
    pub(crate) withdrawn: Option<Acknowledged>,
    pub(crate) events: Vec<CollectEvent>,
}

/// `acknowledged = { column, values }`: any of the values says that the row was read and acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) column: String,
    pub(crate) values: Vec<String>,
}

/// One kind of event that a row may tell; a row may tell several.
#[derive(Debug)]
pub(crate) struct CollectEvent {
    /// Header of the column with the date.
    pub(crate) on: Option<String>,
    pub(crate) told: EventRule,
}

/// What the columns of an event say.
#[derive(Debug)]
pub(crate) enum EventRule {
    /// Codes lead to a word of `ATTENDANCE`.
    Attendance { column: String, codes: CodeMap },
    Measure {
        instrument: Box<Instrument>,
        occasion: OccasionFrom,
        items: Vec<MeasureItem>,
    },
    /// Codes lead to a state; `reason` is the header of the partner's own words.
    Status {
        column: String,
        codes: CodeMap,
        reason: Option<String>,
    },
    /// Any value of the list says so.
    Acknowledged(Acknowledged),
    /// Kept sealed, never pushed.
    Note { column: String },
    /// The person is referred on, which opens a further leg; codes lead to partner ids of [`Partner::onward_to`].
    Onward {
        column: String,
        codes: CodeMap,
        /// Header, and codes that lead to names of activities.
        activity: Option<(String, CodeMap)>,
        consent_column: String,
        /// The one value that says the person agreed to be shared; never empty.
        consent_yes: String,
    },
}

impl CollectEvent {
    /// The kind of event.
    pub(crate) fn kind(&self) -> EventKind {
        match self.told {
            EventRule::Attendance { .. } => EventKind::Attendance,
            EventRule::Measure { .. } => EventKind::Measure,
            EventRule::Status { .. } => EventKind::Status,
            EventRule::Acknowledged(_) => EventKind::Acknowledged,
            EventRule::Note { .. } => EventKind::Note,
            EventRule::Onward { .. } => EventKind::Onward,
        }
    }

    /// Every header that the event reads.
    pub(crate) fn headers(&self) -> Vec<&str> {
        let mut headers: Vec<&str> = self.on.iter().map(String::as_str).collect();
        match &self.told {
            EventRule::Attendance { column, .. } | EventRule::Note { column } => {
                headers.push(column)
            }
            EventRule::Measure {
                occasion, items, ..
            } => {
                if let OccasionFrom::Column { column, .. } = occasion {
                    headers.push(column);
                }
                headers.extend(items.iter().map(|item| item.column.as_str()));
            }
            EventRule::Status { column, reason, .. } => {
                headers.push(column);
                headers.extend(reason.iter().map(String::as_str));
            }
            EventRule::Acknowledged(acknowledged) => headers.push(&acknowledged.column),
            EventRule::Onward {
                column,
                activity,
                consent_column,
                ..
            } => {
                headers.push(column);
                headers.extend(activity.iter().map(|(header, _)| header.as_str()));
                headers.push(consent_column);
            }
        }
        headers
    }
}

/// Which header carries which item of an instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeasureItem {
    pub(crate) item: String,
    pub(crate) column: String,
}

/// When in the course a measure was taken: fixed for the event, or told by a column.
#[derive(Debug)]
pub(crate) enum OccasionFrom {
    Fixed(Occasion),
    Column { column: String, codes: CodeMap },
}

/// The states that a return may report.
pub(crate) const REPORTABLE: [LegState; 6] = [
    LegState::Accepted,
    LegState::Rejected,
    LegState::OnHold,
    LegState::InProgress,
    LegState::Completed,
    LegState::ClosedUnsuccessful,
];

/// How much of what comes back is written to the GP record for this partner; the narrower of this and the source's wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartnerPush {
    pub(crate) volume: Volume,
}

/// How many of a person's events reach the record; measures always do, but for `Off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    Each,
    FirstAndClose,
    Counts,
    Close,
    Off,
}

impl Volume {
    /// The words of config and partner files.
    pub(crate) const WORDS: [(&'static str, Self); 5] = [
        ("each", Self::Each),
        ("first-and-close", Self::FirstAndClose),
        ("counts", Self::Counts),
        ("close", Self::Close),
        ("off", Self::Off),
    ];

    /// The word.
    pub(crate) fn code(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, volume)| *volume == self)
            .map_or("", |(word, _)| word)
    }

    /// The one that lets less through.
    pub(crate) fn narrower(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_is_not_a_prefix() {
        let table = [
            ("BS1", "BS1 4ND", true),
            ("BS1", "BS10 5AA", false),
            ("BS2 8", "BS2 8AA", true),
            ("BS2 8", "BS2 9AA", false),
            ("bs2 8", "BS2 8AA", true),
            ("EC1A", "EC1A 1BB", true),
        ];
        for (area, postcode, covered) in table {
            let area = PostcodeArea::parse(area).unwrap();
            assert_eq!(area.covers(postcode), covered, "{area:?} {postcode}");
        }
        for wrong in [
            "", "BS", "BS2 8A", "BS2 88", "1BS", "BS2 8 9", "BS123", "ABC1",
        ] {
            assert_eq!(PostcodeArea::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_narrower_volume_wins() {
        assert_eq!(Volume::Each.narrower(Volume::Close), Volume::Close);
        assert_eq!(Volume::Off.narrower(Volume::FirstAndClose), Volume::Off);
        assert_eq!(Volume::FirstAndClose.code(), "first-and-close");
    }
}
