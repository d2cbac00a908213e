//! Every sentence that a receipt can say, on one page: `docs/RECEIPTS.md`. It is plain to somebody with a spreadsheet and no other knowledge of us.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/RECEIPTS.md";
/// Where sentences of receipts are written, beside `mappings/reasons.toml`.
const SOURCES: [&str; 5] = [
    "src/pipeline/event/receipt_form.rs",
    "src/pipeline/matching",
    "src/pipeline/apply",
    "src/pipeline/receive/refused.rs",
    "src/pipeline/receive/unsheetlike.rs",
];
/// Words that mean something to us alone.
const OURS: [&str; 51] = [
    "leg",
    "legs",
    "hold",
    "holds",
    "held",
    "ledger",
    "drop",
    "drops",
    "occurrence",
    "match",
    "matched",
    "disposition",
    "token",
    "strand",
    "event",
    "events",
    "instrument",
    "fhir",
    "servicerequest",
    "observation",
    "patient",
    "bundle",
    "resource",
    "json",
    "toml",
    "encoding",
    "delimiter",
    "identity",
    "schema",
    "config",
    "sealed",
    "queue",
    "push",
    "pull",
    "measure",
    "occasion",
    "baseline",
    "terminal",
    "hash",
    "sha",
    "utc",
    "null",
    "string",
    "parse",
    "field",
    "record",
    "source",
    "leaf",
    "stage",
    "batch",
    "boolean",
];
/// Words of a sentence at most.
const WORDS_MAX: usize = 24;
const GRADE_MAX: f64 = 6.0;

/// What stands in a sentence in the place of what is filled in.
fn filled(text: &str) -> String {
    let samples = [
        ("row", "Row 7"),
        ("line", "7"),
        ("place", "9"),
        ("number", "The number of this receipt is 4711."),
        ("name", "returns.csv"),
        ("names", "\"Attended?\""),
        ("others", "\"Came?\""),
        ("named", "3, 9"),
        ("rows", "12 rows"),
        ("columns", "9 columns"),
        ("parts", "Taken in: 11. Please correct: 1"),
        ("also", "row 9"),
        ("twice", "Attended?"),
        ("heading", "3"),
        ("left", "3"),
        ("list", "Y, N"),
        ("agreed_form", "We agreed on dates like 03/03/2026."),
        ("what", "row"),
        ("count", "12"),
        ("more", ""),
        ("who", "the team that runs Kith: 01632 960001"),
        ("yes", "Yes"),
        ("form", "month/day/year"),
        ("theirs", "Ref"),
        ("ours", "Our ref"),
        ("header", "Attended?"),
        ("program", "a program that wrote each accent as two signs"),
        ("day", "3 March 2026"),
        ("in_word", "3 March 2026"),
        ("example", "03/03/2026"),
        ("written", "3.3.26"),
        ("cell", "7.0"),
        ("score", "7"),
        ("said", "R?ussi"),
        ("typed", "Finished"),
        ("read", "7"),
        ("least", "0"),
        ("most", "10"),
        ("agreed", "We agreed on: Y, N."),
        ("size", "70 KB"),
        ("whole", "70"),
        ("rows_max", "20000"),
        ("columns_max", "400"),
        ("column", "7"),
        ("looks_like", "a PDF"),
        ("answers", "4711"),
        ("word", "Finished"),
        ("all", "We agreed on: Y, N."),
        ("to_do", "save it as CSV. Then send it again"),
    ];
    let mut text = text.to_owned();
    for (name, sample) in samples {
        text = text.replace(&format!("{{{name}}}"), sample);
    }
    text
}

/// The texts in quotes of a source file, tests and comments aside.
fn literals(source: &str) -> Vec<String> {
    let code = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let code = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.map(|line| format!("{line}\n")).collect();
    let (mut texts, mut open, mut escaped) = (Vec::new(), None::<String>, false);
    for sign in code.chars() {
        match (&mut open, sign) {
            (None, '"') => open = Some(String::new()),
            (None, _) => {}
            (Some(text), _) if std::mem::take(&mut escaped) => text.push(sign),
            (Some(_), '\\') => escaped = true,
            (Some(_), '"') => texts.extend(open.take()),
            (Some(text), _) => text.push(sign),
        }
    }
    texts
}

/// Whether a text is words for people: it begins as a sentence does, or goes on as one.
fn is_sentence(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some((_, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        rest = behind.trim_start_matches([':', ',', ' ', '"']);
    }
    let words = rest
        .split_whitespace()
        .filter(|word| word.starts_with(char::is_alphabetic));
    rest.starts_with(char::is_uppercase) && words.count() >= 2 && !text.contains('%')
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources() -> Vec<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        let path = root().join(source);
        if path.is_file() {
            files.push(path);
            continue;
        }
        let inside = fs::read_dir(&path)
            .unwrap()
            .map(|file| file.unwrap().path());
        files.extend(inside.filter(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            name.ends_with(".rs") && !name.ends_with("tests.rs")
        }));
    }
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// What is wrong and what to do, of each reason that a partner can read.
fn reasons() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("mappings/reasons.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let said = table
        .values()
        .filter_map(|line| line.get("partner")?.as_str());
    let split = |said: &str| {
        let (wrong, to_do) = said.split_once(". ").unwrap_or((said, ""));
        (wrong.to_owned(), to_do.to_owned())
    };
    let mut reasons: Vec<(String, String)> = said.map(split).collect();
    reasons.dedup();
    reasons
}

fn page() -> String {
    let mut page = "# What a receipt says\n\nEvery sentence of a partner's receipt, with samples in the places that are filled in. A test writes this page from the sources and fails on words that only we use, on long sentences, and if it reads harder than six years of school.\n\n## What is wrong, and what to do\n\n| What is wrong | What to do |\n| --- | --- |\n".to_owned();
    for (wrong, to_do) in reasons() {
        writeln!(page, "| {wrong} | {to_do} |").unwrap();
    }
    page.push_str("\n## Everything else\n\n");
    let sentences: BTreeSet<String> = sources()
        .iter()
        .flat_map(|source| literals(source))
        .filter(|text| is_sentence(text))
        .map(|text| filled(text.trim()))
        .collect();
    for sentence in sentences {
        writeln!(page, "- {sentence}").unwrap();
    }
    page
}

/// The sentences of the page: what stands between stops.
fn sentences(page: &str) -> Vec<String> {
    let told = page.split_once("| --- | --- |").unwrap().1;
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    let cells = lines.flat_map(|line| line.split('|'));
    let parts = cells.flat_map(|cell| {
        cell.split_inclusive(['.', '?', ':'])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    // A stop within a name or a number ends nothing.
    let mut sentences: Vec<String> = Vec::new();
    let mut open = String::new();
    for part in parts {
        open.push_str(&part);
        sentences.push(std::mem::take(&mut open));
    }
    let words = |text: &String| {
        text.split_whitespace()
            .any(|word| word.contains(char::is_alphabetic))
    };
    sentences.retain(words);
    sentences
}

fn words(sentence: &str) -> Vec<String> {
    let words = sentence.split(|sign: char| !(sign.is_alphanumeric() || sign == '\''));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Syllables of a word, as they are counted for a grade: groups of vowels, a silent e aside.
fn syllables(word: &str) -> usize {
    let is_vowel = |sign: char| "aeiouy".contains(sign);
    let mut count = 0;
    let mut before = false;
    for sign in word.chars() {
        let vowel = is_vowel(sign);
        count += usize::from(vowel && !before);
        before = vowel;
    }
    let silent = (word.ends_with('e') && !word.ends_with("le"))
        || (word.ends_with("ed") && !["ted", "ded", "eed"].iter().any(|end| word.ends_with(end)));
    count.saturating_sub(usize::from(silent)).max(1)
}

/// The grade of Flesch and Kincaid: years of school that a text asks for.
fn grade(sentences: &[String]) -> f64 {
    let all: Vec<String> = sentences
        .iter()
        .flat_map(|sentence| words(sentence))
        .collect();
    let count = |count: usize| f64::from(u32::try_from(count).unwrap());
    let syllables: usize = all.iter().map(|word| syllables(word)).sum();
    0.39 * count(all.len()) / count(sentences.len()) + 11.8 * count(syllables) / count(all.len())
        - 15.59
}

#[test]
fn every_sentence_of_a_receipt_is_plain() {
    let page = page();
    let path = root().join(PAGE);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == written,
        "UPDATE_GOLDEN=1 cargo test --test suite receipt_page writes {PAGE}"
    );
    let sentences = sentences(&page);
    assert!(sentences.len() > 100, "{} sentences", sentences.len());
    let mut wrong = Vec::new();
    for sentence in &sentences {
        let words = words(sentence);
        let ours = words.iter().filter(|word| OURS.contains(&word.as_str()));
        wrong.extend(ours.map(|word| format!("{word}: {sentence}")));
        if words.len() > WORDS_MAX {
            wrong.push(format!("{} words: {sentence}", words.len()));
        }
    }
    let reasons = fs::read_to_string(root().join("mappings/reasons.toml")).unwrap();
    let reasons: toml::Table = reasons.parse().unwrap();
    let codes = reasons
        .keys()
        .filter(|code| code.contains('-') && page.contains(code.as_str()));
    wrong.extend(codes.map(|code| format!("a code: {code}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let grade = grade(&sentences);
    assert!(grade <= GRADE_MAX, "it reads like grade {grade:.1}");
    for agreed in [
        "We agreed on dates like",
        "We agreed on: Y, N.",
        "Use a whole number from 0 to 10.",
    ] {
        assert!(page.contains(agreed), "{agreed}");
    }
}

#[test]
fn the_grade_of_a_text_is_that_of_its_words() {
    assert_eq!(
        ["we", "date", "table", "agreed", "started", "reference"].map(syllables),
        [1, 1, 2, 2, 2, 3]
    );
    let easy = ["We read the date.".to_owned()];
    let hard = ["Notwithstanding inapplicability, administrators retrospectively reconsider authentication.".to_owned()];
    assert!(
        grade(&easy) < 2.0 && grade(&hard) > 20.0,
        "{} {}",
        grade(&easy),
        grade(&hard)
    );
    let code = "// \"Not this one\"\nlet a = \"We read \\\"{cell}\\\" as {number}.\";\n#[cfg(test)]\nmod tests { \"Nor this one\" }";
    assert_eq!(literals(code), ["We read \"{cell}\" as {number}."]);
    assert!(
        is_sentence("{row}: This row is another heading")
            && !is_sentence("{row}: {words}")
            && !is_sentence("grand total")
    );
}
