//! What a FHIR `Reference` points at, read from its element.
//!
//! In comes the element and, where the resource came from a server, that server's base URL; out comes one of
//! the forms of FHIR R4 `references.html`. Kept: nothing absolute counts as ours unless it lies below the base.

use std::fmt;

use crate::json::Json;

/// Longest id FHIR R4 allows.
const ID_LENGTH_MAX: usize = 64;

/// The forms of a reference. `Debug` masks: a server id is patient data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference<'t> {
    /// `Patient/123`, also written absolute below our base or with `/_history/n`.
    Relative {
        kind: &'t str,
        id: &'t str,
    },
    /// `#id`: inside the same resource.
    Contained(&'t str),
    /// `urn:uuid:…` or `urn:oid:…`, to be found by `fullUrl`.
    Urn(&'t str),
    /// No address, but an identifier.
    Logical {
        system: Option<&'t str>,
        value: &'t str,
    },
    /// Words for a person only.
    DisplayOnly(&'t str),
    /// An address of another server, or one that names no single resource (a conditional reference).
    Foreign(&'t str),
    None,
}

impl<'t> Reference<'t> {
    /// Reads a `Reference` element; `base` is the FHIR base URL the resource was read from.
    pub(crate) fn parse(element: &'t Json<'_>, base: Option<&str>) -> Self {
        if let Some(text) = text_of(element, "reference") {
            return Self::parse_text(text, base);
        }
        if let Some((system, value)) = identifier(element) {
            return Reference::Logical { system, value };
        }
        match text_of(element, "display") {
            Some(display) => Reference::DisplayOnly(display),
            None => Reference::None,
        }
    }

    /// The same for an element that may be absent.
    pub(crate) fn of(element: Option<&'t Json<'_>>, base: Option<&str>) -> Self {
        element.map_or(Reference::None, |element| Self::parse(element, base))
    }

    /// Reads the address of a reference.
    pub(crate) fn parse_text(text: &'t str, base: Option<&str>) -> Self {
        // Nearly all of them: settled without a search.
        if let Some(slash) = text.bytes().position(|byte| byte == b'/')
            && let (Some(kind), Some(id)) = (text.get(..slash), text.get(slash + 1..))
            && is_id(id)
            && is_resource_type(kind)
        {
            return Reference::Relative { kind, id };
        }
        if let Some(id) = text.strip_prefix('#') {
            return Reference::Contained(id);
        }
        if text.starts_with("urn:") {
            return Reference::Urn(text);
        }
        match Address::parse(text) {
            Some(Address {
                base: None,
                kind,
                id,
            }) => Reference::Relative { kind, id },
            Some(address) if base.is_some_and(|base| address.is_below(base)) => {
                Reference::Relative {
                    kind: address.kind,
                    id: address.id,
                }
            }
            _ => Reference::Foreign(text),
        }
    }
}

/// What an address names: `[base/]Patient/123[/_history/4]`. The version is left out: the newest is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address<'t> {
    /// The server's base URL as written, without a slash at its end; none of a relative address.
    pub(crate) base: Option<&'t str>,
    pub(crate) kind: &'t str,
    pub(crate) id: &'t str,
}

impl<'t> Address<'t> {
    /// Reads an address of one resource; `None` of anything else (a `urn:`, a search, a bare host).
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let mut rest = text;
        if let Some((before, version)) = text.rsplit_once("/_history/") {
            if version.is_empty() || version.contains('/') {
                return None;
            }
            rest = before;
        }
        let (before, id) = rest.rsplit_once('/')?;
        let (base, kind) = match before.rsplit_once('/') {
            Some((base, kind)) => (Some(base.trim_end_matches('/')), kind),
            None => (None, before),
        };
        let host = |base: &str| {
            let (scheme, after) = base.split_once("://")?;
            let known = ["http", "https"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known));
            (known && !after.is_empty() && !after.contains(['?', '#'])).then_some(())
        };
        if let Some(base) = base {
            host(base)?;
        }
        (is_resource_type(kind) && is_id(id)).then_some(Self { base, kind, id })
    }

    /// Whether the base of the address is this one.
    pub(crate) fn is_below(&self, base: &str) -> bool {
        self.base.is_some_and(|own| same_base(own, base))
    }
}

/// Whether two base URLs are of one server.
pub(crate) fn same_base(one: &str, other: &str) -> bool {
    one == other || normal_base(one) == normal_base(other)
}

/// A base URL as it is compared: host in lower case, without scheme, the scheme's own port and a slash at its end. A
/// server that is reached by `http` and by `https` is one server.
pub(crate) fn normal_base(base: &str) -> String {
    let (scheme, after) = base.split_once("://").unwrap_or(("", base));
    let after = after.trim_end_matches('/');
    let (host, path) = match after.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (after, None),
    };
    let own_port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    let mut normal = host
        .strip_suffix(own_port)
        .unwrap_or(host)
        .to_ascii_lowercase();
    if let Some(path) = path {
        normal.push('/');
        normal.push_str(path);
    }
    normal
}

impl fmt::Debug for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Relative { kind, id } => {
                write!(f, "relative({kind}, {} characters)", id.len())
            }
            Reference::Contained(_) => f.write_str("contained"),
            Reference::Urn(_) => f.write_str("urn"),
            Reference::Logical { .. } => f.write_str("logical"),
            Reference::DisplayOnly(_) => f.write_str("display only"),
            Reference::Foreign(_) => f.write_str("foreign"),
            Reference::None => f.write_str("none"),
        }
    }
}

/// The identifier of a `Reference` element, whatever else it has.
pub(crate) fn identifier<'t>(element: &'t Json<'_>) -> Option<(Option<&'t str>, &'t str)> {
    let identifier = element.get("identifier")?;
    let value = text_of(identifier, "value")?;
    Some((text_of(identifier, "system"), value))
}

/// Whether a system is the one at this address, also as it is often miswritten: another scheme, other letters, a slash behind it.
pub(crate) fn is_system(written: &str, known: &str) -> bool {
    if written == known {
        return true;
    }
    match (without_scheme(written), without_scheme(known)) {
        (Some(written), Some(known)) => written.eq_ignore_ascii_case(known),
        _ => false,
    }
}

fn without_scheme(system: &str) -> Option<&str> {
    let system = system.trim().trim_end_matches('/');
    ["https://", "http://"]
        .iter()
        .find_map(|scheme| strip_prefix_of_any_case(system, scheme))
}

/// The rest of a text behind a beginning, in whatever letters.
pub(super) fn strip_prefix_of_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = (text.get(..prefix.len())?, text.get(prefix.len()..)?);
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A string member that is not empty, without the white space around it.
pub(super) fn text_of<'t>(element: &'t Json<'_>, key: &str) -> Option<&'t str> {
    element
        .get(key)
        .and_then(Json::as_str)
        .map(trimmed)
        .filter(|text| !text.is_empty())
}

/// [`str::trim`], which nearly no text needs.
pub(super) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Whether a text may stand in a URL as a resource id.
pub(crate) fn is_id(text: &str) -> bool {
    // Without a way out in the middle, so that several are looked at together.
    let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.');
    (1..=ID_LENGTH_MAX).contains(&text.len())
        && text.bytes().fold(true, |all, byte| all & fits(byte))
}

fn is_resource_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(element: &str, expected: &Reference<'_>) {
        let tree = Json::of(element);
        let base = Some("https://gp.example/fhir/");
        assert!(Reference::parse(&tree, base) == *expected, "{element}");
    }

    #[test]
    fn reads_every_form() {
        let patient = Reference::Relative {
            kind: "Patient",
            id: "p-1.a",
        };
        check(r#"{"reference":"Patient/p-1.a"}"#, &patient);
        check(r#"{"reference":"Patient/p-1.a/_history/3"}"#, &patient);
        check(
            r#"{"reference":"https://gp.example/fhir/Patient/p-1.a"}"#,
            &patient,
        );
        check(r##"{"reference":"#pat"}"##, &Reference::Contained("pat"));
        check(
            r#"{"reference":"urn:uuid:0f"}"#,
            &Reference::Urn("urn:uuid:0f"),
        );
        check(
            r#"{"identifier":{"system":"s","value":" v "},"display":"d"}"#,
            &Reference::Logical {
                system: Some("s"),
                value: "v",
            },
        );
        check(r#"{"display":"Dr A"}"#, &Reference::DisplayOnly("Dr A"));
        for nothing in ["{}", "null", r#"{"reference":""}"#, r#"{"reference":7}"#] {
            check(nothing, &Reference::None);
        }
        for own in [
            "HTTPS://GP.example:443/fhir/Patient/p-1.a",
            "http://gp.example/fhir//Patient/p-1.a/_history/2",
        ] {
            check(&format!(r#"{{"reference":"{own}"}}"#), &patient);
        }
        for foreign in [
            "https://gp.example:8443/fhir/Patient/1",
            "https://gp.example/FHIR/Patient/1",
            "ftp://gp.example/fhir/Patient/1",
            "https://gp.example/fhirx/Patient/1",
            "https://other.example/fhir/Patient/1",
            "Patient?identifier=a|b",
            "Patient/../../x",
            "Patient/1/2",
            "patient/1",
            "Patient/",
        ] {
            check(
                &format!(r#"{{"reference":"{foreign}"}}"#),
                &Reference::Foreign(foreign),
            );
        }
    }

    #[test]
    fn a_system_is_known_however_it_is_written() {
        let known = "http://snomed.info/sct";
        for same in [
            known,
            "https://snomed.info/sct",
            "HTTP://SNOMED.info/sct/",
            " http://snomed.info/sct ",
        ] {
            assert!(is_system(same, known), "{same}");
        }
        for other in [
            "http://snomed.info/sct/1",
            "snomed.info/sct",
            "urn:oid:2.16.840.1.113883.6.96",
            "",
        ] {
            assert!(!is_system(other, known), "{other}");
        }
        assert!(!is_system("x", "y") && is_system("urn:x", "urn:x"));
    }

    #[test]
    fn without_a_base_nothing_absolute_is_ours() {
        let tree = Json::of(r#"{"reference":"http://a/Patient/1"}"#);
        assert!(Reference::parse(&tree, None) == Reference::Foreign("http://a/Patient/1"));
        assert_eq!(format!("{:?}", Reference::parse(&tree, None)), "foreign");
        assert!(Reference::of(None, None) == Reference::None);
    }
}
