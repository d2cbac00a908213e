//! Fits text into Windows-1252: the letter without its accent where the encoding lacks it (Ł → L, ő → o), else what the rule says.
//!
//! Text goes in and text comes out, every character of which the encoding can write. Invariant: a character is never lost without either a plain letter
//! in its place, a visible `?`, or an error; a `?` never comes from the rule for names.

use std::borrow::Cow;

use super::format::Encoding;

/// What to do with a character that the encoding cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnencodableRule {
    /// Nothing is changed: the cell is an error (`unencodable = "hold"`).
    Hold,
    /// The nearest plain letter, else an error: for names and every other identity column.
    LetterOrHold,
    /// The nearest plain letter, else `?` (`unencodable = "replace"` in free text).
    Replace,
}

/// A cell that the encoding cannot write; says where, never what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {position} of {characters} cannot be written in Windows-1252")]
pub(crate) struct Unencodable {
    /// Position of the first such character, from 1.
    pub(crate) position: usize,
    /// Length of the cell in characters.
    pub(crate) characters: usize,
}

/// Makes a cell writable in the encoding. The UTF encodings write everything, so there the cell comes back as it is.
///
/// # Errors
/// [`Unencodable`] if the rule allows no replacement.
pub(crate) fn encode_cell(
    cell: &str,
    encoding: Encoding,
    rule: UnencodableRule,
) -> Result<Cow<'_, str>, Unencodable> {
    if encoding != Encoding::Windows1252 || cell.is_ascii() || cell.chars().all(in_windows_1252) {
        return Ok(Cow::Borrowed(cell));
    }
    let mut written = String::with_capacity(cell.len());
    for (index, character) in cell.chars().enumerate() {
        if in_windows_1252(character) {
            written.push(character);
        } else if rule == UnencodableRule::Hold || !push_nearest(&mut written, character) {
            if rule != UnencodableRule::Replace {
                return Err(Unencodable {
                    position: index + 1,
                    characters: cell.chars().count(),
                });
            }
            written.push('?');
        }
    }
    Ok(Cow::Owned(written))
}

/// Whether Windows-1252 has the character. Control characters count as present: the writer replaces them by a space.
pub(crate) fn in_windows_1252(character: char) -> bool {
    matches!(character, '\0'..='\u{FF}')
        || matches!(
            character,
            '€' | '‚'
                | 'ƒ'
                | '„'
                | '…'
                | '†'
                | '‡'
                | 'ˆ'
                | '‰'
                | 'Š'
                | '‹'
                | 'Œ'
                | 'Ž'
                | '‘'
                | '’'
                | '“'
                | '”'
                | '•'
                | '–'
                | '—'
                | '˜'
                | '™'
                | 'š'
                | '›'
                | 'œ'
                | 'ž'
                | 'Ÿ'
        )
}

/// Writes the nearest plain form; `false` if there is none.
fn push_nearest(written: &mut String, character: char) -> bool {
    if let Some(letter) = plain_letter(character) {
        written.push(letter);
        return true;
    }
    let text = match character {
        'ẞ' => "SS",
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "'n",
        'Ǽ' | 'Ǣ' => "Æ",
        'ǽ' | 'ǣ' => "æ",
        'Ǿ' => "Ø",
        'ǿ' => "ø",
        '\u{02BC}' => "’",
        '\u{2010}' | '\u{2011}' | '\u{2212}' => "-",
        '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{2028}' | '\u{2029}' => " ",
        // Marks of direction and joining show nothing by themselves.
        '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' => "",
        '\u{0300}'..='\u{036F}' => return push_accent(written, character),
        _ => return false,
    };
    written.push_str(text);
    true
}

/// A separate accent (as macOS writes them) joins its letter if Windows-1252 has the two as one, else the letter stays plain.
fn push_accent(written: &mut String, accent: char) -> bool {
    let Some(letter) = written.pop() else {
        return true;
    };
    let pairs = match accent {
        '\u{0300}' => "AÀEÈIÌOÒUÙaàeèiìoòuù",
        '\u{0301}' => "AÁEÉIÍOÓUÚYÝaáeéiíoóuúyý",
        '\u{0302}' => "AÂEÊIÎOÔUÛaâeêiîoôuû",
        '\u{0303}' => "AÃOÕNÑaãoõnñ",
        '\u{0308}' => "AÄEËIÏOÖUÜYŸaäeëiïoöuüyÿ",
        '\u{030A}' => "AÅaå",
        '\u{030C}' => "SŠZŽsšzž",
        '\u{0327}' => "CÇcç",
        _ => "",
    };
    let joined = pairs.chars().skip_while(|&plain| plain != letter).nth(1);
    written.push(joined.unwrap_or(letter));
    true
}

/// Runs of accented Latin letters of Unicode, and for each letter the plain one; `?` where there is none.
const PLAIN: &[(u32, &str)] = &[
    (
        0x0100,
        "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKkkLlLlLlLlLlNnNnNn?NnOoOoOo??RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs",
    ),
    (0x01A0, "Oo"),
    (0x01AF, "Uu"),
    (0x01CD, "AaIiOoUuUuUuUuUu"),
    (0x01DE, "AaAa??GgGgKkOoOo??j???Gg"),
    (0x01F8, "NnAa????AaAaEeEeIiIiOoOoRrRrUuUuSsTt"),
    (0x021E, "Hh"),
    (0x0226, "AaEeOoOoOoOoYy"),
    (
        0x1E00,
        "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwy",
    ),
    (
        0x1EA0,
        "AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy",
    ),
];

fn plain_letter(character: char) -> Option<char> {
    let code = u32::from(character);
    PLAIN.iter().find_map(|(first, letters)| {
        let offset = usize::try_from(code.checked_sub(*first)?).ok()?;
        let letter = *letters.as_bytes().get(offset)?;
        (letter != b'?').then_some(char::from(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cell: &str, rule: UnencodableRule, expected: Result<&str, usize>) {
        let written = encode_cell(cell, Encoding::Windows1252, rule);
        assert_eq!(
            written.as_deref().map_err(|error| error.position),
            expected
                .as_ref()
                .map(|text| *text)
                .map_err(|position| *position),
            "{cell:?}"
        );
    }

    #[test]
    fn names_lose_accents_but_never_become_question_marks() {
        let names = [
            ("Zoë Müller", "Zoë Müller"),
            ("Łukasz Wiśniewski", "Lukasz Wisniewski"),
            ("Kőrösi", "Korösi"),
            ("Siân Dŵr", "Siân Dwr"),
            ("Ŷ", "Y"),
            ("Nguyễn Thị Hạnh", "Nguyen Thi Hanh"),
            ("Ștefan Țurcanu", "Stefan Turcanu"),
            ("Ğökçe Işık", "Gökçe Isik"),
            ("Dvořák", "Dvorák"),
            ("Jose\u{301} Strauẞ", "José StrauSS"),
            ("Ha\u{30C}\u{301}", "Há"),
            ("O\u{2BC}Brien", "O’Brien"),
            ("Øster €5 – “x”", "Øster €5 – “x”"),
        ];
        for (name, expected) in names {
            check(name, UnencodableRule::LetterOrHold, Ok(expected));
            check(name, UnencodableRule::Replace, Ok(expected));
        }
        check("Анна", UnencodableRule::LetterOrHold, Err(1));
        check("Li 李", UnencodableRule::LetterOrHold, Err(4));
    }

    #[test]
    fn free_text_gets_question_marks_and_hold_changes_nothing() {
        check("met 李 ✓", UnencodableRule::Replace, Ok("met ? ?"));
        check("Zoë Łukasz", UnencodableRule::Hold, Err(5));
        check("Zoë", UnencodableRule::Hold, Ok("Zoë"));
    }

    #[test]
    fn utf_8_takes_everything_as_it_is() {
        let cell = encode_cell("李 Ł e\u{301}", Encoding::Utf8, UnencodableRule::Hold);
        assert_eq!(cell.as_deref(), Ok("李 Ł e\u{301}"));
    }

    #[test]
    fn every_result_can_be_written() {
        for code in 0..=0x3_FFFF_u32 {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            let text = format!("a{character}");
            let written =
                encode_cell(&text, Encoding::Windows1252, UnencodableRule::Replace).unwrap();
            let (_, _, lossy) = encoding_rs::WINDOWS_1252.encode(&written);
            assert!(!lossy || character.is_control(), "{code:x}");
        }
    }
}
