//! *map*: turns a referral into the cells of a partner's row.
//!
//! In: a [`ReferralView`] and the partner's columns. Out: the cells exactly as they are delivered, encoding included, or the one
//! reason for which the row waits. Keeps: a row holds what the partner file says and nothing else; a STOP or PAUSE row
//! holds whose it is and what to do, and nothing to ring, write to or visit by (`safety.md` §1.2).

mod changed;
mod dry_run;

use std::borrow::Cow;

pub(crate) use changed::changed_headers;
pub(crate) use dry_run::{Asked, DryRun, dry_reference, dry_rules, dry_run};

use crate::domain::{Action, Reason, RowToken};
use crate::partner::fields::{FormFault, Vocabulary};
use crate::partner::{DropColumn, LegFacts, Partner, ReferralView};
use crate::seal::Digest;
use crate::sheet::encode_cell;

/// Why a row waits: reason, column and a detail that tells no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapProblem {
    pub(crate) reason: Reason,
    pub(crate) header: String,
    pub(crate) detail: String,
}

impl MapProblem {
    /// Column and detail in one.
    pub(crate) fn told(&self) -> String {
        format!("column \"{}\": {}", self.header, self.detail)
    }
}

/// The cells of a row.
pub(crate) type Cells<'v> = Vec<Cow<'v, str>>;

/// Makes the keyed digest of which a row token is made.
pub(crate) type Tokens<'t> = dyn Fn(&[&[u8]]) -> Digest + Sync + 't;

/// The row of a referral for a partner.
///
/// # Errors
/// The first column that cannot be written.
pub(crate) fn row<'v>(
    partner: &'v Partner,
    view: &ReferralView<'v>,
    tokens: &Tokens<'_>,
) -> Result<Cells<'v>, MapProblem> {
    let columns = &partner.deliver.columns;
    form(partner, view)?;
    let checked = columns
        .iter()
        .any(|column| is_check(column, view.vocabulary));
    // The token is over the cells of identity, which are mapped once for both.
    let mut identity = Vec::new();
    if checked {
        for column in columns.iter().filter(|column| column.identity) {
            identity.push(or_blank(view, cell(partner, column, view, ""))?);
        }
    }
    let token = if checked {
        token(partner, view, &identity, tokens)
    } else {
        String::new()
    };
    let mut identity = identity.into_iter();
    let withholds = view.leg.action.withholds();
    let check: &str = &token;
    let mut cells = Vec::with_capacity(columns.len());
    for column in columns {
        let known = if column.identity {
            identity.next()
        } else {
            None
        };
        let kept = !withholds || stands_in_a_stop(column, view.vocabulary);
        cells.push(match known {
            _ if !kept => Cow::Borrowed(""),
            Some(cell) if !is_check(column, view.vocabulary) => cell,
            _ => or_blank(view, cell(partner, column, view, check))?,
        });
    }
    Ok(cells)
}

/// What stands in a STOP or PAUSE row: whose it is, and what to do; nothing to ring, write to or visit by (`safety.md` §1.2).
const IN_A_STOP: [&str; 9] = [
    "leg.reference",
    "leg.check",
    "leg.action",
    "leg.stop",
    "patient.name",
    "patient.prefix",
    "patient.given",
    "patient.family",
    "patient.birth_date",
];

fn stands_in_a_stop(column: &DropColumn, vocabulary: &Vocabulary) -> bool {
    column.field().is_some_and(|field| {
        let name = vocabulary.fields.field(field).name.as_str();
        IN_A_STOP.contains(&name)
    })
}

/// A stop goes out whatever a record looks like by now: what cannot be written of it stays blank.
fn or_blank<'v>(
    view: &ReferralView<'_>,
    cell: Result<Cow<'v, str>, MapProblem>,
) -> Result<Cow<'v, str>, MapProblem> {
    match cell {
        Err(_) if view.leg.action.withholds() => Ok(Cow::Borrowed("")),
        cell => cell,
    }
}

/// Whether all that the columns read is of the form that FHIR gives it. A stop goes whatever a record looks like.
fn form(partner: &Partner, view: &ReferralView<'_>) -> Result<(), MapProblem> {
    if view.leg.action.withholds() {
        return Ok(());
    }
    let Some((element, fault)) = partner.deliver.check.fault(view) else {
        return Ok(());
    };
    let fields = &view.vocabulary.fields;
    let column = partner
        .deliver
        .columns
        .iter()
        .find(|column| column.reads(&element, fields));
    Err(MapProblem {
        reason: if fault.what == FormFault::NoSuchDate {
            Reason::BadDate
        } else {
            Reason::Malformed
        },
        header: column.map_or_else(String::new, |column| column.header.clone()),
        detail: fault.to_string(),
    })
}

/// What tells whose a row is: its token, empty where no column carries one, and the cells of these columns, by their places; all
/// identity columns must be among them.
///
/// # Errors
/// The first of these columns that cannot be written.
pub(crate) fn compared<'v>(
    partner: &'v Partner,
    view: &ReferralView<'v>,
    tokens: &Tokens<'_>,
    places: &[usize],
) -> Result<(String, Cells<'v>), MapProblem> {
    let columns = &partner.deliver.columns;
    let mut cells = Vec::with_capacity(places.len());
    for place in places {
        cells.push(or_blank(view, cell(partner, &columns[*place], view, ""))?);
    }
    let mut all = columns.iter();
    let token = if all.any(|column| is_check(column, view.vocabulary)) {
        let identity = places.iter().zip(&cells);
        let identity = identity.filter(|(place, _)| columns[**place].identity);
        let identity: Vec<&str> = identity.map(|(_, cell)| &**cell).collect();
        token(partner, view, &identity, tokens)
    } else {
        String::new()
    };
    Ok((token, cells))
}

/// The row token: over partner, reference and the identity cells as delivered.
fn token(
    partner: &Partner,
    view: &ReferralView<'_>,
    identity: &[impl AsRef<str>],
    tokens: &Tokens<'_>,
) -> String {
    let mut parts = vec![partner.id.as_bytes(), view.leg.reference.as_bytes()];
    parts.extend(identity.iter().map(|cell| cell.as_ref().as_bytes()));
    RowToken::from_digest(&tokens(&parts)).to_string()
}

fn cell<'v>(
    partner: &'v Partner,
    column: &'v DropColumn,
    view: &ReferralView<'v>,
    check: &str,
) -> Result<Cow<'v, str>, MapProblem> {
    if is_check(column, view.vocabulary) {
        return Ok(Cow::Owned(check.to_owned()));
    }
    let problem = |reason: Reason, detail: String| MapProblem {
        reason,
        header: column.header.clone(),
        detail,
    };
    let text = column
        .cell(view)
        .map_err(|found| problem(found.reason, found.detail))?;
    match encode_cell(
        &text,
        partner.deliver.format.encoding,
        column.unencodable_rule(),
    ) {
        Ok(Cow::Borrowed(_)) => Ok(text),
        Ok(Cow::Owned(encoded)) => Ok(Cow::Owned(encoded)),
        Err(found) => Err(problem(
            Reason::Unencodable,
            format!("character {} has no place in the encoding", found.position),
        )),
    }
}

/// Whether a column holds the row token.
pub(crate) fn is_check(column: &DropColumn, vocabulary: &Vocabulary) -> bool {
    column
        .field()
        .is_some_and(|field| vocabulary.fields.check() == Some(field))
}

/// Facts of a leg for a row.
pub(crate) fn facts<'a>(
    reference: &'a str,
    action: Action,
    changed: &'a str,
    sequence: u64,
) -> LegFacts<'a> {
    LegFacts {
        reference,
        check: "",
        action,
        changed,
        sequence,
    }
}

/// Headers of the columns whose cells differ: `Changed: Phone, Postcode`; empty if none does.
pub(crate) fn changed(
    partner: &Partner,
    before: &Cells<'_>,
    after: &Cells<'_>,
    ours: impl Fn(&DropColumn) -> bool,
) -> String {
    let columns = partner.deliver.columns.iter().zip(before.iter().zip(after));
    let headers: Vec<&str> = columns
        .filter(|(column, (before, after))| !ours(column) && before != after)
        .map(|(column, _)| column.header.as_str())
        .collect();
    if headers.is_empty() {
        String::new()
    } else {
        format!("Changed: {}", headers.join(", "))
    }
}

#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod value_tests;
