//! A searchset Bundle, read without touching the resources in it.
//!
//! In comes the body of an answer; out goes a view whose resources are slices of that body, byte for byte what the server
//! wrote: digests, decimals and element order survive.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::bundle_claims::{count, counted};
use super::edit::members_in_order;
use crate::json::{Json, items};

/// Why a body is not a Bundle. Says nothing of what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BundleError {
    /// Not JSON, or not the shape of a Bundle.
    #[error("answer is not a FHIR Bundle, column {column} of line {line}")]
    Malformed {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
    /// JSON of another resource type.
    #[error("answer is a FHIR resource but not a Bundle")]
    NotABundle,
    /// More entries than a page may have.
    #[error("answer has more than {max} entries")]
    TooManyEntries {
        /// The limit.
        max: usize,
    },
}

/// A Bundle over the bytes it was read from.
#[derive(Deserialize)]
pub(crate) struct BundleView<'a> {
    #[serde(rename = "resourceType", default)]
    resource_type: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    meta: Option<HeadMeta<'a>>,
    #[serde(borrow, default)]
    total: Option<&'a RawValue>,
    #[serde(rename = "_total", default)]
    about_total: Option<IgnoredAny>,
    #[serde(borrow, default)]
    link: Vec<Link<'a>>,
    #[serde(borrow, default)]
    entry: Vec<RawEntry<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow, default)]
    relation: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    url: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(rename = "fullUrl", borrow, default)]
    full_url: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    search: Option<SearchMode<'a>>,
}

#[derive(Deserialize)]
struct SearchMode<'a> {
    #[serde(borrow, default)]
    mode: Option<std::borrow::Cow<'a, str>>,
}

/// Why an entry is in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It answers the search; also where the server does not say.
    Match,
    /// It came along with a match.
    Include,
    /// It is an `OperationOutcome` about the search.
    Outcome,
}

/// One resource of a Bundle.
#[derive(Clone, Copy)]
pub(crate) struct EntryView<'a> {
    /// The resource, exactly as the server wrote it.
    pub(crate) resource: &'a [u8],
    /// Why it is there.
    pub(crate) mode: Mode,
    /// What the Bundle calls it by.
    pub(crate) full_url: Option<&'a str>,
}

impl<'a> BundleView<'a> {
    /// Reads a Bundle of at most `entries_max` entries.
    ///
    /// # Errors
    /// When the body is not a Bundle, or has too many entries.
    pub(crate) fn parse(body: &'a [u8], entries_max: usize) -> Result<Self, BundleError> {
        let bundle: Self =
            serde_json::from_slice(body).map_err(|error| BundleError::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        if bundle.resource_type.as_deref() != Some("Bundle") {
            return Err(BundleError::NotABundle);
        }
        if bundle.entry.len() > entries_max {
            return Err(BundleError::TooManyEntries { max: entries_max });
        }
        Ok(bundle)
    }

    /// The resources, in the server's order; entries without one are passed over.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryView<'_>> {
        self.entry.iter().filter_map(|entry| {
            let mode = entry
                .search
                .as_ref()
                .and_then(|search| search.mode.as_deref());
            Some(EntryView {
                resource: entry.resource?.get().as_bytes(),
                mode: match mode {
                    Some("include") => Mode::Include,
                    Some("outcome") => Mode::Outcome,
                    _ => Mode::Match,
                },
                full_url: entry.full_url.as_deref(),
            })
        })
    }

    /// Matches of which only the address came.
    pub(crate) fn without_resource(&self) -> u64 {
        let bare = self.entry.iter().filter(|entry| {
            let mode = entry.search.as_ref();
            let mode = mode.and_then(|search| search.mode.as_deref());
            entry.resource.is_none() && matches!(mode, None | Some("match"))
        });
        bare.count().try_into().unwrap_or(u64::MAX)
    }

    /// When the server made the Bundle, as written.
    pub(crate) fn updated(&self) -> Option<&str> {
        self.meta.as_ref()?.last_updated.as_deref()
    }

    /// How many matches there are on all pages, if the server counted them.
    pub(crate) fn total(&self) -> Option<u64> {
        let own = self.link("self").unwrap_or_default();
        self.total
            .filter(|_| counted(own, self.about_total.is_some()))
            .and_then(count)
    }

    /// The link of that relation, as the server wrote it.
    pub(crate) fn link(&self, relation: &str) -> Option<&str> {
        self.link
            .iter()
            .find(|link| link.relation == relation)
            .map(|link| link.url.as_ref())
            .filter(|url| !url.is_empty())
    }
}

/// Type and id of what the entries of a Bundle of requests are about, by the end of their URLs.
pub(crate) fn requested<'t>(
    bundle: &'t Json<'_>,
) -> impl Iterator<Item = (Option<&'t str>, &'t str)> {
    items(bundle.get("entry")).iter().map(|entry| {
        let url = entry.at(&["request", "url"]).and_then(Json::as_str);
        let mut parts = url.unwrap_or_default().rsplit('/');
        let id = parts.next().unwrap_or_default();
        (parts.next(), id)
    })
}

/// A Bundle in a file, its resources as their own texts.
#[derive(Deserialize)]
pub(crate) struct BundleText<'a> {
    /// `type`.
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    meta: Option<HeadMeta<'a>>,
    #[serde(borrow, default)]
    pub(crate) entry: Vec<EntryText<'a>>,
}

/// An entry as its own text, whatever else the Bundle holds.
#[derive(Deserialize)]
pub(crate) struct EntryText<'a> {
    #[serde(borrow, default, rename = "fullUrl")]
    pub(crate) full_url: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request: Option<EntryRequest<'a>>,
    #[serde(borrow, default)]
    response: Option<EntryResponse<'a>>,
}

#[derive(Deserialize)]
struct EntryRequest<'a> {
    #[serde(borrow, default)]
    method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    url: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct EntryResponse<'a> {
    #[serde(rename = "lastModified", borrow, default)]
    last_modified: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> BundleText<'a> {
    /// Reads a Bundle; `None` where it has not the shape of one.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
    }

    /// When it was made, as written.
    pub(crate) fn updated(&self) -> Option<&str> {
        self.meta.as_ref()?.last_updated.as_deref()
    }
}

impl EntryText<'_> {
    /// The address that the entry deletes, as written; empty where it does not say.
    pub(crate) fn deletes(&self) -> Option<&str> {
        let request = self.request.as_ref()?;
        (request.method.as_deref()? == "DELETE").then(|| request.url.as_deref().unwrap_or_default())
    }

    /// When the server did what the entry says, as written.
    pub(crate) fn done_at(&self) -> Option<&str> {
        self.response.as_ref()?.last_modified.as_deref()
    }
}

/// A Bundle of resources, each by the address that somebody used for it; `None` of nothing.
pub(crate) fn collected(entries: &[(String, std::sync::Arc<[u8]>)]) -> Option<Vec<u8>> {
    let mut text = br#"{"resourceType":"Bundle","type":"collection","entry":["#.to_vec();
    for (place, (url, resource)) in entries.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let url = serde_json::Value::from(url.as_str());
        text.extend_from_slice(format!(r#"{comma}{{"fullUrl":{url},"resource":"#).as_bytes());
        text.extend_from_slice(resource);
        text.push(b'}');
    }
    text.extend_from_slice(b"]}");
    (!entries.is_empty()).then_some(text)
}

/// The resource that a Bundle has by exactly this address.
pub(crate) fn by_address<'t, 'a>(bundle: &'t Json<'a>, url: &str) -> Option<&'t Json<'a>> {
    items(bundle.get("entry"))
        .iter()
        .find(|entry| entry.get("fullUrl").and_then(Json::as_str) == Some(url))?
        .get("resource")
}

/// The elements of a list as their own texts; `None` of anything but a list.
pub(crate) fn array_texts(bytes: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let elements: Vec<&RawValue> =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// What names a resource.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Head<'a> {
    /// `resourceType`.
    #[serde(rename = "resourceType", borrow, default)]
    pub(crate) resource_type: Option<std::borrow::Cow<'a, str>>,
    /// `id`; a number is tolerated, for some servers write one.
    #[serde(borrow, default, deserialize_with = "text_or_number")]
    pub(crate) id: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    meta: Option<HeadMeta<'a>>,
}

#[derive(Debug, Deserialize)]
struct HeadMeta<'a> {
    #[serde(
        rename = "versionId",
        borrow,
        default,
        deserialize_with = "text_or_number"
    )]
    version_id: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "lastUpdated", borrow, default)]
    last_updated: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    tag: Vec<Tag<'a>>,
}

#[derive(Debug, Deserialize)]
struct Tag<'a> {
    #[serde(borrow, default)]
    code: Option<std::borrow::Cow<'a, str>>,
}

fn text_or_number<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<std::borrow::Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrNumber<'a> {
        #[serde(borrow)]
        Text(std::borrow::Cow<'a, str>),
        Number(u64),
    }
    Ok(
        match Option::<TextOrNumber<'a>>::deserialize(deserializer)? {
            Some(TextOrNumber::Text(text)) => Some(text),
            Some(TextOrNumber::Number(number)) => Some(number.to_string().into()),
            None => None,
        },
    )
}

impl<'a> Head<'a> {
    /// Reads the type, id and version of a resource; empty where the bytes are not a resource.
    pub(crate) fn of(resource: &'a [u8]) -> Self {
        serde_json::from_slice(resource).unwrap_or_default()
    }

    /// `meta.versionId`.
    pub(crate) fn version(&self) -> Option<&str> {
        self.meta.as_ref()?.version_id.as_deref()
    }

    /// `meta.lastUpdated`, as written.
    pub(crate) fn updated(&self) -> Option<&str> {
        self.meta.as_ref()?.last_updated.as_deref()
    }

    /// Whether the server says that parts of the resource are missing.
    pub(crate) fn subsetted(&self) -> bool {
        let tags = self.meta.as_ref().map(|meta| &meta.tag);
        tags.into_iter()
            .flatten()
            .any(|tag| tag.code.as_deref() == Some("SUBSETTED"))
    }
}

/// What a resource says: every member but `meta`, which a server may write anew at each answer. The whole, where the
/// bytes are not a resource.
pub(crate) fn content(resource: &[u8]) -> Vec<u8> {
    without_meta(resource).unwrap_or_else(|| resource.to_vec())
}

fn without_meta(resource: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(resource.len());
    for (key, value) in members_in_order(resource)? {
        let name: String = serde_json::from_str(key.get()).ok()?;
        if name != "meta" {
            content.extend_from_slice(name.as_bytes());
            content.push(b':');
            content.extend_from_slice(value.get().as_bytes());
            content.push(b',');
        }
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_keep_their_own_bytes() {
        let body = br#"{"resourceType":"Bundle","total":9,"link":[{"relation":"self","url":"a"},
            {"relation":"next","url":"http:\/\/h\/fhir?p=2"}],
            "entry":[{"resource": {"resourceType":"Observation", "id":"1","valueQuantity":{"value":1.00}} ,"search":{"mode":"match"}},
                     {"fullUrl":"x"},{"resource":{"resourceType":"Patient"},"search":{"mode":"include"}}]}"#;
        let bundle = BundleView::parse(body, 10).unwrap();
        let entries: Vec<_> = bundle.entries().collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[0].resource,
            br#"{"resourceType":"Observation", "id":"1","valueQuantity":{"value":1.00}}"#
        );
        assert_eq!(entries[1].mode, Mode::Include);
        assert_eq!(bundle.link("next"), Some("http://h/fhir?p=2"));
    }

    #[test]
    fn the_head_tells_what_names_a_resource() {
        let body = br#"{"resourceType":"Patient","id":7,"meta":{"versionId":3,"lastUpdated":"2026-11-20T09:00:00Z",
            "tag":[{"system":"s","code":"SUBSETTED"}]}}"#;
        let head = Head::of(body);
        assert_eq!(
            (head.id.as_deref(), head.version(), head.updated()),
            (Some("7"), Some("3"), Some("2026-11-20T09:00:00Z"))
        );
        assert!(head.subsetted());
        assert!(!Head::of(br#"{"resourceType":"Patient","meta":{}}"#).subsetted());
    }

    #[test]
    fn content_is_everything_but_meta() {
        let of = |body: &str| content(body.as_bytes());
        let one = of(r#"{"meta":{"lastUpdated":"1"},"id":"a","note":[{"text":"\"x"}]}"#);
        let two =
            of(r#"{"id":"a", "meta" : {"lastUpdated":"2","tag":[]}, "note":[{"text":"\"x"}]}"#);
        assert_eq!(one, two);
        assert_ne!(one, of(r#"{"id":"a","note":[{"text":"\"y"}]}"#));
        assert_eq!(of("not a resource"), b"not a resource");
    }

    #[test]
    fn what_is_not_a_bundle_is_refused() {
        let deep = [
            b"{\"resourceType\":\"Bundle\",\"entry\":".as_slice(),
            &vec![b'['; 100_000],
        ]
        .concat();
        for (body, wanted) in [
            (b"<html>".as_slice(), "Malformed"),
            (b"", "Malformed"),
            (b"{\"resourceType\":\"Patient\"}", "NotABundle"),
            (b"{}", "NotABundle"),
            (
                b"{\"resourceType\":\"Bundle\",\"entry\":[{},{},{}]}",
                "TooManyEntries",
            ),
            (&deep, "Malformed"),
        ] {
            let error = BundleView::parse(body, 2).err().unwrap();
            assert!(format!("{error:?}").starts_with(wanted), "{wanted}");
        }
    }
}
