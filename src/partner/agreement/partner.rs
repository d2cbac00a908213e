//! A partner and its agreement with us.
//!
//! Everything here is resolved and checked: a [`Partner`] that exists can be worked with, and nobody checks it again. It
//! holds no patient data.

use jiff::civil::Date;

use super::{Collect, Criteria, Deliver};
use crate::diagnostics::Place;

/// A voluntary-sector organisation and its agreement with us: one file of `mappings/partners`.
#[derive(Debug)]
pub(crate) struct Partner {
    /// The file's name, in every path and record.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: PartnerKind,
    pub(crate) identifier: PartnerIdentifier,
    pub(crate) contact: Option<PartnerContact>,
    /// In shadow all is decided and recorded, and nothing goes out.
    pub(crate) shadow: bool,
    /// The partner's name by itself tells something about a person.
    pub(crate) sensitive: bool,
    /// Takes people under 18.
    pub(crate) children: bool,
    /// Classes of recipients that a Consent may name instead of the partner.
    pub(crate) classes: Vec<String>,
    /// The day on which the file was last gone through with the partner, for those who sign it.
    pub(crate) verified_on: Option<Date>,
    /// Who wrote this version: somebody else approves what it widens.
    pub(crate) changed_by: Option<String>,
    /// Set when the installation is opened, for the file alone does not tell.
    pub(crate) sends: Sends,
    pub(crate) select: Criteria,
    pub(crate) share: Share,
    pub(crate) deliver: Deliver,
    pub(crate) collect: Option<Collect>,
    pub(crate) push: PartnerPush,
    /// Ids of the partners that a return of this one may refer on to; of a link worker only.
    pub(crate) onward_to: Vec<String>,
    /// Where the file says what only all files together can be held against.
    pub(crate) places: KeyPlaces,
    /// SHA-256 over [`Partner::bundle`]: a drop made under this hash can be made again.
    pub(crate) hash: [u8; 32],
    /// The partner's file and every mapping text it stands on, as one text that `Rules::from_bundle` reads back.
    pub(crate) bundle: String,
}

impl Partner {
    /// Whether this version allows more than was approved.
    pub(crate) fn unapproved(&self) -> bool {
        self.sends == Sends::NothingNew
    }
}

/// What goes out by a version of a partner file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    Everything,
    /// It allows more than was approved.
    NothingNew,
}

/// Places of a partner file.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyPlaces {
    pub(crate) identifier: Place,
    /// `priority`, or the section where there is none.
    pub(crate) priority: Place,
    pub(crate) expires_on: Place,
}

/// What a partner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartnerKind {
    Provider,
    LinkWorker,
}

impl PartnerKind {
    /// The word in partner files.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::LinkWorker => "link-worker",
        }
    }
}

/// How a performer names the partner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartnerIdentifier {
    pub(crate) system: String,
    pub(crate) value: String,
}

/// Whom to phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartnerContact {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

/// What may go out at all, and on which ground.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) basis: String,
    /// Field, group and element names as written.
    pub(crate) fields: Vec<String>,
    pub(crate) expires_on: Option<Date>,
}

/// How much of what comes back is written to the GP record for this partner; the narrower of this and the source's wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartnerPush {
    pub(crate) volume: Volume,
}

/// How many of a person's events reach the record; measures always do, but for `Off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    Each,
    FirstAndClose,
    Counts,
    Close,
    Off,
}

impl Volume {
    /// The words of config and partner files.
    pub(crate) const WORDS: [(&'static str, Self); 5] = [
        ("each", Self::Each),
        ("first-and-close", Self::FirstAndClose),
        ("counts", Self::Counts),
        ("close", Self::Close),
        ("off", Self::Off),
    ];

    /// The word.
    pub(crate) fn code(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, volume)| *volume == self)
            .map_or("", |(word, _)| word)
    }

    /// The one that lets less through.
    pub(crate) fn narrower(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_volume_wins() {
        assert_eq!(Volume::Each.narrower(Volume::Close), Volume::Close);
        assert_eq!(Volume::Off.narrower(Volume::FirstAndClose), Volume::Off);
        assert_eq!(Volume::FirstAndClose.code(), "first-and-close");
    }
}
