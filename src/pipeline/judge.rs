//! Judges a sheet that has been read: one that comes, and rows of one that came, again.
//!
//! In: bytes and the sheet in them. Out: whose each row is and what it tells; for rows that are judged again, what became of them. Keeps: a row that is
//! judged again is judged beside all others of its file, and is recorded alone, as a return of its own that says of which one it is.

use super::apply;
use super::delivered_rows::{self, KnownLegs};
use super::event::{
    EarlierReturn, RowFinding, TakenReturn, Unusable, bytes_spot, earlier_return, return_lookup,
};
use super::matching::{self, JudgedSheet};
use super::run::{HeldLease, Run, StageOutcome};
use crate::domain::{Disposition, HoldNumber, Reason, ReturnId};
use crate::seal::sha256;
use crate::sheet::{CsvText, ReadLimits, Sheet, TableMarks};
use crate::store::rows::RETURN_READ;

/// Whose each row of a sheet is, and what it tells; or why there is no sheet.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn sheet(
    run: &Run,
    partner: usize,
    bytes: &[u8],
    sheet: Result<Sheet, Unusable>,
    marks: TableMarks<'_>,
) -> anyhow::Result<Result<JudgedSheet, Unusable>> {
    let collect = run.rules.partners[partner].collect.as_ref();
    let collect = collect.ok_or_else(|| anyhow::anyhow!("a partner that sends nothing back"))?;
    let sheet = match sheet.and_then(|sheet| matching::with_columns(collect, sheet)) {
        Ok(sheet) => sheet,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let references = matching::references(collect, &sheet);
    let KnownLegs { by_reference, own } =
        delivered_rows::delivered(run, partner, references).await?;
    let limits = ReadLimits::of(&run.config.limits);
    let read = (&limits, marks);
    let sheet = matching::in_its_encoding(collect, sheet, bytes, &by_reference, read);
    Ok(sheet.and_then(|sheet| {
        let finding = matching::read(collect, &sheet, &by_reference, run.today())?;
        Ok(JudgedSheet {
            sheet,
            finding,
            own,
        })
    }))
}

/// How a row that was judged again ends, by Excel's number.
pub(crate) type EndsNow = (u64, Disposition, Option<Reason>);

/// Why rows cannot be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAgain {
    /// The return was undone, or could never be read.
    NotStanding,
    /// The key to what is kept of it is gone, or its partner's file.
    NotKept,
}

/// Judges rows of a return again, by the rules and the record of today, and takes in what can be. Each row is given by Excel's number, with the question
/// about it, if there is one: it ends with the row. Nothing is recorded of rows that still wait.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(crate) async fn rows_again(
    run: &Run,
    lease: &HeldLease,
    of: ReturnId,
    asked: &[(u64, HoldNumber)],
) -> anyhow::Result<Result<Vec<EndsNow>, NotAgain>> {
    let Some(earlier) = came(run, of).await? else {
        return Ok(Err(NotAgain::NotStanding));
    };
    let file = &earlier.file;
    let keys = run.holder_keys(vec![file.holder]).await?;
    let (key, place) = (keys.get(&file.holder), run.partner_at(file.sender));
    let (Some(key), Some(partner)) = (key, place) else {
        return Ok(Err(NotAgain::NotKept));
    };
    let sealed = run.store.return_bytes(file.id).await?.unwrap_or_default();
    let bytes = key.open(bytes_spot(file.id, file.holder), &sealed)?;
    let Some(collect) = &run.rules.partners[partner].collect else {
        return Ok(Err(NotAgain::NotKept));
    };
    let heading = matching::heading_of(collect);
    let marks = TableMarks {
        rows_max: run.config.limits.header_search_rows_max,
        heading: &heading,
        of_a_row: &matching::is_reference,
    };
    let limits = ReadLimits::of(&run.config.limits);
    let read = CsvText::decode_any(&bytes, &limits).and_then(|text| text.sheet_by(&limits, marks));
    let Ok(read) = read else {
        return Ok(Err(NotAgain::NotStanding));
    };
    let Ok(mut judged) = sheet(run, partner, &bytes, Ok(read), marks).await? else {
        return Ok(Err(NotAgain::NotStanding));
    };
    drop((bytes, sealed));
    judged.keep_beside(asked);
    let waits = |row: &RowFinding| {
        !matches!(
            row.disposition,
            Disposition::Accepted | Disposition::Repeated
        )
    };
    let is_asked = |line: u64| asked.iter().any(|(asked, _)| *asked == line);
    let waiting = judged.finding.rows.iter().filter(|row| waits(row));
    let mut ends = ends_of(waiting);
    judged.keep_rows(|row| !waits(row));
    let rows = judged.finding.rows.iter().map(|row| row.line);
    let lines: Vec<u64> = rows.filter(|line| is_asked(*line)).collect();
    if lines.is_empty() {
        return Ok(Ok(ends));
    }
    let mut taken = taken_again(run, partner, &earlier, &lines);
    let ended = asked.iter().filter(|(line, _)| lines.contains(line));
    taken.answers = ended.map(|(_, hold)| *hold).collect();
    taken.answers.retain(|hold| *hold != HoldNumber::NONE);
    let JudgedSheet {
        sheet,
        finding,
        own,
    } = judged;
    let mut outcome = StageOutcome::default();
    let found = apply::record(run, lease, &mut taken, &sheet, finding, own, &mut outcome).await?;
    ends.extend(ends_of(found.rows.iter().filter(|row| is_asked(row.line))));
    ends.sort_by_key(|(line, ..)| *line);
    Ok(Ok(ends))
}

/// The file of these rows as it came, if it stands.
async fn came(run: &Run, of: ReturnId) -> anyhow::Result<Option<EarlierReturn>> {
    let mut of = of;
    loop {
        let before = ReturnId::new(of.number().saturating_sub(1));
        let file = run.store.return_files(before, 1).await?.pop();
        let file = file.filter(|file| file.id == of && file.state == RETURN_READ);
        let Some(file) = file else { return Ok(None) };
        let earlier = earlier_return(run, file).await?;
        match earlier {
            // Rows that were judged again before: they stand in an older file.
            Some(earlier) if (1..of.number()).contains(&earlier.frame.of) => {
                of = ReturnId::new(earlier.frame.of);
            }
            earlier => return Ok(earlier),
        }
    }
}

fn ends_of<'f>(rows: impl Iterator<Item = &'f RowFinding>) -> Vec<EndsNow> {
    rows.map(|row| (row.line, row.disposition, row.reason))
        .collect()
}

/// What is kept of rows that are judged again: whose they are, and not a second time what they say.
fn taken_again(run: &Run, partner: usize, earlier: &EarlierReturn, lines: &[u64]) -> TakenReturn {
    let EarlierReturn { file, name, .. } = earlier;
    let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
    let note = format!(
        "rows {} of return {}, judged again\n",
        lines.join(" "),
        file.id
    );
    let bytes = note.into_bytes();
    let sha256 = sha256(&[&bytes]);
    TakenReturn {
        id: ReturnId::NONE,
        partner,
        name: name.clone(),
        file_size_bytes: bytes.len(),
        whole: false,
        lookup: return_lookup(run, &run.rules.partners[partner].id, &sha256),
        version: run.keys.lookup(&[b"version", &bytes]),
        bytes,
        sha256,
        written_micros: file.written,
        before: None,
        again: false,
        of: file.id,
        answers: Vec::new(),
    }
}
