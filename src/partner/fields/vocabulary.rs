//! What columns and criteria can name.
//!
//! The shared texts, once read, come in; every partner file is read with the same lists. Kept: nothing in it knows a partner.

use super::{CodeMap, FieldSet, Instrument};

/// The lists that every partner file is read with.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) fields: FieldSet,
    /// By id.
    pub(crate) instruments: Vec<Instrument>,
    /// Activity names with their labels.
    pub(crate) activities: CodeMap,
    /// SNOMED CT codes with the needs they stand for.
    pub(crate) needs: CodeMap,
}

impl Vocabulary {
    /// The instrument with this id.
    pub(crate) fn instrument(&self, id: &str) -> Option<&Instrument> {
        self.instruments
            .iter()
            .find(|instrument| instrument.id == id)
    }
}
