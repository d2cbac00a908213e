//! `tests/keys.csv` has each key of the config that is read or refused, and no other.

use std::collections::BTreeSet;

use super::Config;
use crate::domain::limit_table::LIMIT_KEYS;
use crate::toml_reader::watch;

const LIST: &str = include_str!("../../tests/keys.csv");
/// How the list marks a key that is refused wherever it stands.
const REFUSED: &str = "refused";
/// Every table there is, once.
const WHOLE: &str = r#"namespace = "https://kith.example"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[schedule]
[routing]
[safety]
[retain]
[console]
[contact]
[limits]
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[[commissioner]]
id = "icb"
name = "Example ICB"
report = { transport = "local" }
"#;
const SOURCE: &str = r#"[[source]]
id = "a"
name = "Example Surgery"
ods_code = "ZZ001"
commissioner = "icb"
safety = [{ name = "Duty lead", phone = "01632 960000" }]
routing = { unnamed = "hold" }
limits = { retries_max = 1 }
headers = { "X-A" = "b" }
intents = ["order"]
restricted_labels = ["R"]
codes = ["1"]
"#;
const PULLS: [&str; 3] = [
    r#"{ kind = "search", base_url = "https://gp.example/fhir" }"#,
    r#"{ kind = "bulk", base_url = "https://gp.example/fhir" }"#,
    r#"{ kind = "folder", path = "a" }"#,
];
const PUSHES: [&str; 3] = [
    r#"{ kind = "fhir", base_url = "https://gp.example/fhir" }"#,
    r#"{ kind = "folder", path = "b" }"#,
    r#"{ kind = "off" }"#,
];
const AUTHS: [&str; 6] = [
    r#"{ kind = "none", mtls = { cert = { file = "c" }, key = { file = "k" }, ca = { file = "a" } } }"#,
    r#"{ kind = "bearer", token = { file = "t" } }"#,
    r#"{ kind = "basic", user = "u", password = { file = "p" } }"#,
    r#"{ kind = "api-key", key = { file = "k" } }"#,
    r#"{ kind = "smart-backend", client_id = "c", key = { file = "k" }, scopes = ["s"] }"#,
    r#"{ kind = "nhs-apim", api_key = { file = "a" }, key = { file = "k" }, token_url = "https://gp.example/t" }"#,
];

fn load(text: &str) -> Result<super::Loaded, Vec<crate::diagnostics::Diagnostic>> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config/kith.toml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    Config::load(&file, &|_| None)
}

fn config(pull: &str, push: &str, auth: &str) -> String {
    format!("{WHOLE}{SOURCE}pull = {pull}\npush = {push}\nauth = {auth}\n")
}

/// The rows of the list that are about the config, each table and key with what shows it and what it waits for.
fn listed() -> Vec<[String; 4]> {
    let sheet = crate::sheet::read(LIST.as_bytes(), &crate::sheet::ReadLimits::default());
    let sheet = sheet.unwrap();
    let ours = sheet.rows().filter(|row| row.cell(0) == "config");
    ours.map(|row| [1, 2, 3, 4].map(|column| row.cell(column).to_owned()))
        .collect()
}

/// A secret says `env` or `file` wherever it stands.
fn table_of(table: &str, key: &str) -> String {
    let secret = ["env", "file"].contains(&key);
    if secret { "a secret" } else { table }.to_owned()
}

#[test]
fn the_list_has_each_key_of_the_config_and_no_other() {
    let (mut read, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut watch = |text: &str| {
        let (asked, not_yet) = watch::keys_and_refused(|| {
            let loaded = load(text);
            assert!(loaded.is_ok(), "{:?}", loaded.err());
        });
        let named = |keys: BTreeSet<(String, String)>| {
            keys.into_iter()
                .map(|(table, key)| (table_of(&table, &key), key))
        };
        read.extend(named(asked));
        refused.extend(named(not_yet));
    };
    for (pull, push) in PULLS.iter().zip(PUSHES) {
        watch(&config(pull, push, AUTHS[0]));
    }
    for auth in AUTHS {
        watch(&config(PULLS[0], PUSHES[0], auth));
    }
    let of = |wanted: bool| -> BTreeSet<(String, String)> {
        let rows = listed().into_iter();
        rows.filter(|[_, _, shown_by, _]| (shown_by == REFUSED) == wanted)
            .map(|[table, key, ..]| (table, key))
            .collect()
    };
    let lacking: Vec<_> = read.difference(&of(false)).cloned().collect();
    let unknown: Vec<_> = of(false).difference(&read).cloned().collect();
    assert!(
        lacking.is_empty() && unknown.is_empty(),
        "tests/keys.csv lacks {lacking:?}; the config has no {unknown:?}"
    );
    assert_eq!(of(true), refused, "the keys that are refused");
    assert!(
        LIMIT_KEYS
            .iter()
            .all(|limit| read.contains(&("limits".to_owned(), limit.key.to_owned())))
    );
}

#[test]
fn only_three_keys_wait_for_their_effect() {
    let waiting: Vec<String> = listed()
        .into_iter()
        .filter(|[_, key, _, waits_for]| {
            !waits_for.is_empty() && !["retain", "console"].contains(&key.as_str())
        })
        .map(|[table, key, ..]| format!("{table} {key}"))
        .collect();
    assert_eq!(
        waiting,
        ["retain person_years", "console listen", "source safety"]
    );
}

#[test]
fn each_key_without_an_effect_is_refused_where_it_stands() {
    for [table, key, shown_by, _] in listed() {
        if shown_by != REFUSED {
            continue;
        }
        let whole = config(PULLS[0], PUSHES[0], AUTHS[0]);
        let last = table.rsplit('.').next().unwrap_or_default();
        let places = [
            (format!("[{table}]\n"), format!("[{table}]\n{key} = 1\n")),
            (
                format!("[[{table}]]\n"),
                format!("[[{table}]]\n{key} = 1\n"),
            ),
            (format!("{last} = {{"), format!("{last} = {{ {key} = 1,")),
        ];
        let (from, to) = places
            .iter()
            .find(|(from, _)| whole.contains(from))
            .unwrap();
        let found = load(&whole.replacen(from, to, 1)).unwrap_err();
        let fatal: Vec<_> = found.iter().filter(|one| one.fatal()).collect();
        assert_eq!(fatal.len(), 1, "{table} {key}: {fatal:?}");
        let shown = fatal[0].render();
        let said = format!("{key} in [{table}]: this version does not have it");
        assert!(
            shown.contains("CFG-014") && shown.contains(&said),
            "{shown}"
        );
    }
}
