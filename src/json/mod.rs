//! JSON as a borrowed tree: parsed strictly, never copied, numbers kept as they are written.
//!
//! In comes the text of one resource; out comes a [`Json`] tree over it, in an [`Arena`] that is used again. Kept: what the
//! parser does not accept is an error with line and column, never a guess; depth is bounded; no error carries a value.
//! What resembles an earlier resource is read faster: by its keys ([`ShapeCache`]), by its values ([`ValueCache`]), or only in the
//! members that somebody reads ([`Members`]). Each of these starts over with the strict parser when it meets something else.

mod depth;
mod parser;
mod projection;
mod scan;
mod shape_cache;
mod tree;
mod value_cache;

pub(crate) use depth::{nests_within, to_string_end};
pub(crate) use projection::{Members, member_texts};
pub(crate) use scan::Scan;
pub(crate) use shape_cache::ShapeCache;
pub(crate) use tree::{Arena, Json, JsonError, items};
pub(crate) use value_cache::ValueCache;
