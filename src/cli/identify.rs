//! `--identify` of `kith why`, `kith trace` and `kith held show`: who the person is, recorded before it is shown.

use serde_json::{Map, Value, json};

use super::{Global, emit};
use crate::actions::identify::reveal;
use crate::app::App;
use crate::domain::LegReference;

/// Who looks, and why.
#[derive(clap::Args)]
pub(super) struct Identify {
    /// Also show who the person is: one record at a time, recorded with your name
    #[arg(long = "identify", requires_all = ["by", "because"])]
    asked: bool,
    /// Your name, kept in the ledger
    #[arg(long, value_name = "NAME", requires = "asked")]
    by: Option<String>,
    /// Why you look, kept sealed
    #[arg(long, value_name = "TEXT", requires = "asked")]
    because: Option<String>,
}

impl Identify {
    /// Whether it was asked for.
    pub(super) fn asked(&self) -> bool {
        self.asked
    }

    /// Opens the installation: to look at it, or to record that somebody does.
    pub(super) async fn open(&self, global: &Global) -> anyhow::Result<App> {
        if self.asked {
            global.open(None).await
        } else {
            global.open_for_reading(None).await
        }
    }

    /// Who it is, if it was asked for; null otherwise.
    pub(super) async fn person(
        &self,
        app: &App,
        leg: LegReference,
        at: &str,
    ) -> anyhow::Result<Value> {
        if !self.asked {
            return Ok(Value::Null);
        }
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let (by, because) = (said(&self.by), said(&self.because));
        let actor = super::actor(&by, &because)?;
        let identity = reveal(app.env(), leg, &actor, at).await?;
        let shown: Map<String, Value> = identity
            .0
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        Ok(Value::Object(shown))
    }
}

/// The same for people.
pub(super) fn print(person: &Value) -> anyhow::Result<()> {
    for (name, value) in person.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        emit(format_args!("  {:<12} {value}\n", name.replace('_', " ")))?;
    }
    Ok(())
}
