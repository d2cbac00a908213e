//! A GP system of the tests' own, for what ours never does to a write: refuse each one, lose its answer, or keep it out of
//! what a search finds.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// What the server does to a new Observation or Task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// Stores it, and shows what it stored.
    Takes,
    /// Stores it, and says only where.
    TakesSilently,
    /// Says that it stored it where another person's entry lies.
    Misplaces,
    /// Answers with this status, and stores nothing.
    Refuses(u16),
    /// Hangs up, and stores nothing.
    Drops,
    /// Stores it, hangs up, and its searches do not find it yet.
    Hides,
    /// Takes the request, and neither stores nor says anything.
    Hangs,
}

/// A page of the server as a test sees it: what it holds, and what was asked of it.
struct Held {
    resources: Vec<Value>,
    /// Entries that searches do not find.
    hidden: Vec<String>,
    writes: Writes,
    /// Whether it says that it heeds `If-None-Exist`, and does.
    heeds: bool,
    /// Below what path it is found.
    path: &'static str,
    asked: Vec<String>,
}

/// The server; its thread ends with the process.
pub(crate) struct FakeGp {
    pub(crate) base: String,
    held: Arc<Mutex<Held>>,
}

impl FakeGp {
    /// A server below `/fhir` that holds these resources and takes what is written.
    pub(crate) fn of(resources: &[Value]) -> Self {
        Self::below("/fhir", resources)
    }

    /// The same below another path.
    pub(crate) fn below(path: &'static str, resources: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address");
        let held = Arc::new(Mutex::new(Held {
            resources: resources.to_vec(),
            hidden: Vec::new(),
            writes: Writes::Takes,
            heeds: true,
            path,
            asked: Vec::new(),
        }));
        let shared = Arc::clone(&held);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let held = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &held));
            }
        });
        Self {
            base: format!("http://{host}{path}"),
            held,
        }
    }

    /// From here on it does this to what is written.
    pub(crate) fn writes(&self, writes: Writes) {
        lock(&self.held).writes = writes;
    }

    /// Whether it says that it heeds `If-None-Exist`, and does.
    pub(crate) fn heeds(&self, heeds: bool) {
        lock(&self.held).heeds = heeds;
    }

    /// Its searches find everything again.
    pub(crate) fn shows_all(&self) {
        lock(&self.held).hidden.clear();
    }

    /// Everything of a type that it holds.
    pub(crate) fn all(&self, resource_type: &str) -> Vec<Value> {
        let mut all = lock(&self.held).resources.clone();
        all.retain(|one| one["resourceType"] == resource_type);
        all
    }

    /// How many requests began with these words.
    pub(crate) fn asked(&self, begins: &str) -> usize {
        let held = lock(&self.held);
        held.asked
            .iter()
            .filter(|line| line.starts_with(begins))
            .count()
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request: method, path below the base with its query, and everything as text.
struct Asked {
    method: String,
    path: String,
    text: String,
    body: String,
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is = name.eq_ignore_ascii_case("content-length");
                is.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let mut words = head.lines().next()?.split(' ');
                return Some(Asked {
                    method: words.next()?.to_owned(),
                    path: words.next()?.to_owned(),
                    body: body.to_owned(),
                    text,
                });
            }
        }
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// An answer: status, further headers, body; none hangs up.
type Answer = Option<(u16, String, String)>;

fn serve(mut stream: TcpStream, held: &Mutex<Held>) {
    let Some(asked) = read(&mut stream) else {
        return;
    };
    if asked.is_create() && lock(held).writes == Writes::Hangs {
        lock(held).note(&asked);
        while lock(held).writes == Writes::Hangs {
            thread::sleep(std::time::Duration::from_millis(20));
        }
        return;
    }
    let answer = lock(held).answer(&asked);
    if let Some((status, headers, body)) = answer {
        let text = format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        // Whoever asked may be gone.
        stream.write_all(text.as_bytes()).unwrap_or(());
    }
}

impl Asked {
    fn is_create(&self) -> bool {
        self.method == "POST" && !self.path.ends_with("_search")
    }
}

impl Held {
    fn note(&mut self, asked: &Asked) {
        let path = asked.path.split('?').next().unwrap_or_default();
        let below = path.strip_prefix(self.path).unwrap_or(path);
        self.asked.push(format!("{} {below}", asked.method));
    }

    fn answer(&mut self, asked: &Asked) -> Answer {
        self.note(asked);
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let Some(below) = path.strip_prefix(self.path) else {
            return said(404, &json!({"error": "nothing here"}));
        };
        let parts: Vec<&str> = below.trim_matches('/').split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["metadata"]) => said(200, &self.statement()),
            ("POST", [kind, "_search"]) => said(200, &self.found(kind, &asked.body)),
            ("GET", [kind]) => said(200, &self.found(kind, query)),
            ("GET", [kind, id]) => match self.at(kind, id) {
                Some(resource) => said(200, &resource),
                None => said(404, &json!({"resourceType": "OperationOutcome"})),
            },
            ("POST", [_]) if !below.is_empty() => self.create(asked),
            ("PUT", [..]) if self.writes == Writes::Takes => {
                let resource: Value = serde_json::from_str(&asked.body).unwrap_or_default();
                said(200, &self.put(resource))
            }
            ("PUT", [..]) => match self.writes {
                Writes::Refuses(status) => said(status, &json!({})),
                _ => None,
            },
            _ => said(404, &json!({"resourceType": "OperationOutcome"})),
        }
    }

    fn statement(&self) -> Value {
        let interactions = ["read", "search-type", "create", "update"];
        let interactions = interactions.map(|code| json!({"code": code}));
        let of = |kind: &str| {
            let mut one = json!({"type": kind, "interaction": interactions,
                "searchParam": [{"name": "identifier", "type": "token"}, {"name": "_id", "type": "token"},
                    {"name": "code", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]});
            if self.heeds {
                one["conditionalCreate"] = json!(true);
            }
            one
        };
        let kinds = ["Patient", "ServiceRequest", "Observation", "Task"].map(of);
        json!({"resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
            "format": ["json"], "rest": [{"mode": "server", "resource": kinds}]})
    }

    fn at(&self, kind: &str, id: &str) -> Option<Value> {
        let mut all = self.resources.iter();
        all.find(|one| one["resourceType"] == kind && one["id"] == id)
            .cloned()
    }

    /// What a search finds: by `_id` or `identifier`, else everything of the type.
    fn found(&self, kind: &str, query: &str) -> Value {
        let query = query.replace("%3A", ":").replace("%2F", "/");
        let query = query.replace("%7C", "|").replace("%2C", ",");
        let wanted = |one: &&Value| {
            let id = one["id"].as_str().unwrap_or_default();
            let asked = |name: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
            };
            let by_id = asked("_id").is_none_or(|ids| ids.split(',').any(|one| one == id));
            let by_name = asked("identifier")
                .is_none_or(|names| names.split(',').any(|name| bears(one, name)));
            one["resourceType"] == kind
                && by_id
                && by_name
                && !self.hidden.iter().any(|hidden| hidden == id)
        };
        let entries: Vec<&Value> = self.resources.iter().filter(wanted).collect();
        let count = entries.len();
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|one| json!({"resource": one, "search": {"mode": "match"}}))
            .collect();
        json!({"resourceType": "Bundle", "type": "searchset", "total": count, "entry": entries})
    }

    fn create(&mut self, asked: &Asked) -> Answer {
        let mut resource: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let kind = resource["resourceType"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let name = &resource["identifier"][0];
        let name = format!(
            "{}|{}",
            name["system"].as_str().unwrap_or_default(),
            name["value"].as_str().unwrap_or_default()
        );
        let conditional = asked.text.to_lowercase().contains("if-none-exist");
        let known = self.resources.iter().find(|one| bears(one, &name));
        if let Some(known) = known.filter(|_| self.heeds && conditional) {
            return match self.writes {
                Writes::Refuses(status) => said(status, &json!({})),
                Writes::Takes | Writes::TakesSilently => said(200, known),
                _ => None,
            };
        }
        let id = format!("made-{}", self.resources.len());
        let place = |id: &str| format!("location: {kind}/{id}/_history/1\r\n");
        resource["id"] = json!(id);
        match self.writes {
            Writes::Refuses(status) => return said(status, &json!({})),
            Writes::Drops | Writes::Hangs => return None,
            Writes::Misplaces => {
                let other = self
                    .resources
                    .iter()
                    .find(|one| one["resourceType"] == kind.as_str());
                let other = other.and_then(|one| one["id"].as_str()).unwrap_or("none");
                return Some((201, place(other), String::new()));
            }
            Writes::Hides => self.hidden.push(id.clone()),
            Writes::Takes | Writes::TakesSilently => {}
        }
        let stored = self.put(resource);
        match self.writes {
            Writes::Takes => Some((201, place(&id), stored.to_string())),
            Writes::TakesSilently => Some((201, place(&id), String::new())),
            _ => None,
        }
    }

    fn put(&mut self, mut resource: Value) -> Value {
        let same = |one: &Value| {
            one["resourceType"] == resource["resourceType"] && one["id"] == resource["id"]
        };
        let known = self.resources.iter().position(same);
        let before = known.map(|at| self.resources.remove(at));
        let version = before.and_then(|one| one["meta"]["versionId"].as_str()?.parse::<u32>().ok());
        resource["meta"]["versionId"] = json!((version.unwrap_or(0) + 1).to_string());
        self.resources.push(resource.clone());
        resource
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the server answers, or hangs up")]
fn said(status: u16, body: &Value) -> Answer {
    Some((status, String::new(), body.to_string()))
}

/// Whether a resource bears this identifier: `system|value`.
fn bears(resource: &Value, name: &str) -> bool {
    let identifiers = resource["identifier"].as_array();
    identifiers.is_some_and(|all| {
        all.iter().any(|one| {
            let part = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{}|{}", part("system"), part("value")) == name
        })
    })
}
