//! How fast a return is judged: from its bytes to what its rows tell, with the delivered rows in memory.
//!
//! The suite judges a small return of each style. `tests/bench_judge.sh` names a folder and a number of rows: each return is then left there for others to
//! read, judged several times, and measured.

use std::path::PathBuf;
use std::time::Instant;

use super::draw::Draw;
use super::sheets::{self, Ends};
use super::{judged, layouts, people};
use crate::domain::Disposition;

const ROWS_IN_SUITE: usize = 200;

#[test]
fn each_row_of_a_large_return_is_taken_in() {
    let told = |name: &str| std::env::var(name).ok();
    let number = |name: &str, usual| {
        let told = told(name).map(|text| text.parse().expect("a number"));
        told.unwrap_or(usual)
    };
    let folder = told("KITH_BENCH_JUDGE").map(PathBuf::from);
    let rows_wanted: usize = number("KITH_BENCH_ROWS", ROWS_IN_SUITE);
    let turns: usize = number("KITH_BENCH_TURNS", 1);
    let mut measures = Vec::new();
    for (style, name) in ["comma", "semicolon", "tab"].into_iter().enumerate() {
        let draw = &mut Draw::of(1, 2);
        let layout = layouts::layout(style, draw);
        let people = people::people(draw, rows_wanted);
        let legs = people::delivered(&layout, &people);
        let rows = sheets::rows(draw, &layout, &people, (true, false));
        let lines = sheets::lines(&layout, &people, &rows);
        let bytes = sheets::bytes(&layout, &lines, Ends::Full);
        drop(lines);
        let file = format!("{name}.csv");
        if let Some(folder) = &folder {
            std::fs::write(folder.join(&file), &bytes).expect("a folder to write into");
        }
        let mut seconds: Vec<f64> = Vec::new();
        for _ in 0..turns {
            let start = Instant::now();
            let found = judged(&layout, &legs, &bytes).expect("a clean sheet is read");
            seconds.push(start.elapsed().as_secs_f64());
            let taken_in = found.rows.iter();
            let taken_in = taken_in.filter(|row| row.disposition == Disposition::Accepted);
            assert_eq!(taken_in.count(), rows_wanted, "{name}");
        }
        measures.push(serde_json::json!({
            "file": file,
            "delimiter": layout.style.delimiter,
            "utf_8": layout.style.encoding != crate::sheet::TextEncoding::Windows1252,
            "bytes": bytes.len(),
            "rows": rows_wanted,
            "seconds": seconds,
        }));
    }
    if let Some(folder) = &folder {
        let text = serde_json::to_string(&measures).expect("plain numbers");
        std::fs::write(folder.join("judged.json"), text).expect("a folder to write into");
    }
}
