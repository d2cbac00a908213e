//! What was delivered of the references on a return: tokens and identity cells, made again from the sealed inputs.
//!
//! In: the references of a return. Out: what *match* compares its rows with, and what the ledger knows of the sender's own
//! legs among them. Legs, rows, drops and events are asked for once each; inputs are opened a few thousand at a time, by
//! several workers, and nothing of them is kept but what is compared.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::event::{LegEvents, NumberedEvent, events_of_legs, newest_by};
use super::referral::Referral;
use super::run::{Env, LedgerAccess};
use super::workers::in_parallel;
use super::{map, sealed_inputs};
use crate::domain::clock::{day_from_number, day_number};
use crate::domain::recorded_day;
use crate::domain::{DropId, Instant, KeyId, LegId, LegReference, LegState, RowToken, limits};
use crate::fhir::resources::service_request;
use crate::json::Arena;
use crate::partner::fields::{Field, FieldKind};
use crate::partner::{NeededMembers, Partner, Rules};
use crate::seal::{Digest, HolderKey};
use crate::sheet::{CellRow, fold};
use crate::store::rows::{DropFile, DropRow, DropState, Leg, RawIds};

/// Rows whose inputs are fetched and opened together: enough to fill statements and workers, few beside a full return.
const ROWS_TOGETHER: usize = 2_048;
/// Rows that one worker makes again at a time.
const ROWS_A_PIECE: usize = 64;

/// What is known by reference.
pub(crate) type Legs = HashMap<LegReference, Delivered>;

/// What was delivered of a leg.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    /// Whether the leg is the sender's, and was ever sent.
    pub(crate) own: bool,
    pub(crate) leg: LegId,
    pub(crate) authored_on: Option<Date>,
    /// The day on which the leg ended by the sender's own word, if it has.
    pub(crate) closed_on: Option<Date>,
    /// The day on which it ended otherwise: the record says so, or the practice. The sender hears nothing of it from us here.
    pub(crate) ended_on: Option<Date>,
    /// Each version sent.
    pub(crate) versions: Vec<Version>,
}

/// How a delivered column is compared with what comes back under its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComparedAs {
    NhsNumber,
    Family,
    Given,
    /// A whole name, titles and all.
    FullName,
    BirthDate,
    Phone,
    Email,
    Address,
    Postcode,
    /// Another column of the person: a difference is told, and holds nothing.
    OfPerson,
    /// A day that is nobody's identity: it tells only in which order days were written.
    Day,
}

impl ComparedAs {
    /// Whether a difference can say that the row is somebody else's.
    pub(crate) fn identity(self) -> bool {
        !matches!(self, Self::OfPerson | Self::Day)
    }

    fn of(field: &Field) -> Option<Self> {
        Some(match field.name.as_str() {
            "patient.nhs_number" => Self::NhsNumber,
            "patient.family" => Self::Family,
            "patient.given" => Self::Given,
            "patient.name" => Self::FullName,
            "patient.birth_date" => Self::BirthDate,
            "patient.phone" | "patient.phone_home" => Self::Phone,
            "patient.email" => Self::Email,
            "patient.postcode" => Self::Postcode,
            name if name.starts_with("patient.address") => Self::Address,
            _ if field.identity() => Self::OfPerson,
            _ if field.kind == FieldKind::Date => Self::Day,
            _ => return None,
        })
    }
}

/// A column that is compared.
#[derive(Clone, Debug)]
pub(crate) struct ComparedColumn {
    /// As it was delivered.
    pub(crate) header: String,
    pub(crate) folded: String,
    pub(crate) compared_as: ComparedAs,
    /// strftime pattern of its days.
    pub(crate) days: Option<String>,
}

/// One row as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) token: Option<RowToken>,
    /// One list for all rows of a layout.
    columns: Arc<[ComparedColumn]>,
    /// Their cells, as they were written, in the same order.
    cells: CellRow,
}

impl Version {
    /// A row with this token, and these cells in these columns.
    pub(crate) fn new(
        token: &str,
        columns: Arc<[ComparedColumn]>,
        cells: &[impl AsRef<str>],
    ) -> Self {
        Self {
            token: RowToken::parse(token),
            columns,
            cells: CellRow::new(cells),
        }
    }

    /// The columns that are compared: one list for all rows of a layout.
    pub(crate) fn columns(&self) -> &Arc<[ComparedColumn]> {
        &self.columns
    }

    /// Each column that is compared, and its cell as it was delivered.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&ComparedColumn, &str)> {
        self.columns.iter().zip(self.cells.cells())
    }
}

/// One of the sender's own legs, as the ledger knows it.
pub(crate) struct OwnLeg {
    pub(crate) leg: Leg,
    /// The person's key; none of a person who was erased.
    pub(crate) key: Option<HolderKey>,
    pub(crate) events: LegEvents,
}

/// What is known of the references on a return.
#[derive(Default)]
pub(crate) struct KnownLegs {
    pub(crate) by_reference: Legs,
    /// Those of them that are the sender's own and were sent.
    pub(crate) own: HashMap<LegId, OwnLeg>,
}

/// How a partner's rows were laid out when they were sent.
struct Layout<'r> {
    rules: &'r Rules,
    partner: &'r Partner,
    /// What is read of an input to make the identity cells again.
    wanted: NeededMembers,
    /// Places of the columns that are compared.
    places: Vec<usize>,
    columns: Arc<[ComparedColumn]>,
}

/// What is left of a row that was made again.
struct RowMadeAgain {
    leg: LegId,
    authored_on: Option<Date>,
    version: Option<Version>,
}

/// Looks the references of a return up: whose they are, and what was sent of them in the last 400 days.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn delivered(
    env: &Env,
    place: usize,
    references: Vec<LegReference>,
) -> anyhow::Result<KnownLegs> {
    let strand = env.partners[place].strand;
    let mut known = KnownLegs::default();
    let mut own: HashMap<LegId, Leg> = HashMap::new();
    for leg in env.store.legs_by_references(references).await? {
        let mine = leg.now.partner == strand;
        if mine {
            own.insert(leg.id, leg);
        } else {
            let others = Delivered {
                leg: leg.id,
                ..Delivered::default()
            };
            known.by_reference.insert(leg.reference, others);
        }
    }
    // One that was prepared may be there, although nothing says so yet.
    let may_be_there = |state| state != DropState::Voided;
    let rows = env.drop_rows_where(sorted_ids(&own), may_be_there).await?;
    let mut versions: HashMap<LegId, Delivered> = HashMap::new();
    for row in &rows {
        versions.entry(row.leg).or_insert_with(|| Delivered {
            own: true,
            leg: row.leg,
            ..Delivered::default()
        });
    }
    // Decided for this partner, but never sent: the partner cannot know it.
    own.retain(|leg, _| versions.contains_key(leg));
    let mut keys = make_again(env, place, &own, rows, &mut versions).await?;
    let people = own.values().map(|leg| leg.now.person);
    let unknown = people.filter(|person| !keys.contains_key(person)).collect();
    keys.extend(env.holder_keys(unknown).await?);
    let ids = sorted_ids(&own);
    let mut events = events_of_legs(env, ids.clone(), &mut keys).await?;
    for id in ids {
        let Some(leg) = own.remove(&id) else { continue };
        let events = events.remove(&id).unwrap_or_default();
        let mut sent = versions.remove(&id).unwrap_or_default();
        if leg.now.state.terminal() {
            sent.closed_on = told_ending(&events.opened);
            sent.ended_on = ended_otherwise(&leg, &events.opened);
        }
        known.by_reference.insert(leg.reference, sent);
        let key = keys.get(&leg.now.person).cloned();
        known.own.insert(id, OwnLeg { leg, key, events });
    }
    Ok(known)
}

fn sorted_ids(legs: &HashMap<LegId, Leg>) -> Vec<LegId> {
    let mut ids: Vec<LegId> = legs.keys().copied().collect();
    ids.sort_unstable();
    ids
}

/// Makes the rows again of which a return is compared, and gives the keys of those whose inputs were opened.
async fn make_again(
    env: &Env,
    place: usize,
    own: &HashMap<LegId, Leg>,
    rows: Vec<DropRow>,
    versions: &mut HashMap<LegId, Delivered>,
) -> anyhow::Result<HashMap<KeyId, HolderKey>> {
    let partner = &env.rules.partners[place];
    let (strand, today) = (env.partners[place].strand, day_number(env.today()));
    let mut drops: Vec<DropId> = rows.iter().map(|row| row.drop_id).collect();
    drops.sort_unstable();
    drops.dedup();
    let files: HashMap<DropId, DropFile> = env
        .store
        .drop_files_by_id(drops)
        .await?
        .into_iter()
        .filter(|file| file.partner == strand && is_compared(file.day, today))
        .map(|file| (file.id, file))
        .collect();
    let texts = as_sent(env, partner, files.values()).await?;
    let now = layout(&env.rules, partner);
    let then: HashMap<Digest, Layout<'_>> = texts
        .iter()
        .filter_map(|(hash, rules)| Some((*hash, layout(rules, rules.partners.first()?))))
        .collect();
    let known = rows.iter().filter(|row| files.contains_key(&row.drop_id));
    let newest: HashMap<LegId, DropId> = known.map(|row| (row.leg, row.drop_id)).collect();
    let mut compared: Vec<(DropRow, &DropFile, &Layout<'_>)> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(file) = files.get(&row.drop_id) else {
            continue;
        };
        let sent = then.get(&file.rule);
        // The list of people says the last row of each again, as the partner file has it today.
        if sent.is_some() && newest.get(&row.leg) == Some(&row.drop_id) {
            compared.push((row.clone(), file, &now));
        }
        compared.push((row, file, sent.unwrap_or(&now)));
    }
    let mut keys = HashMap::new();
    for rows in compared.chunks(ROWS_TOGETHER) {
        let raws: Vec<RawIds> = rows
            .iter()
            .map(|(row, _, layout)| layout.inputs(row.raws))
            .collect();
        let fetched = sealed_inputs::fetch(env, &raws).await?;
        let pieces: Vec<_> = rows.chunks(ROWS_A_PIECE).collect();
        let made = in_parallel(pieces.len(), env.workers, |arena: &mut Arena, piece| {
            let mut made = Vec::with_capacity(ROWS_A_PIECE);
            for (row, file, layout) in pieces[piece] {
                arena.reset();
                if let (Some(leg), Some(referral)) = (
                    own.get(&row.leg),
                    fetched.referral(layout.inputs(row.raws))?,
                ) {
                    made.extend(layout.row(env, (leg, row, file), &referral, arena));
                }
            }
            anyhow::Ok(made)
        });
        for piece in made {
            let piece = piece.ok_or_else(|| anyhow::anyhow!("a worker died"))??;
            for row in piece {
                let Some(sent) = versions.get_mut(&row.leg) else {
                    continue;
                };
                sent.authored_on = sent.authored_on.or(row.authored_on);
                sent.versions.extend(row.version);
            }
        }
        keys.extend(fetched.into_keys());
    }
    Ok(keys)
}

/// Whether what was delivered on a day is still compared with what comes back today.
fn is_compared(day: i64, today: i64) -> bool {
    day >= today - limits::DELIVERED_DAYS
}

/// The partner file as it was for drops that it did not make as it is now: a row is what it was when it was sent.
async fn as_sent(
    ledger: &LedgerAccess,
    partner: &Partner,
    files: impl Iterator<Item = &DropFile>,
) -> anyhow::Result<HashMap<Digest, Rules>> {
    let mut texts = HashMap::new();
    for file in files.filter(|file| file.rule != partner.hash) {
        if texts.contains_key(&file.rule) {
            continue;
        }
        let text = ledger.store.rule(file.rule).await?;
        // One that this program can no longer read is taken as it is now.
        if let Some(rules) = text.and_then(|text| Rules::from_bundle(&text).ok()) {
            texts.insert(file.rule, rules);
        }
    }
    Ok(texts)
}

fn layout<'r>(rules: &'r Rules, partner: &'r Partner) -> Layout<'r> {
    let fields = &rules.vocabulary.fields;
    let (mut places, mut columns) = (Vec::new(), Vec::new());
    for (place, column) in partner.deliver.columns.iter().enumerate() {
        let field = column.field().map(|field| fields.field(field));
        let Some(compared_as) = field.and_then(ComparedAs::of) else {
            continue;
        };
        places.push(place);
        columns.push(ComparedColumn {
            header: column.header.clone(),
            folded: fold(&column.header),
            compared_as,
            days: column.date.clone(),
        });
    }
    Layout {
        rules,
        partner,
        wanted: NeededMembers::of_compared(partner, fields),
        places,
        columns: columns.into(),
    }
}

impl Layout<'_> {
    /// The inputs that are opened to make the identity cells of a row.
    fn inputs(&self, raws: RawIds) -> RawIds {
        if !self.wanted.of_person_alone() {
            return raws;
        }
        RawIds {
            request: raws.request,
            patient: raws.patient,
            ..RawIds::default()
        }
    }

    /// A row as it was sent, as far as it is compared; nothing of a referral that cannot be read.
    fn row(
        &self,
        env: &Env,
        (leg, row, file): (&Leg, &DropRow, &DropFile),
        referral: &Referral,
        arena: &Arena,
    ) -> Option<RowMadeAgain> {
        let trees = referral.trees_of(&self.wanted, arena).ok()?;
        let version = || {
            let source = &env.sources[env.source_at(leg.source)?].config;
            let reference = leg.reference.to_string();
            let sequence = u64::try_from(file.sequence).ok()?;
            let setting = env.setting(source, self.rules, day_from_number(file.day));
            let facts = map::facts(&reference, row.action, &row.changed, sequence);
            let view = trees.view(setting, facts);
            let tokens = |fields: &[&[u8]]| env.keys.token(fields);
            let found = map::compared(self.partner, &view, &tokens, &self.places);
            let (token, cells) = found.ok()?;
            Some(Version::new(&token, Arc::clone(&self.columns), &cells))
        };
        Some(RowMadeAgain {
            leg: leg.id,
            authored_on: service_request::authored_on(&trees.request).and_then(recorded_day),
            version: version(),
        })
    }
}

/// The day on which a leg ended by its partner's own word.
fn told_ending(events: &[NumberedEvent]) -> Option<Date> {
    newest_by(events, |(_, event)| event)
        .into_iter()
        .map(|(_, event)| event)
        .filter(|event| !event.withdrawn && event.state().is_some_and(LegState::terminal))
        .filter_map(|event| event.on)
        .min()
}

/// The day on which a leg ended, if it was not by its partner's word.
pub(crate) fn ended_otherwise(leg: &Leg, events: &[NumberedEvent]) -> Option<Date> {
    let ended = leg.now.state.terminal() && told_ending(events).is_none();
    ended.then(|| Instant(leg.since).london_day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_compared_for_so_many_days() {
        let today = day_number(jiff::civil::date(2026, 11, 23));
        limits::holds_at(limits::DELIVERED_DAYS, |days| {
            is_compared(today - days, today)
        });
    }
}
