//! GP systems as a config names them.

use super::edit::replace;

/// A GP system in the config.
#[derive(Clone)]
pub(crate) struct Source {
    id: String,
    ods_code: String,
    pull: String,
    push: String,
    auth: String,
}

impl Source {
    /// A server that is searched and written to.
    pub(crate) fn searched(id: &str, base: &str) -> Self {
        let pull = format!("{{ kind = \"search\", base_url = \"{base}\" }}");
        Self::of(id, pull, "{ kind = \"fhir\" }")
    }

    /// A server that exports in bulk and is written to.
    pub(crate) fn exported(id: &str, base: &str) -> Self {
        let pull = format!("{{ kind = \"bulk\", wait_minutes = 1, base_url = \"{base}\" }}");
        Self::of(id, pull, "{ kind = \"fhir\" }")
    }

    /// A folder of extracts; nothing is written back.
    pub(crate) fn folder(id: &str, path: &str) -> Self {
        let pull = format!("{{ kind = \"folder\", path = \"{path}\" }}");
        Self::of(id, pull, "{ kind = \"off\" }")
    }

    fn of(id: &str, pull: String, push: &str) -> Self {
        Self {
            id: id.to_owned(),
            ods_code: "ZZ001".to_owned(),
            pull,
            push: push.to_owned(),
            auth: "{ kind = \"none\" }".to_owned(),
        }
    }

    /// Of another organisation.
    pub(crate) fn ods_code(self, ods_code: &str) -> Self {
        let ods_code = ods_code.to_owned();
        Self { ods_code, ..self }
    }

    /// With further keys of `pull`.
    pub(crate) fn pulling(self, keys: &str) -> Self {
        let pull = replace(&self.pull, " }", &format!(", {keys} }}"));
        Self { pull, ..self }
    }

    /// Written to in another way.
    pub(crate) fn push(self, push: &str) -> Self {
        let push = push.to_owned();
        Self { push, ..self }
    }

    /// Signed in to; further keys of the source may come behind.
    pub(crate) fn auth(self, auth: &str) -> Self {
        let auth = auth.to_owned();
        Self { auth, ..self }
    }

    /// The source as it is written.
    pub(crate) fn toml(&self) -> String {
        let Self {
            id,
            ods_code,
            pull,
            push,
            auth,
        } = self;
        format!(
            "[[source]]\nid = \"{id}\"\nname = \"Made-up practice {id}\"\nods_code = \"{ods_code}\"\ncommissioner = \"icb\"\n\
             pull = {pull}\npush = {push}\nauth = {auth}\n"
        )
    }
}
