//! Tests of the whole file.

use super::*;
use crate::domain::limits;

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
            "auth = { kind = \"smart-backand\" }",
        )
        .replace(
            "[retain]\nperson_years = 8\n",
            "[schedule]\npull = \"0 0 30 2 *\"\ndelivr = \"x\"\n",
        );
    let expected = [
        "CFG-016 config/kith.toml:1:1",
        "CFG-008 config/kith.toml:10:16",
        "CFG-010 config/kith.toml:11:38",
        "CFG-006 config/kith.toml:13:17",
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

#[test]
fn sign_in_is_read_with_its_secrets_where_they_live() {
    let with = |auth: &str| GOOD.replace("auth = { kind = \"none\" }", auth);
    let smart = r#"auth = { kind = "smart-backend", client_id = "kith", key = { file = "var/gp.pem" }, kid = "k1", scopes = ["system/Patient.rs"], token_url = "http://127.0.0.1:1/t" }
headers = { "X-Request-ID" = "{uuid}", "NHSD-End-User-Organisation" = 'base64json({"value":"{ods}"})' }
limits = { requests_per_second = 10, read_timeout_seconds = 5 }"#;
    let config = load(&with(smart)).unwrap().config;
    let reach = &config.sources[0].reach;
    let Auth::SmartBackend {
        signing, scopes, ..
    } = &reach.auth
    else {
        panic!("smart-backend");
    };
    let place = SecretPlace::File(config.home.join("var/gp.pem"));
    assert_eq!((signing.key.secret.place(), scopes.len()), (&place, 1));
    assert_eq!(reach.headers.len(), 2);
    assert_eq!(reach.limits.requests_per_second, Some(10));
    let settings = reach.limits.settings("http://127.0.0.1:1");
    assert_eq!(settings.read_timeout.as_secs(), 5);
    let bearer = "auth = { kind = \"bearer\", token = { env = \"KITH_KEY\" }, mtls = { ca = { file = \"ca.pem\" } } }";
    let config = load(&with(bearer)).unwrap().config;
    let shown = format!("{config:?}{}", config.describe());
    assert!(shown.contains("bearer { env = \"KITH_KEY\" }") && !shown.contains("swordfish"));
    for (auth, expected) in [
        (
            "auth = { kind = \"bearer\", token = \"swordfish\" }",
            "CFG-005 config/kith.toml:13:27",
        ),
        (
            "auth = { kind = \"basic\", user = \"a\" }",
            "CFG-004 config/kith.toml:13:1",
        ),
        (
            "auth = { kind = \"none\", tokn = 1 }",
            "CFG-003 config/kith.toml:13:25",
        ),
        (
            "auth = { kind = \"none\", mtls = { cert = { file = \"c\" } } }",
            "CFG-004 config/kith.toml:13:25",
        ),
        (
            "headers = { Authorization = \"x\" }",
            "CFG-006 config/kith.toml:13:29",
        ),
        (
            "headers = { X = \"{uid}\" }",
            "CFG-006 config/kith.toml:13:17",
        ),
        (
            "limits = { timeout_seconds = 901 }",
            "CFG-006 config/kith.toml:13:30",
        ),
        ("limits = { rate = 1 }", "CFG-003 config/kith.toml:13:12"),
    ] {
        assert_eq!(problems(&with(auth)), [expected], "{auth}");
    }
    let token_url = smart.replace("http://127.0.0.1:1/t", "http://gp.example/t");
    assert_eq!(
        problems(&with(&token_url))[0].split(' ').next(),
        Some("CFG-010")
    );
}

#[test]
fn a_secret_file_is_closed_to_others_or_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let secret = Secret::at(SecretPlace::File(file.clone()));
    let read = |secret: &Secret| secret.read().map(|bytes| bytes.to_vec());
    assert_eq!(read(&secret), Err(SecretError::Missing));
    write(&file, "swordfish\n");
    let mode =
        |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    assert_eq!(read(&secret), Err(SecretError::TooOpen(0o640)));
    assert!(secret.read_public().is_ok());
    mode(0o600);
    assert_eq!(read(&secret).as_deref(), Ok(&b"swordfish\n"[..]));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(
        read(&Secret::at(SecretPlace::File(link))),
        Err(SecretError::NotAFile)
    );
    let folder = Secret::at(SecretPlace::File(folder.path().to_path_buf()));
    assert_eq!(read(&folder), Err(SecretError::NotAFile));
    write(&file, "");
    assert_eq!(read(&secret), Err(SecretError::Size));
}

#[test]
fn limits_of_a_source_are_no_more_than_they_may_be() {
    let accepts = |key: &str, value: u32| {
        let limit = format!(
            "{}\nlimits = {{ {key} = {value} }}\n",
            "auth = { kind = \"none\" }"
        );
        load(&GOOD.replace("auth = { kind = \"none\" }\n", &limit)).is_ok()
    };
    limits::holds_at(limits::CONNECT_SECONDS.most, |n| {
        accepts("connect_timeout_seconds", n)
    });
    limits::holds_at(limits::READ_SECONDS.most, |n| {
        accepts("read_timeout_seconds", n)
    });
    limits::holds_at(limits::CALL_SECONDS.most, |n| accepts("timeout_seconds", n));
    limits::holds_at(limits::ANSWER_BYTES.most, |n| {
        accepts("response_bytes_max", n)
    });
    limits::holds_at(limits::RETRIES.most, |n| accepts("retries_max", n));
    limits::holds_at(limits::PAGES.most, |n| accepts("pages_max", n));
    limits::holds_at(limits::PAGE_ENTRIES.most, |n| {
        accepts("page_resources_max", n)
    });
    limits::holds_at(limits::REQUESTS_PER_SECOND_MAX, |n| {
        accepts("requests_per_second", n)
    });
}

#[test]
fn a_config_file_is_no_longer_than_it_may_be() {
    limits::holds_at(limits::CONFIG_BYTES_MAX, |bytes| {
        let filled = usize::try_from(bytes).unwrap() - GOOD.len();
        load(&format!("#{}\n{GOOD}", "x".repeat(filled - 2))).is_ok()
    });
}
