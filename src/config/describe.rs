//! The resolved config as `kith check` prints it, secrets masked.

use std::fmt::Write as _;

use super::source::{Pull, PushTo, Source};
use super::{Auth, Config};
use crate::fhir::bulk::Level;

impl Config {
    /// The settings in force, one a line, in the order of the file.
    pub(crate) fn describe(&self) -> String {
        let mut lines = vec![
            ("home", self.home.display().to_string()),
            ("config", self.file.display().to_string()),
            ("mappings", self.mappings.display().to_string()),
            ("namespace", self.namespace.clone()),
            ("store", format!("SQLite, {}", self.store.display())),
            ("seal key", self.seal_key.masked()),
            ("pull", self.schedule.pull.text().to_owned()),
            ("deliver", self.schedule.deliver.text().to_owned()),
            ("collect", self.schedule.collect.text().to_owned()),
            ("reconcile", self.schedule.reconcile.text().to_owned()),
            ("unnamed", self.routing.unnamed.code().to_owned()),
            ("console", self.console.listen.clone()),
        ];
        let years = self.retain.person_years;
        lines.push((
            "retain",
            years.map_or("person_years not set".to_owned(), |years| {
                format!("{years} years")
            }),
        ));
        for (limit, value) in self.limits.values() {
            if value != limit.bound.usual {
                lines.push(("limit", format!("{} {value}", limit.key)));
            }
        }
        for source in &self.sources {
            lines.push(("source", describe_source(source)));
        }
        for transport in &self.transports {
            lines.push((
                "transport",
                format!("{}: folder {}", transport.id, transport.path().display()),
            ));
        }
        for commissioner in &self.commissioners {
            let to = commissioner
                .report_transport
                .as_deref()
                .unwrap_or("nowhere");
            lines.push((
                "commissioner",
                format!("{}: {}, report to {to}", commissioner.id, commissioner.name),
            ));
        }
        let mut text = String::new();
        for (key, value) in lines {
            // Writing to a String cannot fail.
            if writeln!(text, "{key:<14}{value}").is_err() {
                break;
            }
        }
        text
    }
}

fn describe_source(source: &Source) -> String {
    let pull = match &source.pull {
        Pull::Search { base_url, .. } => format!("search {base_url}"),
        Pull::Folder { path, .. } => format!("folder {}", path.display()),
        Pull::Bulk(bulk) => {
            let level = match &bulk.level {
                Level::System => "everything".to_owned(),
                Level::Patient => "every patient".to_owned(),
                Level::Group(id) => format!("group {id}"),
            };
            format!("bulk {} ({level})", bulk.base_url)
        }
    };
    let push = match &source.push.to {
        PushTo::Fhir { base_url } => format!("fhir {base_url}, {}", source.push.volume.code()),
        PushTo::Folder { path } => {
            format!("folder {}, {}", path.display(), source.push.volume.code())
        }
        PushTo::Off => "off".to_owned(),
    };
    let mode = if source.shadow { "shadow" } else { "live" };
    let enabled = if source.enabled { "" } else { ", not enabled" };
    format!(
        "{}: {} ({}), pull {pull}, push {push}, {}, {mode}{enabled}",
        source.id,
        source.name,
        source.ods_code,
        sign_in(&source.reach.auth)
    )
}

/// How a source is signed in to, and where its secret lives.
fn sign_in(auth: &Auth) -> String {
    match auth {
        Auth::None => "no sign-in".to_owned(),
        Auth::Bearer { token } => format!("bearer {}", token.secret.masked()),
        Auth::Basic { user, password } => format!("basic {user} {}", password.secret.masked()),
        Auth::ApiKey { header, key } => format!("api-key {header} {}", key.secret.masked()),
        Auth::SmartBackend {
            client_id, signing, ..
        } => format!("smart-backend {client_id} {}", signing.key.secret.masked()),
        Auth::NhsApim { signing, .. } => format!("nhs-apim {}", signing.key.secret.masked()),
    }
}
