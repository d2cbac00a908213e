//! Returns as they are kept: the bytes as they came, whatever they are, and rows as cells, however their file was written.

use super::batch_tests::Installation;
use crate::domain::{ReturnId, Stage};
use crate::pipeline::event::bytes_spot;
use crate::store::rows::ReturnRow;

const HEADER: [&str; 4] = ["Our ref", "C2", "Visit date", "Came"];

/// What a partner's spreadsheet saves: these cells between these, each line ended so.
fn saved(start: &[u8], between: &str, end: &str, cells: [&str; 4]) -> Vec<u8> {
    let lines = [HEADER, cells].map(|cells| cells.join(between) + end);
    [start, lines.concat().as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_return_is_kept_byte_for_byte_and_its_rows_as_cells() {
    let mut installation = Installation::new();
    installation.returning_partner("p");
    installation.practice("a", 1, |_| "p".to_owned());
    let out = [Stage::Pull, Stage::Deliver];
    installation.runs(1, &out).await;
    let reference = installation.first_reference("p");
    let cells = [&reference, "Example", "21/11/2026", "Y"];
    let sheets = [
        saved(b"\xEF\xBB\xBF", ",", "\r\n", cells),
        saved(b"sep=;\r\n", ";", "\n", cells),
        saved(b"", "\t", "\r", cells),
    ];
    let unreadable: [&[u8]; 3] = [b"%PDF-1.7 no sheet", b"Our ref\nZo\xEB, Zo\xC3", b"\"open"];
    let mut files: Vec<Vec<u8>> = sheets.to_vec();
    files.extend(unreadable.map(<[u8]>::to_vec));
    for (number, bytes) in files.iter().enumerate() {
        let file = installation.exchange().join(format!("p/in/{number}.csv"));
        std::fs::write(file, bytes).unwrap();
    }
    installation.runs(1, &[Stage::Collect, Stage::Match]).await;
    let app = installation.open(1).await.unwrap();
    let env = app.env();
    let mut kept = Vec::new();
    let mut rows: Vec<ReturnRow> = Vec::new();
    let taken = env.store.return_files(ReturnId::NONE, 10).await.unwrap();
    for file in taken {
        let keys = env.holder_keys(vec![file.holder]).await.unwrap();
        let sealed = env.store.return_bytes(file.id).await.unwrap().unwrap();
        assert!(!contains(&sealed, reference.as_bytes()));
        let spot = bytes_spot(file.id, file.holder);
        kept.push(keys[&file.holder].open(spot, &sealed).unwrap());
        rows.extend(env.store.return_rows(file.id, 0, 10).await.unwrap());
    }
    app.close().await;
    kept.sort();
    files.sort();
    assert_eq!(kept, files);
    assert_eq!(rows.len(), sheets.len());
    // The second line in each, as Excel numbers them: the same cells, the same digest under the person's key.
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.leg, row.holder, row.digest))
        .collect();
    assert!(seen[0].0.is_some());
    assert_eq!(seen, vec![seen[0]; sheets.len()]);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
