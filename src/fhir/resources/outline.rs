//! What an index needs of a resource: type, id, date and NHS numbers, read without a tree.
//!
//! In come the bytes of one resource; out come the texts of a few members. Kept: wherever the careful way is needed (an error
//! to be placed, an id with an escape, an element of another form) there is no outline, and the caller parses. An outline
//! checks the whole document but for repeated keys; a first look checks nothing, and whoever takes one has the document
//! parsed later.

use super::patient;
use super::resource::RESOURCE_TYPE;
use crate::json::{Arena, Json, Scan, ValueCache, member_texts};

/// Types that a referral is made of, and those that may hold or tell of one.
const NEEDED: [&str; 9] = [
    "ServiceRequest",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Consent",
    "Bundle",
    "OperationOutcome",
    "Parameters",
];

/// Type, id and date of a resource.
pub(crate) struct Outline<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) id: Option<&'a str>,
    /// `meta.lastUpdated`, as written.
    pub(crate) last_updated: Option<&'a str>,
    identifier: Option<&'a str>,
}

impl<'a> Outline<'a> {
    /// Reads a whole document.
    pub(crate) fn of(bytes: &'a [u8], arena: &'a Arena) -> Option<Self> {
        let [resource_type, id, meta, identifier] =
            member_texts(bytes, &["resourceType", "id", "meta", "identifier"], arena)?;
        let last_updated = match meta {
            Some(meta) if meta.starts_with('{') => {
                let [last_updated] = member_texts(meta.as_bytes(), &["lastUpdated"], arena)?;
                last_updated
            }
            Some(_) => return None,
            None => None,
        };
        Some(Self {
            resource_type: plain(resource_type?)?,
            id: match id {
                Some(id) => Some(plain(id)?),
                None => None,
            },
            last_updated: match last_updated {
                Some(text) => Some(plain(text)?.trim()),
                None => None,
            },
            identifier,
        })
    }

    /// Hands over the NHS numbers of a Patient, as [`patient::nhs_numbers_of`] finds them.
    pub(crate) fn each_nhs_number(&self, mut take: impl FnMut(&str)) {
        let Some(text) = self.identifier else {
            return;
        };
        let arena = Arena::default();
        if let Ok(tree) = Json::parse(text.as_bytes(), &arena) {
            for number in patient::nhs_numbers_of(Some(&tree)) {
                take(&number);
            }
        }
    }
}

/// Type and id of a resource, and nothing read behind them.
pub(crate) struct Overview<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) id: &'a str,
    bytes: &'a [u8],
    behind_id: Scan<'a>,
}

impl<'a> Overview<'a> {
    /// Looks at what names a resource.
    pub(crate) fn at(bytes: &'a [u8]) -> Option<Self> {
        let mut scan = Scan::over(bytes)?;
        let [resource_type, id] = scan.members(&["resourceType", "id"])?;
        Some(Self {
            resource_type: plain(resource_type?)?,
            id: plain(id?)?,
            bytes,
            behind_id: scan,
        })
    }

    /// Hands over the NHS numbers of a Patient, as [`patient::nhs_numbers_of`] finds them; false if that could not be done,
    /// and some may have been handed over. What stands beside the numbers is often the same as in the last Patient.
    pub(crate) fn each_nhs_number(
        self,
        beside: &mut ValueCache,
        mut take: impl FnMut(&str),
    ) -> bool {
        match numbers_in(self.behind_id, beside, &mut take) {
            // They may stand before the id.
            Some(false) => Scan::over(self.bytes)
                .and_then(|whole| numbers_in(whole, beside, &mut take))
                .is_some(),
            found => found.is_some(),
        }
    }
}

/// Whether there are identifiers from here on; the NHS numbers among them are handed over.
fn numbers_in(
    scan: Scan<'_>,
    beside: &mut ValueCache,
    take: &mut impl FnMut(&str),
) -> Option<bool> {
    let names = ["system", "value", "use"];
    scan.each("identifier", &names, beside, |[system, value, used_as]| {
        let Some(value) = value else { return Some(()) };
        let (system, value) = (plain(system?)?.trim(), plain(value)?.trim());
        let old = match used_as {
            Some(word) => plain(word)?.trim() == "old",
            None => false,
        };
        if patient::is_nhs_number_system(system) && !old {
            take(&patient::normal_nhs_number(value));
        }
        Some(())
    })
}

/// Whether something that is too long to be read may be part of a referral, by its beginning.
pub(crate) fn may_be_needed(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let found = Scan::over(head).and_then(|mut scan| scan.members(&[RESOURCE_TYPE]));
    let kind = found.and_then(|[kind]| plain(kind?));
    kind.is_none_or(|kind| NEEDED.contains(&kind.trim()))
}

/// The text of a JSON string that says something and has no escape.
fn plain(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\') && !inner.trim().is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

    fn outline(text: &str) -> Option<(String, Vec<String>)> {
        let arena = Arena::default();
        let outline = Outline::of(text.as_bytes(), &arena)?;
        let mut numbers = Vec::new();
        outline.each_nhs_number(|number| numbers.push(number.to_owned()));
        let id = outline.id.unwrap_or("-");
        Some((format!("{}/{id}", outline.resource_type), numbers))
    }

    fn first_look(text: &str) -> Option<(String, Vec<String>)> {
        let look = Overview::at(text.as_bytes())?;
        let name = format!("{}/{}", look.resource_type, look.id);
        let mut numbers = Vec::new();
        look.each_nhs_number(&mut ValueCache::default(), |number| {
            numbers.push(number.to_owned());
        })
        .then_some((name, numbers))
    }

    #[test]
    fn an_outline_and_a_first_look_find_what_a_tree_has() {
        let numbers = format!(
            r#""identifier":[{{"system":"x","value":"1"}},{{"system":"{NUMBER}","value":" 9990000018 "}},
            {{"use":"old","system":"{NUMBER}","value":"9990000026"}}]"#
        );
        for text in [
            format!(r#"{{"resourceType":"Patient","id":"p",{numbers},"active":true}}"#),
            format!(r#"{{{numbers},"resourceType":"Patient","id":"p"}}"#),
        ] {
            let found = Some(("Patient/p".to_owned(), vec!["9990000018".to_owned()]));
            assert_eq!(outline(&text), found, "{text}");
            assert_eq!(first_look(&text), found, "{text}");
        }
        for careful in [
            r#"{"resourceType":"Patient","id":7}"#,
            r#"{"id":"p"}"#,
            "[1]",
        ] {
            assert_eq!(outline(careful), None, "{careful}");
            assert_eq!(first_look(careful), None, "{careful}");
        }
    }

    #[test]
    fn what_is_too_long_matters_unless_its_beginning_says_otherwise() {
        for (head, wanted) in [
            (r#"{"resourceType":"Binary","data":"AAAA"#, false),
            (
                r#"{"id":"1","meta":{"x":[1]},"resourceType":"Binary","data":"A"#,
                false,
            ),
            (
                "\u{feff}{\"resourceType\":\"DocumentReference\",\"x\":\"",
                false,
            ),
            (r#"{"resourceType":"Bundle","entry":["#, true),
            (r#"{"resourceType":"Patient","photo":"#, true),
            (r#"{"resourceType":"Bin\u0061ry","data":"#, true),
            (r#"{"data":"AAAA"#, true),
            (r#"{"resourceType":7,"data":"#, true),
            ("[[[", true),
            ("", true),
        ] {
            assert_eq!(may_be_needed(head.as_bytes()), wanted, "{head}");
        }
    }
}
