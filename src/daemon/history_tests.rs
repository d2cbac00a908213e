//! Histories of a partner's sheets: new and corrected ones, ones that come again, older states of one, ones that contradict themselves, some undone.
//!
//! A model that knows nothing of the program keeps what each sheet said and when it was written. After each run the newest word of those rows that do not
//! wait must stand, event by event: so nothing goes back to an older value. And a plain sheet must not wait without a reason.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::batch_tests::Installation;
use super::{Only, run};
use crate::actions::{Actor, undo};
use crate::app::App;
use crate::domain::{
    Disposition, EventKind, Instant, LegId, LegReference, Reason, ReturnId, Stage,
};
use crate::pipeline::event::{EarlierReturn, StoredEvent, events, newest};
use crate::pipeline::pull::seeded::{Draw, seeds};

/// What the partner of a history tells: visits, a questionnaire, an ending, and what was told by mistake.
const TELLS: &str = r#"withdrawn = { column = "Mistake?", values = ["X"] }
[[collect.event]]
kind = "attendance"
on = "Visit date"
value = { column = "Came", codes = { Y = "attended", N = "did-not-attend", C = "cancelled-by-person" } }
[[collect.event]]
kind = "measure"
instrument = "ons4"
occasion = "baseline"
on = "Asked on"
items = { satisfaction = "LS" }
[[collect.event]]
kind = "status"
on = "Ended on"
value = { column = "Outcome", codes = { Finished = "completed", Moved = "closed-unsuccessful" } }
"#;
const HEADER: &str = "Our ref,C2,Visit date,Came,Asked on,LS,Ended on,Outcome,Mistake?\n";
const PEOPLE: usize = 2;
/// Days of visits.
const VISITS: usize = 3;
const STEPS: usize = 6;
const IN_SUITE: u64 = 50;
/// When the first sheet is written, in microseconds since 1970; each one after it a minute later.
const BEGAN: &str = "2026-11-22T06:00:00Z";
const MINUTE: i64 = 60_000_000;

/// What is asked of a person: a visit of a day, the questionnaire, how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Question {
    Visit(usize),
    Score,
    Ending,
}

const QUESTIONS: [Question; VISITS + 2] = [
    Question::Visit(0),
    Question::Visit(1),
    Question::Visit(2),
    Question::Score,
    Question::Ending,
];

/// What a sheet says of a person to a question.
type Answers = BTreeMap<(usize, Question), Word>;

/// An answer, and whether it is marked as a mistake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word {
    answer: String,
    mistake: bool,
}

/// How a sheet came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What the partner knows now.
    Plain,
    /// The bytes of an earlier one once more.
    Again,
    /// What an earlier one said, saved anew.
    SavedAnew,
    /// An older state that somebody else had changed.
    Fork,
    /// The same under a name that a file program gave it.
    Copy,
}

/// A sheet as the model knows it.
#[derive(Clone, Debug)]
struct ModelSheet {
    kind: Kind,
    name: String,
    bytes: String,
    written: i64,
    /// Each row: what is asked of whom, and the answer.
    rows: Vec<((usize, Question), Word)>,
    /// Two rows answer one question.
    twice: Option<(usize, Question)>,
    undone: bool,
}

/// One partner's history.
struct History {
    partner: String,
    draw: Draw,
    references: Vec<String>,
    truth: Answers,
    sheets: Vec<ModelSheet>,
    clock: i64,
}

impl History {
    fn new(seed: u64, partner: String, references: Vec<String>) -> Self {
        Self {
            partner,
            draw: Draw::of(seed, 15),
            references,
            truth: Answers::new(),
            sheets: Vec::new(),
            clock: Instant::parse(BEGAN).unwrap().0,
        }
    }

    fn word(&mut self, question: Question) -> Word {
        let answer = match question {
            Question::Visit(_) => ["Y", "N", "C"][self.draw.below(3)].to_owned(),
            Question::Score => self.draw.below(11).to_string(),
            Question::Ending => ["Finished", "Moved"][self.draw.below(2)].to_owned(),
        };
        Word {
            answer,
            mistake: false,
        }
    }

    /// A sheet of the next step; `None`: an earlier one is undone.
    fn next(&mut self) -> Option<ModelSheet> {
        self.clock += MINUTE;
        let plain = self.sheets.is_empty() || self.draw.below(10) < 4;
        let at = self.draw.below(self.sheets.len().max(1));
        let choice = if plain { 0 } else { 1 + self.draw.below(5) };
        Some(match choice {
            0 => self.plain(),
            1 => self.again(at, Kind::Again),
            2 => self.again(at, Kind::SavedAnew),
            3 => self.changed(at, Kind::Fork),
            4 => self.changed(at, Kind::Copy),
            _ => return None,
        })
    }

    /// The partner learns or corrects some things, and sends everything, or what is new alone.
    fn plain(&mut self) -> ModelSheet {
        let mut news: BTreeSet<(usize, Question)> = BTreeSet::new();
        for _ in 0..=self.draw.below(3) {
            let person = self.draw.below(PEOPLE);
            let question = QUESTIONS[self.draw.below(QUESTIONS.len())];
            let word = self.word(question);
            let told = self.truth.entry((person, question)).or_insert(word.clone());
            // What was a mistake stays one.
            if !told.mistake {
                let mistake = self.draw.below(8) == 0 && question != Question::Ending;
                *told = if mistake {
                    Word {
                        answer: told.answer.clone(),
                        mistake,
                    }
                } else {
                    word
                };
            }
            news.insert((person, question));
        }
        let whole = self.draw.below(2) == 0;
        let truth = self.truth.clone();
        let told = truth
            .into_iter()
            .filter(|(of, _)| whole || news.contains(of));
        let mut rows: Vec<_> = told.collect();
        if self.draw.below(2) == 0 {
            rows.reverse();
        }
        let mut twice = None;
        let score = rows
            .iter()
            .position(|((_, question), word)| *question == Question::Score && !word.mistake);
        if let Some(place) = score.filter(|_| self.draw.below(6) == 0) {
            let (of, word) = rows[place].clone();
            let other = (word.answer.parse::<usize>().unwrap() + 1) % 11;
            twice = Some(of);
            rows.push((
                of,
                Word {
                    answer: other.to_string(),
                    mistake: false,
                },
            ));
        }
        let name = format!("{} sheet {}.csv", self.partner, self.sheets.len());
        self.sheet(Kind::Plain, name, rows, twice, self.clock)
    }

    /// What an earlier sheet said, once more.
    fn again(&mut self, at: usize, kind: Kind) -> ModelSheet {
        let earlier = self.sheets[at].clone();
        let name = format!("{} again {}.csv", self.partner, self.sheets.len());
        let written = [earlier.written, self.clock][self.draw.below(2)];
        let mut sheet = ModelSheet {
            kind,
            name,
            written,
            undone: false,
            ..earlier
        };
        if kind == Kind::SavedAnew {
            // Another program writes other line ends.
            sheet.bytes = sheet.bytes.replace('\n', "\r\n");
        }
        sheet
    }

    /// An older state of a sheet in which somebody changed some answers.
    fn changed(&mut self, at: usize, kind: Kind) -> ModelSheet {
        let earlier = self.sheets[at].clone();
        let mut rows = earlier.rows;
        for ((_, question), word) in &mut rows {
            if self.draw.below(2) == 0 && !word.mistake {
                *word = self.word(*question);
            }
        }
        let number = self.sheets.len();
        let (stem, _) = earlier.name.split_once('.').unwrap();
        let name = match kind {
            Kind::Copy => format!("{stem} (conflicted copy {number}).csv"),
            _ => format!("{} fork {number}.csv", self.partner),
        };
        let written = match kind {
            // A file program keeps the time of the older state, or gives the copy its own.
            Kind::Copy if self.draw.below(2) == 0 => self.clock,
            _ => earlier.written + MINUTE / 2 - i64::try_from(number).unwrap(),
        };
        self.sheet(kind, name, rows, earlier.twice, written)
    }

    fn sheet(
        &self,
        kind: Kind,
        name: String,
        rows: Vec<((usize, Question), Word)>,
        twice: Option<(usize, Question)>,
        written: i64,
    ) -> ModelSheet {
        let mut bytes = HEADER.to_owned();
        for ((person, question), word) in &rows {
            let Word { answer, mistake } = word;
            let cells = match question {
                Question::Visit(day) => format!("{:02}/11/2026,{answer},,,,", 18 + day),
                Question::Score => format!(",,18/11/2026,{answer},,"),
                Question::Ending => format!(",,,,21/11/2026,{answer}"),
            };
            let mark = if *mistake { "X" } else { "" };
            let reference = &self.references[*person];
            writeln!(bytes, "{reference},Example,{cells},{mark}").unwrap();
        }
        ModelSheet {
            kind,
            name,
            bytes,
            written,
            rows,
            twice,
            undone: false,
        }
    }

    /// Puts a sheet into the folder.
    fn puts(&mut self, installation: &Installation, sheet: ModelSheet) {
        let file = installation.exchange().join(&self.partner).join("in");
        let file = file.join(&sheet.name);
        std::fs::write(&file, &sheet.bytes).unwrap();
        let written = Duration::from_micros(u64::try_from(sheet.written).unwrap());
        let opened = std::fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(UNIX_EPOCH + written).unwrap();
        self.sheets.push(sheet);
    }

    /// What stands of a person, by what is asked.
    async fn stands(&self, app: &App) -> BTreeMap<(usize, Question), Vec<String>> {
        let mut stands: BTreeMap<(usize, Question), Vec<String>> = BTreeMap::new();
        for (person, reference) in self.references.iter().enumerate() {
            let leg = leg_of(app, reference).await;
            let events = newest(events(app.env(), leg).await.unwrap());
            for event in events.into_iter().filter(|event| !event.withdrawn) {
                let (question, answer) = told(&event);
                stands.entry((person, question)).or_default().push(answer);
            }
        }
        stands
    }

    /// Holds what stands against the newest words of the rows that do not wait.
    async fn check(&self, app: &App, kept: &Kept) -> Result<(), String> {
        let mut newest: BTreeMap<(usize, Question), (i64, usize, Word)> = BTreeMap::new();
        let mut first: HashMap<((usize, Question), Word), i64> = HashMap::new();
        let mut ends: Vec<String> = Vec::new();
        for (number, sheet) in self.sheets.iter().enumerate() {
            // One that was taken in before, word for word, is no word of its own.
            let Some(id) = kept
                .of_name
                .get(&(self.partner.clone(), sheet.name.clone()))
            else {
                let same = |other: &&ModelSheet| other.bytes == sheet.bytes;
                if self.sheets.iter().filter(same).count() > 1 {
                    continue;
                }
                return Err(format!("{} is lost", sheet.name));
            };
            let rows = app.env().store.return_rows(*id, 0, 1_000).await.unwrap();
            if rows.len() != sheet.rows.len() {
                return Err(format!("{} has {} rows", sheet.name, rows.len()));
            }
            for ((of, word), row) in sheet.rows.iter().zip(rows) {
                // What ends another row equal to it ends it too.
                let waits = row.disposition == Disposition::Held
                    || row.reason == Some(Reason::SameRow)
                    || kept.asked_again.contains(&(*id, row.leg));
                ends.push(format!(
                    "{} {of:?} {:?} {:?}",
                    sheet.name, row.disposition, row.reason
                ));
                let held = row.disposition == Disposition::Held;
                self.may_wait(number, (*of, word), held)?;
                if waits || sheet.undone {
                    continue;
                }
                let mut written = self.first_written(sheet);
                // Word for word what a sheet said before is no newer word.
                let said = first.entry((*of, word.clone())).or_insert(written);
                if sheet.kind == Kind::SavedAnew {
                    written = written.min(*said);
                }
                *said = written.min(*said);
                let told = newest.entry(*of).or_insert((i64::MIN, 0, word.clone()));
                if (written, number) > (told.0, told.1) {
                    *told = (written, number, word.clone());
                }
            }
        }
        let mut expected: BTreeMap<(usize, Question), Vec<String>> = BTreeMap::new();
        for (of, (_, _, word)) in newest.into_iter().filter(|(_, told)| !told.2.mistake) {
            expected.insert(of, vec![word.answer]);
        }
        let stands = self.stands(app).await;
        let differs = |of: &&(usize, Question)| stands.get(of) != expected.get(of);
        let all: BTreeSet<_> = stands.keys().chain(expected.keys()).collect();
        match all.into_iter().find(|of| differs(of)) {
            Some(of) => {
                let (stands, expected) = (stands.get(of), expected.get(of));
                Err(format!("{of:?} is {stands:?}, not {expected:?}: {ends:#?}"))
            }
            None => Ok(()),
        }
    }

    /// When the bytes of a sheet were written first.
    fn first_written(&self, sheet: &ModelSheet) -> i64 {
        let same = |other: &&ModelSheet| other.bytes == sheet.bytes;
        let same = self.sheets.iter().filter(same);
        same.map(|other| other.written)
            .min()
            .unwrap_or(sheet.written)
    }

    /// A row of what the partner knows now waits only if it is answered twice, or says what it said before and changed since.
    fn may_wait(
        &self,
        number: usize,
        (of, word): ((usize, Question), &Word),
        waits: bool,
    ) -> Result<(), String> {
        let sheet = &self.sheets[number];
        if !waits || sheet.kind != Kind::Plain || sheet.twice == Some(of) {
            return Ok(());
        }
        let before = self.sheets[..number].iter().flat_map(|sheet| &sheet.rows);
        let said = before
            .filter(|(other, _)| *other == of)
            .any(|(_, said)| said.answer == word.answer);
        if said {
            return Ok(());
        }
        Err(format!("{of:?} waits in {} without a reason", sheet.name))
    }

    /// What happened, for whoever looks into a failure.
    fn story(&self) -> String {
        let mut story = String::new();
        for sheet in &self.sheets {
            let (kind, name, undone) = (sheet.kind, &sheet.name, sheet.undone);
            let minute = (sheet.written - Instant::parse(BEGAN).unwrap().0) / (MINUTE / 10);
            write!(story, "\n{kind:?} {name} at {minute} undone {undone}:").unwrap();
            for ((person, question), word) in &sheet.rows {
                let mark = if word.mistake { "X" } else { "" };
                write!(story, " {person}{question:?}={}{mark}", word.answer).unwrap();
            }
        }
        story
    }
}

/// The records of sheets.
#[derive(Default)]
struct Kept {
    /// By partner and name.
    of_name: HashMap<(String, String), ReturnId>,
    /// Sheets and people of whom a row was judged again after an undo and waits since.
    asked_again: HashSet<(ReturnId, LegId)>,
}

async fn kept(app: &App) -> Kept {
    let (mut kept, env) = (Kept::default(), app.env());
    let files = env.store.return_files(ReturnId::NONE, 100_000).await;
    let files = files.unwrap();
    let holders = files.iter().map(|file| file.holder).collect();
    let keys = env.holder_keys(holders).await.unwrap();
    for file in files {
        let partner = env.partner_at(file.sender).unwrap();
        let partner = env.rules.partners[partner].id.clone();
        let earlier = EarlierReturn::open(file, &keys).unwrap().unwrap();
        if earlier.frame.of == 0 {
            kept.of_name
                .insert((partner, earlier.name), earlier.file.id);
            continue;
        }
        let rows = env.store.return_rows(earlier.file.id, 0, 1_000).await;
        let held = rows.unwrap().into_iter();
        let held = held.filter(|row| row.disposition == Disposition::Held);
        let of = ReturnId::new(earlier.frame.of);
        kept.asked_again.extend(held.map(|row| (of, row.leg)));
    }
    kept
}

async fn leg_of(app: &App, reference: &str) -> LegId {
    let reference = LegReference::parse(reference).unwrap();
    let legs = app.env().store.legs_by_references(vec![reference]).await;
    legs.unwrap()[0].id
}

/// What a kept event answers, in the partner's words.
fn told(event: &StoredEvent) -> (Question, String) {
    match event.kind {
        EventKind::Attendance => {
            let day = usize::try_from(event.on.unwrap().day()).unwrap() - 18;
            let answer = match event.code.as_str() {
                "attended" => "Y",
                "did-not-attend" => "N",
                _ => "C",
            };
            (Question::Visit(day), answer.to_owned())
        }
        EventKind::Measure => {
            let score = event.answers[0].1.unwrap();
            (Question::Score, score.to_string())
        }
        _ => {
            let answer = if event.code == "completed" {
                "Finished"
            } else {
                "Moved"
            };
            (Question::Ending, answer.to_owned())
        }
    }
}

async fn undoes(app: &App, history: &mut History) {
    let kept = kept(app).await;
    let at = history.draw.below(history.sheets.len());
    let name = history.sheets[at].name.clone();
    let Ok(id) = undo::which(app.env(), &name).await else {
        return;
    };
    // One whose bytes were taken in before has no record of its own: that of the first is undone, whichever of them is named.
    let partner = history.partner.clone();
    let of_record = |sheet: &&mut ModelSheet| {
        let own = (partner.clone(), sheet.name.clone());
        sheet.name == name || kept.of_name.get(&own) == Some(&id)
    };
    let actor = Actor::new("A. Person", "sent by mistake").unwrap();
    undo::undo(app.env(), id, &actor).await.unwrap().unwrap();
    for sheet in history.sheets.iter_mut().filter(of_record) {
        sheet.undone = true;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_again_the_newest_word_stands_or_waits() {
    let seeds = seeds(IN_SUITE);
    let mut installation = Installation::new();
    let partner = |number: usize| format!("p{number}");
    let count = usize::try_from(seeds.end - seeds.start).unwrap();
    (0..count).for_each(|number| installation.partner_telling(&partner(number), TELLS));
    installation.practice("a", count * PEOPLE, |number| partner(number / PEOPLE));
    installation.runs(2, &[Stage::Pull, Stage::Deliver]).await;
    let histories = seeds.clone().enumerate().map(|(number, seed)| {
        let references = installation.references(&partner(number));
        History::new(seed, partner(number), references)
    });
    let mut histories: Vec<History> = histories.collect();
    let app = installation.open(2).await.unwrap();
    let mut failures: BTreeMap<u64, String> = BTreeMap::new();
    for _ in 0..STEPS {
        for history in &mut histories {
            let several = 1 + history.draw.below(2);
            for _ in 0..several {
                match history.next() {
                    Some(sheet) => history.puts(&installation, sheet),
                    None => undoes(&app, history).await,
                }
            }
        }
        let stages = [Stage::Collect, Stage::Match];
        run(app.env(), &stages, &Only::default()).await.unwrap();
        let kept = kept(&app).await;
        for (history, seed) in histories.iter().zip(seeds.clone()) {
            if let Err(failure) = history.check(&app, &kept).await {
                failures
                    .entry(seed)
                    .or_insert_with(|| format!("{failure}{}", history.story()));
            }
        }
    }
    app.close().await;
    assert!(
        failures.is_empty(),
        "{} of {count}: {failures:#?}",
        failures.len()
    );
}
