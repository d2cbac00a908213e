//! Tests of the whole file.

use super::*;

const GOOD: &str = r#"namespace = "https://kith.example/"
[store]
url = "sqlite://var/kith.db"
[seal]
key = { file = "var/seal.key" }
[[source]]
id = "hilltop"
name = "Hilltop Surgery"
ods_code = "ZZ001"
commissioner = "icb"
pull = { kind = "search", base_url = "http://127.0.0.1:8080/fhir/" }
push = { kind = "fhir", volume = "first-and-close" }
auth = { kind = "none" }
safety = [{ name = "Duty lead", email = "duty@example.org" }]
[[transport]]
id = "local"
kind = "folder"
path = "var/partners/{partner}"
[[commissioner]]
id = "icb"
name = "Example ICB"
report = { transport = "local" }
[retain]
person_years = 8
"#;

fn write(file: &Path, text: &str) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(file)
        .unwrap();
    opened.write_all(text.as_bytes()).unwrap();
}

fn load(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("config");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("kith.toml");
    write(&file, text);
    Config::load(&file, &|name| {
        (name == "KITH_KEY").then(|| "swordfish".to_owned())
    })
}

fn problems(text: &str) -> Vec<String> {
    let found = load(text).map_or_else(|found| found, |loaded| loaded.warnings);
    found
        .iter()
        .map(|one| format!("{} {}", one.code().text(), one.place().text()))
        .collect()
}

#[test]
fn a_good_file_is_resolved_against_home() {
    let loaded = load(GOOD).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.namespace, "https://kith.example");
    assert_eq!(config.store, config.home.join("var/kith.db"));
    assert_eq!(config.mappings, config.home.join("mappings"));
    let source = &config.sources[0];
    assert_eq!(
        source.pull,
        Pull::Search {
            base_url: "http://127.0.0.1:8080/fhir".to_owned(),
            reading: Reading::default()
        }
    );
    assert_eq!(
        source.push.to,
        PushTo::Fhir {
            base_url: "http://127.0.0.1:8080/fhir".to_owned()
        }
    );
    assert_eq!(source.restricted_labels, ["R", "V"]);
    assert_eq!(source.intents.len(), 5);
    let local = config.transport("local").unwrap();
    assert_eq!(local.folder("x"), config.home.join("var/partners/x"));
    assert_eq!(config.schedule.deliver.text(), "0 6 * * MON-FRI");
    assert!(
        config
            .describe()
            .contains("hilltop: Hilltop Surgery (ZZ001)")
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = GOOD
        .replace("http://127.0.0.1:8080/fhir/", "http://gp.example/fhir")
        .replace("commissioner = \"icb\"", "commissioner = \"icbb\"")
        .replace(
            "auth = { kind = \"none\" }",
            "auth = { kind = \"smart-backend\", token_url = \"x\" }",
        )
        .replace(
            "[retain]\nperson_years = 8\n",
            "[schedule]\npull = \"0 0 30 2 *\"\ndelivr = \"x\"\n",
        );
    let expected = [
        "CFG-016 config/kith.toml:1:1",
        "CFG-008 config/kith.toml:10:16",
        "CFG-010 config/kith.toml:11:38",
        "CFG-004 config/kith.toml:13:1",
        "CFG-004 config/kith.toml:13:1",
        "CFG-004 config/kith.toml:13:1",
        "CFG-006 config/kith.toml:13:46",
        "CFG-011 config/kith.toml:24:8",
        "CFG-003 config/kith.toml:25:1",
    ];
    assert_eq!(problems(&text), expected);
}

#[test]
fn a_secret_is_found_and_never_printed() {
    let text = GOOD.replace("{ file = \"var/seal.key\" }", "{ env = \"KITH_KEY\" }");
    let config = load(&text).unwrap().config;
    assert_eq!(config.seal_key.env_value(), Some("swordfish"));
    assert!(!format!("{config:?}{}", config.describe()).contains("swordfish"));
    let text = GOOD.replace("{ file = \"var/seal.key\" }", "{ env = \"KITH_NO_KEY\" }");
    assert_eq!(problems(&text), ["CFG-009 config/kith.toml:5:15"]);
}

#[test]
fn strict_safety_turns_the_warning_into_an_error() {
    let text = GOOD.replace(
        "safety = [{ name = \"Duty lead\", email = \"duty@example.org\" }]\n",
        "",
    );
    assert_eq!(problems(&text), ["CFG-012 config/kith.toml:6:1"]);
    assert!(load(&text).is_ok());
    let strict = format!("{text}[safety]\nstrict = true\n");
    assert_eq!(problems(&strict), ["CFG-004 config/kith.toml:6:1"]);
}

#[test]
fn a_config_elsewhere_needs_a_home() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kith.toml");
    write(&file, GOOD);
    let found = Config::load(&file, &|_| None).unwrap_err();
    assert_eq!(found[0].code(), Code::MissingKey);
    write(&file, &format!("home = \"/srv/kith\"\n{GOOD}"));
    let config = Config::load(&file, &|_| None).unwrap().config;
    assert_eq!(config.store, Path::new("/srv/kith/var/kith.db"));
    let missing = Config::load(&folder.path().join("none.toml"), &|_| None).unwrap_err();
    assert_eq!(missing[0].code(), Code::ConfigUnreadable);
}

#[test]
fn a_home_that_others_can_read_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("config")).unwrap();
    std::fs::create_dir(home.path().join("var")).unwrap();
    let file = home.path().join("config/kith.toml");
    write(&file, GOOD);
    let config = Config::load(&file, &|_| None).unwrap().config;
    let mode = |folder: &Path, mode: u32| {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (home_mode, var_mode, problems) in [(0o750, 0o700, 0), (0o755, 0o700, 1), (0o777, 0o750, 2)]
    {
        mode(home.path(), home_mode);
        mode(&home.path().join("var"), var_mode);
        let found = config.check_places();
        assert!(found.iter().all(|one| one.code() == Code::HomeTooOpen));
        assert_eq!(found.len(), problems, "{home_mode:o} {var_mode:o}");
    }
}
