//! Who acts: one value, checked in one place.

use crate::domain::{Owner, limits};

/// Somebody who decides or looks, on whose behalf, and why.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// Kept in the ledger.
    pub(crate) name: String,
    /// On whose behalf.
    pub(crate) owner: Owner,
    /// Kept sealed.
    pub(crate) because: String,
}

impl Actor {
    /// Somebody of IT.
    ///
    /// # Errors
    /// The name or the why says nothing, or the name is none.
    pub(crate) fn new(by: &str, because: &str) -> anyhow::Result<Self> {
        let (by, because) = (by.trim(), because.trim());
        if by.is_empty() || because.is_empty() {
            anyhow::bail!("--by and --because must say something");
        }
        let max = limits::ACTOR_NAME_MAX;
        if by.chars().count() > max || by.chars().any(char::is_control) {
            anyhow::bail!("--by takes a name of at most {max} characters");
        }
        Ok(Self {
            name: by.to_owned(),
            owner: Owner::It,
            because: because.to_owned(),
        })
    }

    /// The same on behalf of the owner with this word.
    ///
    /// # Errors
    /// There is no such owner.
    pub(crate) fn acting_for(self, owner: &str) -> anyhow::Result<Self> {
        let codes = Owner::ALL.iter().map(|owner| owner.code());
        super::known("owner", owner, codes)?;
        let owner = Owner::from_code(owner).unwrap_or(self.owner);
        Ok(Self { owner, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_why_say_something_and_are_no_longer_than_they_may_be() {
        limits::holds_at(limits::ACTOR_NAME_MAX, |length| {
            Actor::new(&"n".repeat(length), "because").is_ok()
        });
        for (by, because) in [
            ("", "because"),
            ("  ", "because"),
            ("name", " "),
            ("a\nb", "because"),
        ] {
            assert!(Actor::new(by, because).is_err(), "{by:?} {because:?}");
        }
        let actor = Actor::new(" A. Person ", " why ").unwrap();
        assert_eq!(
            (actor.name.as_str(), actor.because.as_str()),
            ("A. Person", "why")
        );
        assert_eq!(
            actor.clone().acting_for("practice").unwrap().owner,
            Owner::Practice
        );
        assert!(actor.acting_for("nobody").is_err());
    }
}
