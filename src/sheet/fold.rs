//! Headers and cells as they are compared.

use super::text_forms::{composed, visible};

/// Headers and cells are compared without regard to case, white space, what cannot be seen, and the typographic form of a sign.
pub(crate) fn fold(text: &str) -> String {
    let unescaped = super::unescape(text);
    let seen = visible(&unescaped);
    let composed = composed(&seen);
    if composed.is_ascii() {
        return composed.to_ascii_lowercase();
    }
    composed.chars().flat_map(char::to_lowercase).collect()
}
