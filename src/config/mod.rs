//! The deployment's settings: the only reader of the config file and of environment variables.
//!
//! `kith.toml` comes in, a resolved [`Config`] goes out, or every problem of the file at once. Invariants: every path is
//! absolute and every relative one lay below home; a secret is never printed; a key that this version would not act on
//! is refused.

mod auth;
mod bulk;
mod describe;
mod exchange;
mod installation;
mod limits;
pub(crate) mod machine;
mod places;
mod secret;
mod source;

use std::path::{Path, PathBuf};

use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::limits::CONFIG_BYTES;
use crate::domain::{Limits, how_to_raise};
use crate::partner::{ID_RULE, Rules, lawful_id};
use crate::toml_reader::{Problems, SourceText, TableReader, text_within};

pub(crate) use auth::{Auth, Kept, Signing};
pub(crate) use bulk::Bulk;
pub(crate) use exchange::{Commissioner, Transport};
pub(crate) use installation::{
    Console, OurContact, Retain, Routing, SafetyRules, Schedule, Unnamed,
};
pub(crate) use secret::{Secret, SecretError, SecretPlace};
pub(crate) use source::{ORDERS, Pull, PushTo, Reading, Source};

/// An environment variable, for [`Config::load`].
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether systemd guards a file: what lies there belongs to root, and is shown to the service alone.
pub(crate) fn guarded(path: &Path) -> bool {
    variable("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder))
}

/// The settings in force.
#[derive(Debug)]
pub(crate) struct Config {
    /// Every relative path starts here.
    pub(crate) home: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) mappings: PathBuf,
    /// Base of our identifier systems and code systems, without a slash at its end.
    pub(crate) namespace: String,
    /// The `SQLite` file.
    pub(crate) store: PathBuf,
    pub(crate) seal_key: Secret,
    pub(crate) schedule: Schedule,
    pub(crate) routing: Routing,
    pub(crate) safety: SafetyRules,
    pub(crate) retain: Retain,
    pub(crate) console: Console,
    /// Whom partners ring.
    pub(crate) contact: OurContact,
    /// How much is taken from outside.
    pub(crate) limits: Limits,
    pub(crate) sources: Vec<Source>,
    pub(crate) transports: Vec<Transport>,
    pub(crate) commissioners: Vec<Commissioner>,
}

/// A config with what somebody should look at.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Mode of home: a group may look into it, and nobody else.
pub(crate) const HOME_MODE: u32 = 0o750;
/// Mode of `var`, where keys and data are.
pub(crate) const VAR_MODE: u32 = 0o700;

/// What relative paths are relative to, and where secrets come from.
struct Surroundings<'e> {
    home: PathBuf,
    env: &'e dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// A path of the file as an absolute one.
    fn resolve(&self, path: &str) -> PathBuf {
        self.home.join(path)
    }
}

impl Config {
    /// Reads and resolves a config file; `env` looks up environment variables.
    ///
    /// # Errors
    /// Every problem, warnings included, if one of them is fatal.
    pub(crate) fn load(
        file: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Loaded, Vec<Diagnostic>> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let above = home_above(&file);
        let name = above
            .as_deref()
            .and_then(|home| file.strip_prefix(home).ok())
            .unwrap_or(&file);
        let name = name.to_string_lossy().into_owned();
        // What the file itself may say of its length is known only once it is read.
        let text = text_within(&file, CONFIG_BYTES.most)
            .map_err(|error| vec![unreadable(&file, &name, error.to_string())])?;
        let problems = Problems::default();
        let config = read(&file, &name, &text, above, env, &problems);
        let fatal = problems.fatal();
        let found = problems.into_sorted();
        match config {
            Some(config) if !fatal => Ok(Loaded {
                config,
                warnings: found,
            }),
            _ => Err(found),
        }
    }

    /// The transport with this id.
    pub(crate) fn transport(&self, id: &str) -> Option<&Transport> {
        self.transports.iter().find(|transport| transport.id == id)
    }

    /// Id of the transport that a new partner is given: the first that keeps partners apart.
    pub(crate) fn partner_transport(&self) -> &str {
        let mut transports = self.transports.iter();
        let apart = transports.find(|transport| transport.per_partner());
        apart
            .or(self.transports.first())
            .map_or("local", |transport| transport.id.as_str())
    }

    /// The code system whose codes are activity names.
    pub(crate) fn activity_system(&self) -> String {
        format!("{}/CodeSystem/activity", self.namespace)
    }

    /// Holds the partner files against the config: every transport they name must be there, and keep partners apart.
    pub(crate) fn check_rules(&self, rules: &Rules) -> Vec<Diagnostic> {
        let problems = Problems::within(&self.limits);
        let alone = rules.partners.len() < 2;
        for partner in &rules.partners {
            let collect = partner.collect.as_ref().map(|collect| &collect.transport);
            for named in [Some(&partner.deliver.transport), collect]
                .into_iter()
                .flatten()
            {
                match self.transport(&named.value) {
                    None => {
                        exchange::unknown_transport(&named.as_str(), &self.transports, &problems);
                    }
                    Some(transport) if !transport.per_partner() && !alone => {
                        let what = format!(
                            "transport {} has no {{partner}} in its path: partners would share it",
                            named.value
                        );
                        problems.add(Code::BadValue, what, &named.place);
                    }
                    Some(_) => {}
                }
            }
            let (out, back) = (&partner.deliver.transport, collect);
            if let Some(back) = back.filter(|back| back.value != out.value)
                && self.transport(&back.value).is_some()
            {
                let what = "returns that come by another transport than drops go by: this version does not have it";
                problems.add(Code::NotYetBuilt, what, &back.place);
            }
        }
        problems.into_sorted()
    }

    /// What a warning of the mappings means here: with `[safety] strict` a layout without an action column is refused.
    /// A missing concern column is not, for this version reads none.
    pub(crate) fn refuses(&self, found: &Diagnostic) -> bool {
        found.fatal() || self.safety.strict && found.code() == Code::NoActionColumn
    }

    /// What stands here as `kith init` wrote it: a practice of that name would be in every record.
    pub(crate) fn check_placeholders(&self) -> Vec<Diagnostic> {
        let name = self.file.strip_prefix(&self.home).unwrap_or(&self.file);
        let place = |detail: String| Place::file(name.display().to_string()).and(detail);
        let mut found = Vec::new();
        let mut say = |what: String, detail: String| {
            let fix = "Put the real one in its place.";
            found.push(Diagnostic::new(Code::Placeholder, what, place(detail)).fix(fix));
        };
        for source in &self.sources {
            if source.name == "Your practice" {
                say(
                    format!("source {} has the name that init wrote", source.id),
                    "name".to_owned(),
                );
            }
            let written = |mail: &String| mail.ends_with("@practice.example");
            if source
                .safety
                .iter()
                .any(|one| one.email.as_ref().is_some_and(written))
            {
                say(
                    format!(
                        "the safety contact of source {} is a placeholder",
                        source.id
                    ),
                    "safety".to_owned(),
                );
            }
        }
        for commissioner in self
            .commissioners
            .iter()
            .filter(|one| one.name == "Your commissioner")
        {
            say(
                format!(
                    "commissioner {} has the name that init wrote",
                    commissioner.id
                ),
                "name".to_owned(),
            );
        }
        found
    }
}

/// Where the config file of a machine lies, where none lies in the folder that a command is run in.
const SYSTEM_CONFIG: &str = "/etc/kith/kith.toml";

/// Why the config file cannot be had: every path that was looked for, or whose it is.
fn unreadable(file: &Path, name: &str, why: String) -> Diagnostic {
    if file.exists() {
        let place = Place::file(name).and(machine::about(file));
        return Diagnostic::new(Code::ConfigUnreadable, why, place);
    }
    let mut looked = file.display().to_string();
    if file.ends_with("config/kith.toml") && !Path::new(SYSTEM_CONFIG).exists() {
        looked = format!("neither {looked} nor {SYSTEM_CONFIG}");
    }
    let place = Place::file(name).and(looked);
    Diagnostic::new(Code::ConfigUnreadable, "there is no config file", place)
        .fix("Go to the folder of the installation, or name the file with --config; kith init DIR makes a new one.")
}

/// Home is the folder above `config/`.
fn home_above(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    if folder.file_name()? != "config" {
        return None;
    }
    folder.parent().map(Path::to_path_buf)
}

fn read(
    file: &Path,
    name: &str,
    text: &str,
    above: Option<PathBuf>,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
) -> Option<Config> {
    let text_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let text = SourceText::new(name, text);
    let table = text.parse(problems)?;
    let root = TableReader::root(text, &table, problems);
    let around = Surroundings {
        home: read_home(&root, file, above),
        env,
    };
    // First, for they bound what is told of the rest.
    let limits = limits::read_limits(&root);
    problems.set_limits(&limits);
    let transports = exchange::read_transports(&root, &around);
    let commissioners = exchange::read_commissioners(&root, &transports);
    let safety = installation::read_safety(&root);
    let routing = installation::read_routing(root.opt_table("routing"), Routing::default());
    let sources = source::read_sources(&root, &around, &commissioners, safety, routing);
    let config = Config {
        mappings: around.resolve(
            root.opt_text("mappings")
                .map_or("mappings", |path| path.value),
        ),
        namespace: installation::read_namespace(&root),
        store: installation::read_store(&root, &around),
        seal_key: installation::read_seal(&root, &around),
        schedule: installation::read_schedules(root.opt_table("schedule")),
        retain: installation::read_retain(&root),
        console: installation::read_console(&root),
        contact: installation::read_contact(&root),
        limits,
        file: file.to_path_buf(),
        home: around.home,
        routing,
        safety,
        sources,
        transports,
        commissioners,
    };
    root.finish();
    if text_bytes > config.limits.config_bytes_max {
        let what = format!(
            "the file has more than {} bytes",
            config.limits.config_bytes_max
        );
        let fix = how_to_raise("config_bytes_max");
        problems.add_fix(Code::ConfigUnreadable, what, &Place::file(name), fix);
    }
    Some(config)
}

fn read_home(root: &TableReader<'_>, file: &Path, above: Option<PathBuf>) -> PathBuf {
    let said = root.opt_text("home");
    match (said, above) {
        (None, Some(above)) => above,
        (Some(said), Some(above)) => {
            root.bad_value(
                "home",
                "left away: home is the folder above config",
                &said.place,
            );
            above
        }
        (Some(said), None) => {
            if !Path::new(said.value).is_absolute() {
                root.bad_value("home", "an absolute path", &said.place);
            }
            PathBuf::from(said.value)
        }
        (None, None) if file == Path::new(SYSTEM_CONFIG) => PathBuf::from("/var/lib/kith"),
        (None, None) => {
            root.missing("home");
            PathBuf::new()
        }
    }
}

/// Reads an id and notes one that is not lawful or that stands twice.
fn read_id<'i>(
    table: &TableReader<'_>,
    kind: &str,
    mut known: impl Iterator<Item = &'i str>,
) -> String {
    let id = table.text("id");
    if !id.value.is_empty() && !lawful_id(id.value) {
        table.bad_value("id", ID_RULE, &id.place);
    }
    if known.any(|other| other == id.value) {
        let what = format!("two entries of [[{kind}]] have the id {}", id.value);
        table.problems().add(Code::DuplicateId, what, &id.place);
    }
    id.value.to_owned()
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod key_list_tests;
mod server_address;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
