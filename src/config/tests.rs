//! Tests of the whole file.

use super::*;
use crate::domain::limit_table::LIMIT_KEYS;
use crate::domain::{Limits, limits};

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
fn operations_tables_are_printed_exactly_and_nothing_else_is_promised() {
    let with = |word: &str| {
        let report = "report = { transport = \"local\" }";
        let text = GOOD.replace(report, &format!("{report}\noperations = \"{word}\""));
        problems(&text)
    };
    assert!(with("exact").is_empty());
    assert_eq!(with("rounded"), ["CFG-014 config/kith.toml:23:14"]);
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
    let settings = reach
        .limits
        .settings("http://127.0.0.1:1", &Limits::default());
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
    let accepts = |key: &str, value: u64| {
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
    limits::holds_at(limits::REQUESTS_PER_SECOND_MAX.into(), |n| {
        accepts("requests_per_second", n)
    });
}

#[test]
fn a_config_file_is_no_longer_than_it_may_be() {
    let accepts = |setting: &str, bytes: u64| {
        let text = format!("{GOOD}{setting}");
        let filled = usize::try_from(bytes).unwrap() - text.len();
        load(&format!("#{}\n{text}", "x".repeat(filled - 2)))
    };
    limits::holds_at(limits::CONFIG_BYTES.usual, |bytes| {
        accepts("", bytes).is_ok()
    });
    limits::holds_at(limits::CONFIG_BYTES.most, |bytes| {
        let most = format!(
            "[limits]\nconfig_bytes_max = {}\n",
            limits::CONFIG_BYTES.most
        );
        accepts(&most, bytes).is_ok()
    });
    let found = accepts("", limits::CONFIG_BYTES.usual + 1).unwrap_err();
    let raise =
        "raise [limits] config_bytes_max (bytes of the config file) in the config, to 4194304";
    assert!(found[0].render().contains(raise), "{}", found[0].render());
}

#[test]
fn each_limit_of_the_section_is_from_one_to_its_ceiling_and_a_misspelt_one_is_named() {
    let with = |line: &str| format!("{GOOD}[limits]\n{line}\n");
    let accepts = |key: &str, value: u64| load(&with(&format!("{key} = {value}"))).is_ok();
    for limit in LIMIT_KEYS {
        limits::holds_at(limit.bound.most, |value| accepts(limit.key, value));
        assert!(
            accepts(limit.key, 4096.min(limit.bound.most)),
            "{}",
            limit.key
        );
        let problem = &load(&with(&format!("{} = 0", limit.key))).unwrap_err()[0];
        let (key, most) = (limit.key, limit.bound.most);
        let said = format!("{key} must be a number from 1 to {most}");
        assert!(problem.render().contains(&said), "{}", problem.render());
        let place = "config/kith.toml:26:";
        assert!(problem.place().text().starts_with(place), "{key}");
        let mut other = Limits::of(|known| {
            if known.key == key {
                4096.min(most)
            } else {
                known.bound.usual
            }
        });
        let config = load(&with(&format!("{key} = {}", 4096.min(most))))
            .unwrap()
            .config;
        assert_eq!(config.limits, other, "{key}");
        other = Limits::default();
        assert_eq!(load(GOOD).unwrap().config.limits, other);
    }
    limits::holds_at(limits::RESOURCE_BYTES.most, |n| {
        accepts("resource_bytes_max", n)
    });
    limits::holds_at(limits::BULK_FILE_BYTES.most, |n| {
        accepts("bulk_file_bytes_max", n)
    });
    limits::holds_at(limits::UNPACKED_RATIO.most, |n| {
        accepts("unpacked_ratio_max", n)
    });
    limits::holds_at(limits::RETURN_BYTES.most, |n| {
        accepts("return_bytes_max", n)
    });
    limits::holds_at(limits::RETURN_ROWS.most, |n| accepts("return_rows_max", n));
    limits::holds_at(limits::RETURN_EVENTS.most, |n| {
        accepts("return_events_max", n)
    });
    limits::holds_at(limits::RETURN_COLUMNS.most, |n| {
        accepts("return_columns_max", n)
    });
    limits::holds_at(limits::CELL_CHARACTERS.most, |n| {
        accepts("cell_characters_max", n)
    });
    limits::holds_at(limits::HEADER_CHARACTERS.most, |n| {
        accepts("header_characters_max", n)
    });
    limits::holds_at(limits::DROP_COLUMNS.most, |n| {
        accepts("drop_columns_max", n)
    });
    limits::holds_at(limits::DROP_ROWS.most, |n| accepts("drop_rows_max", n));
    limits::holds_at(limits::MAPPING_BYTES.most, |n| {
        accepts("mapping_bytes_max", n)
    });
    let problem = &load(&with("return_row_max = 5")).unwrap_err()[0];
    assert_eq!(problem.code(), Code::UnknownKey);
    assert!(
        problem
            .render()
            .contains("did you mean \"return_rows_max\"?"),
        "{}",
        problem.render()
    );
}

#[test]
fn each_limit_of_a_source_is_a_setting_of_its_client() {
    let settings = |limits: &str| {
        let text = GOOD.replace(
            "auth = { kind = \"none\" }\n",
            &format!("auth = {{ kind = \"none\" }}\nlimits = {{ {limits} }}\n"),
        );
        let reach = load(&text).unwrap().config.sources[0].reach.clone();
        let made = reach
            .limits
            .settings("http://127.0.0.1:1", &Limits::default());
        let seconds = [made.connect_timeout, made.read_timeout, made.total_timeout];
        let seconds = seconds.map(|timeout| timeout.as_secs());
        let counts = [made.page_bytes_max, made.pages_max, made.entries_max];
        (
            reach.limits.requests_per_second,
            seconds,
            made.retries_max,
            counts,
        )
    };
    let usual = (None, [10, 30, 120], 6, [16 << 20, 1_000, 2_000]);
    assert_eq!(settings("retries_max = 6"), usual);
    let (rate, [connect, read, call], retries, [bytes, pages, entries]) = usual;
    for (key, expected) in [
        (
            "requests_per_second = 7",
            (
                Some(7),
                [connect, read, call],
                retries,
                [bytes, pages, entries],
            ),
        ),
        (
            "connect_timeout_seconds = 7",
            (rate, [7, read, call], retries, [bytes, pages, entries]),
        ),
        (
            "read_timeout_seconds = 7",
            (rate, [connect, 7, call], retries, [bytes, pages, entries]),
        ),
        (
            "timeout_seconds = 7",
            (rate, [connect, read, 7], retries, [bytes, pages, entries]),
        ),
        (
            "retries_max = 0",
            (rate, [connect, read, call], 0, [bytes, pages, entries]),
        ),
        (
            "response_bytes_max = 65536",
            (
                rate,
                [connect, read, call],
                retries,
                [65_536, pages, entries],
            ),
        ),
        (
            "pages_max = 7",
            (rate, [connect, read, call], retries, [bytes, 7, entries]),
        ),
        (
            "page_resources_max = 7",
            (rate, [connect, read, call], retries, [bytes, pages, 7]),
        ),
    ] {
        assert_eq!(settings(key), expected, "{key}");
    }
}

/// A number as the manual writes it: `20 MiB`, `50,000`.
fn written(key: &str, number: u64) -> String {
    for (unit, bytes) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if key.contains("bytes") && number.is_multiple_of(bytes) {
            return format!("{} {unit}", number / bytes);
        }
    }
    let digits = number.to_string();
    let groups: Vec<String> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join(",")
}

#[test]
fn the_manual_has_each_limit_with_what_is_usual_and_its_ceiling() {
    let manual = include_str!("../../docs/OPERATING.md");
    let (_, section) = manual.split_once("## Limits\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = LIMIT_KEYS
        .iter()
        .map(|limit| {
            let [usual, most] =
                [limit.bound.usual, limit.bound.most].map(|number| written(limit.key, number));
            format!(
                "| `{}` | {} | {usual} | {most} |",
                limit.key,
                limit.says.trim()
            )
        })
        .collect();
    assert_eq!(rows, expected, "docs/OPERATING.md");
}

#[path = "limit_tests.rs"]
mod limit_tests;
