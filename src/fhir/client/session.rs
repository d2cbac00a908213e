//! What the clients of one source share during a run: credentials and token, headers, TLS, pace, time and randomness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Request;
use reqwest::header::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::header_templates::{Filling, Template};
use super::rate_limit::Pace;
use super::timer::Timer;
use super::tls::Tls;
use crate::domain::entropy::Stream;
use crate::fhir::auth::Credentials;
use crate::fhir::client::ClientError;

/// What a session is made of.
pub(crate) struct Access {
    pub(crate) credentials: Credentials,
    pub(crate) headers: Vec<Template>,
    pub(crate) tls: Tls,
    pub(crate) requests_per_second: Option<u32>,
    /// Calls to this source under way at once.
    pub(crate) calls_at_once_max: usize,
    /// Turns of calls to all sources.
    pub(crate) all_calls: Arc<Semaphore>,
}

impl Access {
    /// Of a server that asks for nothing.
    #[cfg(test)]
    pub(crate) fn open() -> Self {
        Self {
            credentials: Credentials::None,
            headers: Vec::new(),
            tls: Tls::default(),
            requests_per_second: None,
            calls_at_once_max: 4,
            all_calls: Arc::new(Semaphore::new(32)),
        }
    }
}

/// One source's session.
pub(crate) struct SourceSession {
    pub(super) credentials: Credentials,
    pub(super) tls: Tls,
    pub(super) timer: Arc<dyn Timer>,
    headers: Vec<Template>,
    pace: Pace,
    own_calls: Semaphore,
    all_calls: Arc<Semaphore>,
    stream: Mutex<Stream>,
    run: Uuid,
    /// By the address that a token is asked of; held while one is asked for, so that the others wait for it.
    pub(super) tokens: tokio::sync::Mutex<BTreeMap<String, Slot>>,
}

/// The token of an address.
#[derive(Default)]
pub(super) struct Slot {
    /// What discovery gave.
    pub(super) url: Option<String>,
    pub(super) token: Option<AccessToken>,
    /// A refusal, and until when nobody asks again: a wrong key tried for every page would lock the client out.
    pub(super) refused: Option<(ClientError, Duration)>,
    /// Tokens had so far.
    pub(super) number: u64,
}

/// A token in use.
#[derive(Clone)]
pub(super) struct AccessToken {
    pub(super) number: u64,
    pub(super) header: HeaderValue,
    /// By the timer.
    pub(super) renewed_at: Duration,
}

impl SourceSession {
    /// Begins a session; nothing is asked yet.
    pub(crate) fn new(access: Access, timer: Arc<dyn Timer>, mut stream: Stream) -> Self {
        let run = uuid(&mut stream);
        Self {
            credentials: access.credentials,
            headers: access.headers,
            tls: access.tls,
            pace: Pace::new(access.requests_per_second),
            own_calls: Semaphore::new(access.calls_at_once_max),
            all_calls: access.all_calls,
            timer,
            stream: Mutex::new(stream),
            run,
            tokens: tokio::sync::Mutex::default(),
        }
    }

    /// A new random id.
    pub(super) fn uuid(&self) -> Uuid {
        uuid(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Random bits.
    pub(super) fn bits(&self) -> u64 {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.bits()
    }

    /// Waits until one call more may be under way, to this source and to all; it is under way for as long as this is kept.
    pub(super) async fn begin_call(&self) -> [Option<SemaphorePermit<'_>>; 2] {
        // Nobody closes them, so that there is always a permit in the end.
        let own = self.own_calls.acquire().await.ok();
        [own, self.all_calls.acquire().await.ok()]
    }

    /// Waits for this request's turn.
    pub(super) async fn take_turn(&self) {
        let wait = self.pace.turn(self.timer.running());
        if !wait.is_zero() {
            self.timer.sleep(wait).await;
        }
    }

    /// Puts the platform's headers on an attempt of a call.
    pub(super) fn put_headers(&self, request: &mut Request, call: Uuid) {
        if self.headers.is_empty() {
            return;
        }
        let filling = Filling {
            uuid: self.uuid(),
            call,
            run: self.run,
        };
        for template in &self.headers {
            // Its form was tried when it was read.
            if let Some(value) = template.value(&filling) {
                request.headers_mut().insert(template.name().clone(), value);
            }
        }
    }
}

fn uuid(stream: &mut Stream) -> Uuid {
    uuid::Builder::from_random_bytes(stream.bytes()).into_uuid()
}
