//! Headers that a platform asks for on every request, with the few things in them that change.
//!
//! A name and a text of the config come in; a header value for each attempt goes out. A text may hold `{uuid}` (new each
//! attempt), `{call}` (the same for every attempt of a call), `{run}` (the same for a whole run) and `{ods}` (the
//! practice), and may stand in `base64json(…)`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderName, HeaderValue};
use uuid::Uuid;

/// Names that the client sets itself: a template for one would break a request, or carry a secret past its rules.
const OWN: [&str; 19] = [
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "if-match",
    "if-none-exist",
    "prefer",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Characters of a header value.
const VALUE_MAX: usize = 8 * 1024;

/// Why a header of the config cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("the name of a header, or a text of letters, digits and signs, is needed")]
    Form,
    #[error("Kith sets this header itself")]
    Own,
    #[error("known placeholders are {{uuid}}, {{call}}, {{run}} and {{ods}}")]
    Placeholder,
    #[error("what stands in base64json( ) is not JSON")]
    Json,
}

/// A header with its text.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    name: HeaderName,
    text: String,
    base64: bool,
}

/// What the placeholders stand for.
pub(super) struct Filling {
    pub(super) uuid: Uuid,
    pub(super) call: Uuid,
    pub(super) run: Uuid,
}

impl Template {
    /// Reads a header of the config for a practice.
    ///
    /// # Errors
    /// A [`TemplateError`].
    pub(crate) fn read(name: &str, text: &str, ods: &str) -> Result<Self, TemplateError> {
        let name = name
            .parse::<HeaderName>()
            .map_err(|_| TemplateError::Form)?;
        if OWN.contains(&name.as_str()) {
            return Err(TemplateError::Own);
        }
        let inner = text
            .strip_prefix("base64json(")
            .and_then(|rest| rest.strip_suffix(')'));
        let template = Self {
            name,
            text: inner.unwrap_or(text).replace("{ods}", ods),
            base64: inner.is_some(),
        };
        let nil = Filling {
            uuid: Uuid::nil(),
            call: Uuid::nil(),
            run: Uuid::nil(),
        };
        let filled = template.filled(&nil);
        if template.base64 {
            serde_json::from_str::<serde::de::IgnoredAny>(&filled)
                .map_err(|_| TemplateError::Json)?;
        } else if filled.contains(['{', '}']) {
            return Err(TemplateError::Placeholder);
        }
        if placeholder_in(&filled) {
            return Err(TemplateError::Placeholder);
        }
        template.value(&nil).ok_or(TemplateError::Form)?;
        Ok(template)
    }

    /// The header's name.
    pub(super) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The header's value now.
    pub(super) fn value(&self, filling: &Filling) -> Option<HeaderValue> {
        let filled = self.filled(filling);
        let text = if self.base64 {
            STANDARD.encode(filled.as_bytes())
        } else {
            filled
        };
        (text.len() <= VALUE_MAX).then(|| HeaderValue::from_str(&text).ok())?
    }

    fn filled(&self, filling: &Filling) -> String {
        self.text
            .replace("{uuid}", &filling.uuid.to_string())
            .replace("{call}", &filling.call.to_string())
            .replace("{run}", &filling.run.to_string())
    }
}

/// Whether something is left that was meant as a placeholder: a word alone in braces, which no JSON has.
fn placeholder_in(text: &str) -> bool {
    text.split('{').skip(1).any(|rest| {
        let (word, _) = rest.split_once('}').unwrap_or_default();
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_or_refused_with_its_reason() {
        let filling = Filling {
            uuid: Uuid::from_u128(1),
            call: Uuid::from_u128(2),
            run: Uuid::from_u128(3),
        };
        let value = |name: &str, text: &str| {
            let template = Template::read(name, text, "ZZ001")?;
            Ok(template
                .value(&filling)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned())
        };
        let one = "00000000-0000-0000-0000-000000000001";
        assert_eq!(value("X-Request-ID", "{uuid}").as_deref(), Ok(one));
        assert_eq!(
            value("X", "{ods} {run}").as_deref(),
            Ok("ZZ001 00000000-0000-0000-0000-000000000003")
        );
        let organisation = "base64json({\"identifier\":[{\"value\":\"{ods}\"}]})";
        let coded = value("NHSD-End-User-Organisation", organisation).unwrap();
        assert_eq!(
            coded,
            STANDARD.encode(b"{\"identifier\":[{\"value\":\"ZZ001\"}]}")
        );
        for (name, text, wanted) in [
            ("X", "{ODS}", TemplateError::Placeholder),
            (
                "X",
                "base64json({\"a\":\"{odz}\"})",
                TemplateError::Placeholder,
            ),
            ("X", "base64json({a})", TemplateError::Json),
            ("Authorization", "Bearer x", TemplateError::Own),
            ("Two words", "x", TemplateError::Form),
            ("X", "a\nb", TemplateError::Form),
        ] {
            assert_eq!(value(name, text), Err(wanted), "{text}");
        }
    }
}
