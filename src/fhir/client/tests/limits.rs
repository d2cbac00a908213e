//! Waits, sign-in and calls at once: just within each limit, and just beyond.

use super::*;
use crate::domain::limits::{
    self, ALL_CALLS_AT_ONCE, CALLS_AT_ONCE, JSON_DEPTH, RETRY_AFTER_SECONDS, SIGN_IN_BYTES,
};

fn client_within(served: &Served, access: Access, change: impl FnOnce(&mut Settings)) -> Client {
    let stream = Entropy::from_seed([3; 32]).stream(0);
    let session = SourceSession::new(access, Counting::new(), stream);
    let mut settings = Settings::new(format!("{}/fhir", served.origin));
    change(&mut settings);
    Client::within(&Arc::new(session), settings).unwrap()
}

/// Tries a bound and one more, as `limits::holds_at` does, on calls that are waited for.
async fn holds_at(bound: u64, mut passes: impl AsyncFnMut(u64) -> bool) {
    assert!(passes(bound).await, "{bound} is within the bound");
    assert!(
        !passes(bound + 1).await,
        "{} is beyond the bound",
        bound + 1
    );
}

#[tokio::test]
async fn a_server_that_asks_for_a_longer_wait_than_the_limit_is_left_for_the_next_run() {
    for seconds_max in [7, RETRY_AFTER_SECONDS.usual, RETRY_AFTER_SECONDS.most] {
        holds_at(seconds_max, async |seconds| {
            let asked = AtomicU64::new(0);
            let served = Served::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => answer(429, &format!("retry-after: {seconds}\r\n"), ""),
                _ => answer(200, "", "{}"),
            });
            let client = client_within(&served, Access::open(), |settings| {
                settings.retry_after_max = Duration::from_secs(seconds_max);
                settings.total_timeout = Duration::from_secs(200_000);
            });
            client.get("Patient/1").await.is_ok()
        })
        .await;
    }
    limits::holds_at(RETRY_AFTER_SECONDS.most, |seconds| seconds <= 24 * 3_600);
}

#[tokio::test]
async fn what_a_token_server_says_is_no_longer_than_the_limit() {
    for bytes_max in [200, SIGN_IN_BYTES.usual, SIGN_IN_BYTES.most] {
        holds_at(bytes_max, async |bytes| {
            let bytes = usize::try_from(bytes).unwrap();
            let served = Served::start(move |_, _| {
                let text = r#"{"token_endpoint":""}"#;
                answer(200, "", format!("{text}{}", " ".repeat(bytes - text.len())))
            });
            let client = client_within(&served, smart(None), |settings| {
                settings.sign_in_bytes_max = usize::try_from(bytes_max).unwrap();
            });
            let error = client.sign_in().await.unwrap_err();
            !matches!(error, ClientError::TooLarge { .. })
        })
        .await;
    }
    limits::holds_at(SIGN_IN_BYTES.most, |bytes| bytes <= 1 << 20);
}

#[tokio::test]
async fn a_token_server_is_waited_for_as_long_as_the_limit_says() {
    // The token server takes so many milliseconds.
    let signs_in = async |takes: u64, seconds: u64| {
        let served = Served::start(move |origin, asked| {
            if asked.line == TOKEN {
                std::thread::sleep(Duration::from_millis(takes));
            }
            let granted = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60, "scope": SCOPE, "token_endpoint": format!("{origin}/token")});
            body_of(200, &granted)
        });
        let access = smart(Some(format!("{}/token", served.origin)));
        let client = client_within(&served, access, |settings| {
            settings.sign_in_timeout = Duration::from_secs(seconds);
            settings.retries_max = 0;
        });
        client.sign_in().await.map(drop)
    };
    assert_eq!(signs_in(700, 1).await, Ok(()));
    let error = signs_in(1_300, 1).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(signs_in(1_300, 2).await, Ok(()));
}

#[tokio::test]
async fn as_many_calls_are_under_way_as_the_limits_say() {
    let session = |own: usize, all: usize| {
        let access = Access {
            calls_at_once_max: own,
            all_calls: Arc::new(tokio::sync::Semaphore::new(all)),
            ..Access::open()
        };
        let stream = Entropy::from_seed([3; 32]).stream(0);
        SourceSession::new(access, Counting::new(), stream)
    };
    for (own, all) in [
        (1, ALL_CALLS_AT_ONCE.usual),
        (CALLS_AT_ONCE.usual, ALL_CALLS_AT_ONCE.usual),
        (CALLS_AT_ONCE.most, ALL_CALLS_AT_ONCE.most),
        (ALL_CALLS_AT_ONCE.most + 9, ALL_CALLS_AT_ONCE.most),
    ] {
        let [own, all] = [own, all].map(|calls| usize::try_from(calls).unwrap());
        let session = session(own, all);
        let mut under_way = Vec::new();
        for _ in 0..own.min(all) {
            under_way.push(session.begin_call().await);
        }
        let soon = Duration::from_millis(20);
        let one_more = tokio::time::timeout(soon, session.begin_call()).await;
        assert!(one_more.is_err(), "{own} of {all}");
        drop(under_way.pop());
        let next = tokio::time::timeout(soon, session.begin_call()).await;
        assert!(next.is_ok(), "{own} of {all}");
    }
}

#[tokio::test]
async fn an_answer_nests_as_deep_as_the_limit_says() {
    for depth_max in [3, JSON_DEPTH.usual, JSON_DEPTH.most] {
        holds_at(depth_max, async |depth| {
            let lists = usize::try_from(depth).unwrap() - 1;
            let body = format!("{{\"a\":{}1{}}}", "[".repeat(lists), "]".repeat(lists));
            let served = Served::start(move |_, _| answer(200, "", &body));
            let client = client_within(&served, Access::open(), |settings| {
                settings.limits.json_depth_max = usize::try_from(depth_max).unwrap();
            });
            let read = client.get("Patient/1").await;
            if let Err(error) = &read {
                assert!(matches!(error, ClientError::TooDeep { .. }), "{error}");
                let raise = error.how_to_raise().unwrap_or_default();
                assert!(raise.contains("[limits] json_depth_max"), "{raise}");
            }
            read.is_ok()
        })
        .await;
    }
}
