//! A server for the client's tests: one closure answers every request, and all that was asked is kept.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    /// `GET /fhir/metadata`
    pub(crate) line: String,
    head: String,
    pub(crate) body: String,
}

impl ReceivedRequest {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// The server; its thread ends with the test process.
pub(crate) struct Served {
    /// `http://127.0.0.1:PORT`
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Served {
    /// Answers every request with the bytes that `answer` gives; it may look at the origin.
    pub(crate) fn start(
        answer: impl Fn(&str, &ReceivedRequest) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (Arc::clone(&asked), origin.clone());
        let serve = move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else {
                    continue;
                };
                log.lock().unwrap().push(request.clone());
                // A client that has read enough hangs up: that is its right.
                stream.write_all(&answer(&own, &request)).unwrap_or(());
            }
        };
        let named = std::thread::Builder::new().name("served".to_owned());
        named.spawn(serve).unwrap();
        Self { origin, asked }
    }

    /// Gives these answers, one a request and in order; `BASE` in a text is the address with this path.
    pub(crate) fn scripted(path: &'static str, answers: Vec<Vec<u8>>) -> Self {
        let answers = Mutex::new(answers.into_iter());
        Self::start(move |origin, _| {
            let answer = answers.lock().unwrap().next().unwrap_or_default();
            match String::from_utf8(answer) {
                Ok(text) => text
                    .replace("BASE", &format!("{origin}{path}"))
                    .into_bytes(),
                Err(packed) => packed.into_bytes(),
            }
        })
    }

    /// Everything that was asked, as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |asked: &ReceivedRequest| format!("{}\r\n\r\n{}", asked.head, asked.body);
        self.asked().iter().map(text).collect()
    }

    /// Everything that was asked.
    pub(crate) fn asked(&self) -> Vec<ReceivedRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// How often something was asked for.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.asked()
            .iter()
            .filter(|asked| asked.line == line)
            .count()
    }
}

fn read(stream: &mut impl Read) -> Option<ReceivedRequest> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let line = head.lines().next().unwrap_or_default();
            let asked = ReceivedRequest {
                line: line.trim_end_matches(" HTTP/1.1").to_owned(),
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length = asked
                .header("content-length")
                .map_or(0, |text| text.parse().unwrap());
            if body.len() >= length {
                return Some(asked);
            }
        }
        let count = stream.read(&mut chunk).unwrap_or(0);
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// An answer; each connection carries one.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let (body, length) = (body.as_ref(), body.as_ref().len());
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}
