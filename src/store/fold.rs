//! Reads ledger bodies back: the fold of the ledger, against which `prove` holds the projections.

use serde_json::Value;

use super::chain::unhex;
use super::rows::{LedgerRow, Place, RawIds, Standing};
use crate::domain::{LegReference, LegState, Reason};
use crate::seal::Digest;

/// A leg's step as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) rev: i64,
    pub(crate) prev: Place,
    pub(crate) after: Standing,
    /// Reference and source, in a leg's first step.
    pub(crate) birth: Option<(LegReference, i64)>,
    pub(crate) vouched: Vec<(i64, Digest)>,
}

/// The fields of a body; `None` if it is no array.
pub(crate) fn fields(row: &LedgerRow) -> Option<Vec<Value>> {
    serde_json::from_slice(&row.body).ok()
}

/// A field as a number.
pub(crate) fn number(fields: &[Value], place: usize) -> Option<i64> {
    fields.get(place).and_then(Value::as_i64)
}

/// The step of a leg's row.
pub(crate) fn step(row: &LedgerRow) -> Option<Step> {
    let fields = fields(row)?;
    let at = |place: usize| number(&fields, place);
    let why = at(6)?;
    let after = Standing {
        state: LegState::from_number(at(3)?)?,
        partner: at(4)?,
        person: at(5)?,
        why: if why == 0 {
            None
        } else {
            Some(Reason::from_number(why)?)
        },
        pending: at(7)?,
        asked: at(8)?,
        closing: at(9)?,
        raws: RawIds::from_array([at(10)?, at(11)?, at(12)?, at(13)?, at(14)?, at(15)?]),
    };
    let birth = match (fields.get(16).and_then(Value::as_str), at(17)) {
        (Some(reference), Some(source)) => Some((
            LegReference::from_bytes(unhex(reference)?.try_into().ok()?),
            source,
        )),
        _ => None,
    };
    let vouched = fields
        .iter()
        .skip(16)
        .find_map(Value::as_array)
        .map(|list| vouched(list))
        .unwrap_or_default();
    Some(Step {
        rev: at(0)?,
        prev: Place {
            strand: at(1)?,
            seq: at(2)?,
        },
        after,
        birth,
        vouched,
    })
}

/// The pairs of a list of ciphertexts.
pub(crate) fn vouched(list: &[Value]) -> Vec<(i64, Digest)> {
    list.iter()
        .filter_map(|pair| {
            let id = pair.get(0)?.as_i64()?;
            let digest = unhex(pair.get(1)?.as_str()?)?.try_into().ok()?;
            Some((id, digest))
        })
        .collect()
}
