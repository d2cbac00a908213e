//! Secrets: named in the config, kept elsewhere, never printed.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Surroundings;
use crate::diagnostics::Code;
use crate::partner::table::TableReader;

/// Where a secret lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// The variable's name.
    Env(String),
    File(PathBuf),
}

/// A secret of the config; `Debug` shows where it lives, never what it is.
#[derive(Clone)]
pub(crate) struct Secret {
    place: SecretPlace,
    /// What the variable holds; a file is read by whoever needs it, for it may not be there yet.
    value: Option<Zeroizing<String>>,
}

impl Secret {
    /// A secret whose value is not known.
    pub(super) fn at(place: SecretPlace) -> Self {
        Self { place, value: None }
    }

    /// Where it lives.
    pub(crate) fn place(&self) -> &SecretPlace {
        &self.place
    }

    /// The variable's value, if it lives in one.
    pub(crate) fn env_value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.as_str())
    }

    /// How `kith check` shows it.
    pub(crate) fn masked(&self) -> String {
        match &self.place {
            SecretPlace::Env(name) => format!("{{ env = \"{name}\" }}"),
            SecretPlace::File(path) => format!("{{ file = \"{}\" }}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Reads `{ env = "NAME" }` or `{ file = "path" }`; a variable that is not set is CFG-009.
pub(super) fn read_secret(table: &TableReader<'_>, around: &Surroundings<'_>) -> Secret {
    match (table.opt_text("env"), table.opt_text("file")) {
        (Some(name), None) => {
            let value = (around.env)(name.value).filter(|value| !value.is_empty());
            if value.is_none() {
                let what = format!("the environment variable {} is not set", name.value);
                table
                    .problems()
                    .add(Code::SecretUnreadable, what, &name.place);
            }
            Secret {
                place: SecretPlace::Env(name.value.to_owned()),
                value: value.map(Zeroizing::new),
            }
        }
        (None, Some(path)) => Secret::at(SecretPlace::File(around.resolve(path.value))),
        _ => {
            table.bad_value(
                "a secret",
                "{ env = \"NAME\" } or { file = \"path\" }",
                table.place(),
            );
            Secret::at(SecretPlace::Env(String::new()))
        }
    }
}
