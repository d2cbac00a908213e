//! Editing the text of a resource: members set or taken out, and whether it says a thing already.
//!
//! In come a server's own text and what it should say; out goes the new text. Kept: what an edit does not name stays byte for
//! byte as the server gave it: decimals, extensions, elements that we do not know.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// What an edit makes of the server's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// It is as it should be.
    Same,
    /// The new text.
    To(Vec<u8>),
    /// It is not the resource that it was taken for, so nothing is changed.
    NotOurs,
}

/// The text with these members set, or taken out where there is no value; `None` where it is no object.
pub(crate) fn set(body: &[u8], changes: &[(&str, Option<String>)]) -> Option<Vec<u8>> {
    let members = members_in_order(body)?;
    let mut text = Vec::with_capacity(body.len() + 64);
    let mut add = |key: &str, value: &str| {
        text.push(if text.is_empty() { b'{' } else { b',' });
        text.extend_from_slice(key.as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
    };
    let mut left: Vec<&(&str, Option<String>)> = changes.iter().collect();
    for (key, value) in members {
        let named: String = serde_json::from_str(key.get()).ok()?;
        match changes.iter().find(|(name, _)| *name == named) {
            None => add(key.get(), value.get()),
            Some((_, new)) => {
                left.retain(|(name, _)| *name != named);
                if let Some(new) = new {
                    add(key.get(), new);
                }
            }
        }
    }
    for (name, new) in left {
        if let Some(new) = new {
            add(&serde_json::to_string(name).ok()?, new);
        }
    }
    if text.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    Some(text)
}

/// Whether `theirs` says everything that `ours` says; what a server has added is no difference.
pub(crate) fn says(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => ours
            .iter()
            .all(|(key, ours)| theirs.get(key).is_some_and(|theirs| says(theirs, ours))),
        (Value::Array(theirs), Value::Array(ours)) => ours
            .iter()
            .all(|ours| theirs.iter().any(|theirs| says(theirs, ours))),
        (theirs, ours) => theirs == ours,
    }
}

/// The members of an object in their order, key and value each as its own text; `None` where it is no object.
pub(super) fn members_in_order(body: &[u8]) -> Option<Vec<(&RawValue, &RawValue)>> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    let members = text.deserialize_map(InOrder).ok()?;
    text.end().ok()?;
    Some(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_keeps_its_bytes() {
        let body = br#"{ "resourceType" : "Observation","status":"final",
            "valueQuantity":{"value":1.00, "_x":1.2E+2},"x\u0041":[ ],"note":[{"text":"a"}]}"#;
        let changes = [
            ("status", Some("\"amended\"".to_owned())),
            ("note", None),
            ("issued", Some("\"2026\"".to_owned())),
        ];
        let text = String::from_utf8(set(body, &changes).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"resourceType":"Observation","status":"amended","valueQuantity":{"value":1.00, "_x":1.2E+2},"x\u0041":[ ],"issued":"2026"}"#
        );
        assert_eq!(set(b"[1]", &changes), None);
        assert_eq!(set(b"<html>", &changes), None);
        assert_eq!(set(b"{}", &[]), Some(b"{}".to_vec()));
    }

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let theirs = json!({"coding": [{"system": "other", "code": "9"}, {"system": "a", "code": "b", "display": "B"}], "text": "t"});
        for (ours, same) in [
            (json!({"coding": [{"system": "a", "code": "b"}]}), true),
            (json!({"coding": [{"system": "a", "code": "c"}]}), false),
            (json!({"text": "t", "coding": []}), true),
            (json!({"text": "u"}), false),
            (json!({"id": "1"}), false),
        ] {
            assert_eq!(says(&theirs, &ours), same, "{ours}");
        }
    }
}
