//! The demo as a whole, twice: it ends as scripted, and says and writes the same.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Every file that a partner or commissioner would open, by its path from home.
fn files(home: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(home.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(home, &name, found);
        } else {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

async fn played(dir: PathBuf) -> (String, bool, BTreeMap<String, Vec<u8>>) {
    let mut page = Vec::new();
    let options = DemoOptions {
        dir: dir.clone(),
        keep_running: false,
    };
    let ended = run(options, &mut page).await.unwrap();
    let mut found = BTreeMap::new();
    files(&dir, "var/partners", &mut found);
    files(&dir, "var/reports", &mut found);
    (String::from_utf8(page).unwrap(), ended, found)
}

#[tokio::test]
async fn the_demo_ends_as_scripted_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, ended, files) = played(folder.path().join("one")).await;
    assert!(ended, "{first}");
    assert!(first.lines().count() <= 120, "{}", first.lines().count());
    let (second, _, again) = played(folder.path().join("two")).await;
    assert_eq!(first, second);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        again.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &files {
        assert!(again.get(name) == Some(bytes), "{name} differs");
    }
}
