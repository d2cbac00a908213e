//! How a partner wants a file written: delimiter, encoding, line ends, quotes.
//!
//! The words are those of partner files (`format = { delimiter = ",", encoding = "utf-8-bom", newline = "crlf", quote = "necessary" }`), and the same
//! words stand in the manifest. Formulas are always escaped, so there is no key for it here.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

/// Layout of a file that we write; the default opens in Excel by a double click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// One of `,`, `;`, tab and `|`.
    pub(crate) delimiter: u8,
    pub(crate) encoding: Encoding,
    pub(crate) newline: Newline,
    pub(crate) quote: QuoteRule,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            delimiter: b',',
            encoding: Encoding::Utf8Bom,
            newline: Newline::Crlf,
            quote: QuoteRule::Necessary,
        }
    }
}

/// Encoding of a file that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-8 behind a byte order mark, without which Excel takes it for Windows-1252.
    #[serde(rename = "utf-8-bom")]
    Utf8Bom,
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// End of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Newline {
    Crlf,
    Lf,
}

/// Which cells stand in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QuoteRule {
    /// Those that would be misread without.
    Necessary,
    /// All, the header's too.
    Always,
}

/// A word of a partner file that is not one of the choices; names the choices, not the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is not one of {choices}")]
pub(crate) struct FormatError {
    pub(crate) key: &'static str,
    pub(crate) choices: &'static str,
}

/// Reads a delimiter: the character itself; a tab also as `tab` or `\t`.
pub(crate) fn parse_delimiter(text: &str) -> Result<u8, FormatError> {
    match text {
        "," => Ok(b','),
        ";" => Ok(b';'),
        "|" => Ok(b'|'),
        "\t" | "tab" | "\\t" => Ok(b'\t'),
        _ => Err(FormatError {
            key: "delimiter",
            choices: "\",\" \";\" \"|\" \"tab\"",
        }),
    }
}

/// Reads an encoding's word.
pub(crate) fn parse_encoding(text: &str) -> Result<Encoding, FormatError> {
    let choices = "\"utf-8\" \"utf-8-bom\" \"windows-1252\"";
    parse_word(text, "encoding", choices)
}

/// Reads a line end's word.
pub(crate) fn parse_newline(text: &str) -> Result<Newline, FormatError> {
    parse_word(text, "newline", "\"crlf\" \"lf\"")
}

/// Reads a quote rule's word.
pub(crate) fn parse_quote(text: &str) -> Result<QuoteRule, FormatError> {
    parse_word(text, "quote", "\"necessary\" \"always\"")
}

/// Reads one of the words under which a choice stands in a manifest.
fn parse_word<T: DeserializeOwned>(
    text: &str,
    key: &'static str,
    choices: &'static str,
) -> Result<T, FormatError> {
    let word: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(word).map_err(|_| FormatError { key, choices })
}

/// A format as it stands in a manifest: the words of the partner file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormatWords {
    delimiter: String,
    encoding: Encoding,
    newline: Newline,
    quote: QuoteRule,
}

impl From<Format> for FormatWords {
    fn from(format: Format) -> Self {
        Self {
            delimiter: char::from(format.delimiter).to_string(),
            encoding: format.encoding,
            newline: format.newline,
            quote: format.quote,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_a_partner_file_is_read_and_no_other() {
        assert_eq!(parse_delimiter(";"), Ok(b';'));
        assert_eq!(parse_delimiter("tab"), Ok(b'\t'));
        assert!(parse_delimiter(":").is_err());
        assert!(parse_delimiter(",,").is_err());
        assert_eq!(parse_encoding("utf-8-bom"), Ok(Encoding::Utf8Bom));
        assert!(parse_encoding("UTF8").is_err());
        assert_eq!(parse_newline("lf"), Ok(Newline::Lf));
        assert!(parse_newline("cr").is_err());
        assert_eq!(parse_quote("always"), Ok(QuoteRule::Always));
        assert!(parse_quote("never").is_err());
    }

    #[test]
    fn a_manifest_says_the_format_in_the_same_words() {
        let words = serde_json::to_string(&FormatWords::from(Format::default())).unwrap();
        assert_eq!(
            words,
            r#"{"delimiter":",","encoding":"utf-8-bom","newline":"crlf","quote":"necessary"}"#
        );
    }
}
