//! The bytes of a drop: rows mapped page by page from their sealed inputs, the same every time.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use tracing::Span;

use super::map;
use super::run::{Env, LedgerAccess};
use super::sealed_inputs::{self, Fetched};
use crate::domain::clock::day_from_number;
use crate::domain::{Action, KeyId, LegId, LegReference, Reason, StrandId};
use crate::json::Arena;
use crate::partner::{Partner, Rules};
use crate::seal::{Digest, LookupKey, sha256};
use crate::sheet::{CellRow, Format, RowWriter, RowsByAction};
use crate::store::rows::{DropFile, DropRow, Leg, RawIds};

/// A drop's number and the London day on which it was first made.
#[derive(Clone, Copy)]
pub(crate) struct Numbered {
    pub(crate) sequence: i64,
    pub(crate) today: Date,
    /// Changes for a partner whose file has no column for them: the first column says what to do.
    pub(crate) notice: bool,
}

/// Rows mapped at a time.
pub(crate) const PAGE: usize = 2_000;

/// Header of the first column of a notice.
const WHAT_TO_DO: &str = "What to do";

/// By which rules a drop is made: those in force and approved, or those it was made by once.
pub(crate) enum By {
    InForce(usize),
    Kept(Box<Rules>),
}

/// One row to write; its number and digest are filled in when it is.
pub(crate) struct Planned {
    pub(crate) row: DropRow,
    /// The number and day of the drop by which it was sent, of a row that is said again; none of one that is new in the file.
    pub(crate) as_of: Option<(i64, Date)>,
    /// Its cells, if it was mapped in this run.
    pub(crate) ready: Option<CellRow>,
    /// What was sent last, where the row is to name the columns that differ; none where it has them already.
    pub(crate) before: Option<RawIds>,
    pub(crate) reference: LegReference,
    pub(crate) source: StrandId,
    pub(crate) person: KeyId,
}

/// A drop's bytes and what is said of them.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) header_sha256: Digest,
    /// As the version says that it was made by.
    pub(crate) format: Format,
    pub(crate) actions: RowsByAction,
    pub(crate) rows: Vec<DropRow>,
}

/// Writes a drop row by row.
pub(crate) struct Maker {
    env: Arc<Env>,
    by: By,
    of: Numbered,
    writer: RowWriter<Vec<u8>>,
    header_sha256: Digest,
    written: Written,
    /// Rows whose person was erased: they are not written.
    pub(crate) missing: usize,
    /// Legs whose row cannot be written, and why.
    pub(crate) unwritable: HashMap<LegId, Reason>,
}

/// What has been written so far.
#[derive(Default)]
struct Written {
    actions: RowsByAction,
    rows: Vec<DropRow>,
}

impl Written {
    fn note(&mut self, mut row: DropRow, digest: LookupKey, action: Action) {
        row.row = i64::try_from(self.rows.len()).unwrap_or(i64::MAX) + 1;
        row.digest = digest;
        self.rows.push(row);
        match action {
            Action::New => self.actions.new += 1,
            Action::Amend => self.actions.amend += 1,
            Action::Stop => self.actions.stop += 1,
            Action::Pause => self.actions.pause += 1,
        }
    }
}

impl Maker {
    /// Begins with the header.
    pub(crate) fn new(env: Arc<Env>, by: By, of: Numbered) -> anyhow::Result<Self> {
        let partner = partner(&env, &by)?;
        let first = of.notice.then_some(WHAT_TO_DO);
        let headers: Vec<&str> = first.into_iter().chain(partner.deliver.headers()).collect();
        let mut writer = RowWriter::new(Vec::new(), partner.deliver.format)?;
        writer.write_row(&headers)?;
        let header_sha256 = sha256(&[writer.last_row()]);
        Ok(Self {
            env,
            by,
            of,
            writer,
            header_sha256,
            written: Written::default(),
            missing: 0,
            unwritable: HashMap::new(),
        })
    }

    /// Opens, maps and writes a page of rows.
    pub(crate) fn add(&mut self, planned: Vec<Planned>, fetched: &Fetched) -> anyhow::Result<()> {
        let env = Arc::clone(&self.env);
        let rules = match &self.by {
            By::InForce(place) => env.approved(*place).0,
            By::Kept(rules) => rules,
        };
        let partner = partner(&env, &self.by)?;
        let answers = partner.deliver.answers.len();
        let tokens = |fields: &[&[u8]]| env.keys.token(fields);
        for Planned {
            mut row,
            as_of,
            ready,
            before,
            reference,
            source,
            person,
        } in planned
        {
            let action = row.action;
            // Over cells, so that a row is the same in whichever form its file is written.
            let digest = |cells: &CellRow| {
                let person = person.number().to_be_bytes();
                env.keys.lookup(&[b"drop row", &person, cells.digested()])
            };
            if let Some(cells) = ready {
                self.writer.write_kept(&cells, answers)?;
                self.written.note(row, digest(&cells), action);
                continue;
            }
            let Some(referral) = fetched.referral(row.raws)? else {
                self.missing += 1;
                continue;
            };
            let place = env
                .source_at(source)
                .ok_or_else(|| anyhow::anyhow!("a source of the ledger is not in the config"))?;
            let arena = Arena::default();
            let Ok(trees) = referral.trees(&arena) else {
                self.unwritable.insert(row.leg, Reason::Unreadable);
                continue;
            };
            let reference = reference.to_string();
            let (sequence, today) = as_of.unwrap_or((self.of.sequence, self.of.today));
            let sequence = u64::try_from(sequence).unwrap_or(0);
            let setting = env.setting(&env.sources[place].config, rules, today);
            if let Some(before) = before
                && let Some(before) = fetched.referral(before)?
                && let Ok(before) = before.trees(&arena)
            {
                let both = (&before, &trees);
                let changed = map::changed_headers(setting, partner, &reference, both, &tokens);
                // If the row cannot be written today, that is found below.
                row.changed = changed.unwrap_or_default();
            }
            let facts = map::facts(&reference, action, &row.changed, sequence);
            let view = trees.view(setting, facts);
            // It could be written when it was decided, with these very inputs: but on another day, perhaps by another file.
            let mut cells = match map::row(partner, &view, &tokens) {
                Ok(cells) => cells,
                Err(problem) => {
                    self.unwritable.insert(row.leg, problem.reason);
                    continue;
                }
            };
            if self.of.notice {
                let phone = env.sources[place].config.phone.as_deref();
                cells.insert(0, what_to_do(action, &row.changed, phone));
            }
            let cells = CellRow::new(&cells);
            self.writer.write_kept(&cells, answers)?;
            self.written.note(row, digest(&cells), action);
        }
        Ok(())
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> anyhow::Result<Made> {
        let format = partner(&self.env, &self.by)?.deliver.format;
        Ok(Made {
            format,
            bytes: self.writer.finish()?,
            header_sha256: self.header_sha256,
            actions: self.written.actions,
            rows: self.written.rows,
        })
    }
}

/// What a row of a notice asks for, in the words of a row that has a column for it (`safety.md` §14).
fn what_to_do<'c>(
    action: Action,
    changed: &'c str,
    phone: Option<&str>,
) -> std::borrow::Cow<'c, str> {
    match action {
        Action::Amend if !changed.is_empty() => changed.into(),
        Action::Amend => "Changed".into(),
        Action::New | Action::Stop | Action::Pause => action.sentence(phone).into(),
    }
}

fn partner<'m>(env: &'m Env, by: &'m By) -> anyhow::Result<&'m Partner> {
    let partner = match by {
        By::InForce(place) => Some(env.approved(*place).1),
        By::Kept(rules) => rules.partners.first(),
    };
    partner.ok_or_else(|| anyhow::anyhow!("a kept mapping has no partner"))
}

/// The name of a drop's file.
pub(crate) fn file_name(partner: &Partner, of: Numbered) -> String {
    let sequence = u64::try_from(of.sequence).unwrap_or(0);
    let name = partner.deliver.file_name(&partner.id, of.today, sequence);
    if of.notice {
        format!("notice_{name}")
    } else {
        name
    }
}

/// Fetches a page's inputs, and opens, maps and writes them on a thread of their own.
pub(crate) async fn add(
    ledger: &LedgerAccess,
    mut maker: Maker,
    planned: Vec<Planned>,
) -> anyhow::Result<Maker> {
    let sealed = planned.iter().filter(|planned| planned.ready.is_none());
    let raws = sealed.flat_map(|planned| [Some(planned.row.raws), planned.before]);
    let raws: Vec<RawIds> = raws.flatten().collect();
    let fetched = sealed_inputs::fetch(ledger, &raws).await?;
    let (span, add) = (Span::current(), move || {
        maker.add(planned, &fetched).map(|()| maker)
    });
    let written = tokio::task::spawn_blocking(move || span.in_scope(add));
    written.await?
}

/// Makes a drop again from its record, with the rules it was made by; `None` if a person in it was erased, a practice is no longer
/// configured, or a row of it cannot be written as it was.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn remake(env: &Arc<Env>, file: &DropFile) -> anyhow::Result<Option<Made>> {
    let Some(bundle) = env.store.rule(file.rule).await? else {
        return Ok(None);
    };
    let Ok(rules) = Rules::from_bundle(&bundle) else {
        return Ok(None);
    };
    let mut of = Numbered {
        sequence: file.sequence,
        today: day_from_number(file.day),
        notice: true,
    };
    of.notice = rules
        .partners
        .first()
        .is_some_and(|partner| file_name(partner, of) == file.name);
    let mut maker = Maker::new(Arc::clone(env), By::Kept(Box::new(rules)), of)?;
    let (mut after, limit) = (0, i64::try_from(PAGE).unwrap_or(i64::MAX));
    loop {
        let page = env.store.drop_rows(file.id, after, limit).await?;
        let Some(last) = page.last() else { break };
        after = last.row;
        let legs = page.iter().map(|row| row.leg).collect();
        let legs = env.store.legs(legs).await?;
        if legs.iter().any(|leg| env.source_at(leg.source).is_none()) {
            return Ok(None);
        }
        let legs: HashMap<LegId, Leg> = legs.into_iter().map(|leg| (leg.id, leg)).collect();
        let planned = page.iter().filter_map(|row| {
            let leg = legs.get(&row.leg)?;
            Some(Planned {
                row: row.clone(),
                as_of: None,
                ready: None,
                before: None,
                reference: leg.reference,
                source: leg.source,
                person: leg.now.person,
            })
        });
        maker = add(env, maker, planned.collect()).await?;
        if maker.missing > 0 || !maker.unwritable.is_empty() {
            return Ok(None);
        }
    }
    maker.finish().map(Some)
}
