//! Limits of the config: what each key takes, and what it sets.

use super::*;

#[test]
fn each_limit_of_what_is_done_is_from_one_to_its_ceiling() {
    let accepts =
        |key: &str, value: u64| load(&format!("{GOOD}[limits]\n{key} = {value}\n")).is_ok();
    limits::holds_at(limits::JSON_DEPTH.most, |n| accepts("json_depth_max", n));
    limits::holds_at(limits::EXPRESSION_CHARACTERS.most, |n| {
        accepts("expression_characters_max", n)
    });
    limits::holds_at(limits::EXPRESSION_STEPS.most, |n| {
        accepts("expression_steps_max", n)
    });
    limits::holds_at(limits::PATTERN_BYTES.most, |n| {
        accepts("pattern_bytes_max", n)
    });
    limits::holds_at(limits::ALL_CALLS_AT_ONCE.most, |n| {
        accepts("calls_at_once_max", n)
    });
    limits::holds_at(limits::RETURN_FILES.most, |n| {
        accepts("return_files_max", n)
    });
    limits::holds_at(limits::HEADER_SEARCH_ROWS.most, |n| {
        accepts("header_search_rows_max", n)
    });
    limits::holds_at(limits::DIAGNOSTICS.most, |n| accepts("diagnostics_max", n));
    limits::holds_at(limits::LOG_LINE_BYTES.most, |n| {
        accepts("log_line_bytes_max", n)
    });
    limits::holds_at(limits::LOCK_WAIT_SECONDS.most, |n| {
        accepts("lock_wait_seconds", n)
    });
    limits::holds_at(limits::STATEMENT_SECONDS.most, |n| {
        accepts("statement_seconds_max", n)
    });
    limits::holds_at(limits::WRITE_AHEAD_BYTES.most, |n| {
        accepts("write_ahead_bytes_max", n)
    });
}

#[test]
fn as_many_problems_of_a_file_are_told_as_the_limit_says_and_the_rest_is_counted() {
    let with = |most: u64| {
        let text = GOOD.replace("namespace", "one = 1\ntwo = 1\nthree = 1\nnamespace");
        let found = load(&format!("{text}[limits]\ndiagnostics_max = {most}\n")).unwrap_err();
        found.into_iter().map(|one| one.code()).collect::<Vec<_>>()
    };
    let unknown = Code::UnknownKey;
    let fatal = with(1);
    assert!(
        fatal.ends_with(&[unknown, Code::MoreDiagnostics]),
        "{fatal:?}"
    );
    assert_eq!(fatal.len(), 2);
    assert_eq!(with(2), [unknown, unknown, Code::MoreDiagnostics]);
    assert_eq!(with(9).iter().filter(|code| **code == unknown).count(), 3);
    assert!(!with(9).contains(&Code::MoreDiagnostics));
}

/// The config with limits of its source.
fn of_source(limits: &str) -> String {
    GOOD.replace(
        "auth = { kind = \"none\" }\n",
        &format!("auth = {{ kind = \"none\" }}\nlimits = {{ {limits} }}\n"),
    )
}

#[test]
fn each_limit_of_a_sources_waits_and_sign_in_is_a_setting_of_its_client() {
    let settings = |limits: &str| {
        let reach = load(&of_source(limits)).unwrap().config.sources[0]
            .reach
            .clone();
        let made = reach
            .limits
            .settings("http://127.0.0.1:1", &Limits::default());
        [
            made.retry_after_max.as_secs(),
            made.sign_in_timeout.as_secs(),
            made.sign_in_bytes_max as u64,
            reach.limits.calls_at_once_max,
        ]
    };
    let usual = [3_600, 10, 65_536, 4];
    assert_eq!(settings("retries_max = 6"), usual);
    let keys = [
        ("retry_after_seconds_max", limits::RETRY_AFTER_SECONDS),
        ("sign_in_timeout_seconds", limits::SIGN_IN_SECONDS),
        ("sign_in_bytes_max", limits::SIGN_IN_BYTES),
        ("calls_at_once_max", limits::CALLS_AT_ONCE),
    ];
    for (place, (key, bound)) in keys.into_iter().enumerate() {
        let mut wanted = usual;
        wanted[place] = 3;
        assert_eq!(settings(&format!("{key} = 3")), wanted, "{key}");
        assert_eq!(bound.usual, usual[place], "{key}");
        assert!(load(&of_source(&format!("{key} = 0"))).is_err(), "{key}");
    }
    let accepts = |key: &str, value: u64| load(&of_source(&format!("{key} = {value}"))).is_ok();
    limits::holds_at(limits::RETRY_AFTER_SECONDS.most, |n| {
        accepts("retry_after_seconds_max", n)
    });
    limits::holds_at(limits::SIGN_IN_SECONDS.most, |n| {
        accepts("sign_in_timeout_seconds", n)
    });
    limits::holds_at(limits::SIGN_IN_BYTES.most, |n| {
        accepts("sign_in_bytes_max", n)
    });
    limits::holds_at(limits::CALLS_AT_ONCE.most, |n| {
        accepts("calls_at_once_max", n)
    });
}
