//! A server on loopback that answers as a test says.

use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

/// An answer: status and body, in which `BASE` stands for the server's address.
pub(crate) type Answer = (u16, Value);

/// Headers of an answer.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// The running server; ended when dropped.
pub(crate) struct Answering {
    /// Scheme, host and port.
    pub(crate) origin: String,
    _runtime: tokio::runtime::Runtime,
}

impl Answering {
    /// Starts a server that is told method, path without its first slash, and the parameters of a search or the body.
    pub(crate) fn start(
        answer: impl Fn(&Method, &str, &str) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with_headers(move |method, path, told| {
            let (status, body) = answer(method, path, told);
            (status, Vec::new(), body)
        })
    }

    /// The same, with further headers of the answer.
    pub(crate) fn with_headers(
        answer: impl Fn(&Method, &str, &str) -> (u16, Headers, Value) + Clone + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(listener).expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let base = origin.clone();
        let handle = move |method: Method, uri: Uri, body: Bytes| {
            let path = uri.path().trim_start_matches('/');
            let body = String::from_utf8(body.to_vec()).expect("text");
            let told = match uri.query() {
                Some(query) => format!("{query}&{body}"),
                None => body,
            };
            let (status, headers, answer) = answer(&method, path, &told);
            let text = answer.to_string().replace("BASE", &base);
            let status = StatusCode::from_u16(status).expect("a status");
            let mut all = HeaderMap::new();
            let headers = headers
                .into_iter()
                .map(|(name, text)| (name, text.replace("BASE", &base)));
            for (name, text) in
                headers.chain([("content-type", "application/fhir+json".to_owned())])
            {
                all.insert(name, text.parse().expect("a header"));
            }
            async move { (status, all, text) }
        };
        let router = Router::new().fallback(handle);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            origin,
            _runtime: runtime,
        }
    }
}

/// That there is no such thing.
pub(crate) fn not_found() -> Answer {
    (404, json!({"resourceType": "OperationOutcome"}))
}

/// Values of a parameter.
pub(crate) fn asked(parameters: &str, name: &str) -> Vec<String> {
    let url = format!("http://x/?{parameters}");
    let url = reqwest::Url::parse(&url).expect("parameters");
    let pairs = url.query_pairs().filter(|(key, _)| key == name);
    pairs.map(|(_, value)| value.into_owned()).collect()
}
