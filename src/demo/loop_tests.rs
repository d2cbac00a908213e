//! The demo as a whole, twice: it ends as scripted, and says and writes the same.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

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
        whole: true,
        dir: dir.clone(),
        keep_running: false,
    };
    let ended = run(options, &mut page).await.unwrap();
    let mut found = BTreeMap::new();
    files(&dir, "var/partners", &mut found);
    files(&dir, "var/reports", &mut found);
    (String::from_utf8(page).unwrap(), ended, found)
}

/// Whoever is sent on is known to the group by the GP's referral: nothing of the link workers' sheet, nothing not agreed.
fn only_what_is_agreed_goes_on(home: &Path) {
    let gym = clients(&home.join("var/partners/green-gym/out")).unwrap();
    let linked = clients(&home.join("var/partners/hilltop-link/out")).unwrap();
    let sent_on = gym.last().unwrap();
    let name = format!(
        "{} {}",
        sent_on.cell("Given names"),
        sent_on.cell("Family name")
    );
    let known = linked
        .iter()
        .find(|client| client.cell("Person").ends_with(&name))
        .unwrap();
    for (theirs, ours) in [
        ("Mobile", "Telephone"),
        ("Practice", "From"),
        ("Note", "Background"),
    ] {
        assert_eq!(sent_on.cell(theirs), known.cell(ours), "{theirs}");
    }
    let day = Date::strptime("%d.%m.%Y", known.cell("Date")).unwrap();
    assert_eq!(sent_on.cell("Referred"), day.to_string());
    let row = format!("{sent_on:?}");
    for private in ["Case", "NHS number", "Born", "Address", "Why"] {
        assert!(!row.contains(known.cell(private)), "{private}");
    }
    for told in ["Taken on", "20.11.2026", "2026-11-20", "Green Gym"] {
        assert!(!row.contains(told), "{told}");
    }
}

#[tokio::test]
async fn the_demo_ends_as_scripted_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, ended, files) = played(folder.path().join("one")).await;
    assert!(ended, "{first}");
    only_what_is_agreed_goes_on(&folder.path().join("one"));
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
