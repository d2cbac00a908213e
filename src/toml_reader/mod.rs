//! Reads TOML by hand into typed values, and says of everything that is wrong where it stands.
//!
//! The text of a config or mapping file comes in; typed values go out, each with its place, and every problem of the file
//! at once. Invariants: a key that nobody asked for is an error; nothing stops at the first problem; no value of a key that
//! may hold a secret is quoted. What the keys mean is known by whoever asks for them.

mod file_text;
mod problems;
mod reader;
mod source_text;
mod values;
#[cfg(test)]
pub(crate) mod watch;

pub(crate) use file_text::{bytes_within, text_within};
pub(crate) use problems::Problems;
pub(crate) use reader::{At, TableReader, TextOrTable};
pub(crate) use source_text::SourceText;
