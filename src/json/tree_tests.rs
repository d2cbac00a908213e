//! The tree against an independent parser, and what it refuses.

use super::*;
use crate::json::Members;
use crate::json::parser::REPEATED;

fn as_serde(value: &Json<'_>) -> serde_json::Value {
    match value {
        Json::Null => serde_json::Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Number(text) => serde_json::from_str(text).expect("a number is JSON by itself"),
        Json::String(text) => (*text).into(),
        Json::Array(elements) => elements.iter().map(as_serde).collect(),
        Json::Object(members) => serde_json::Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.to_string(), as_serde(value)))
                .collect(),
        ),
    }
}

#[test]
fn agrees_with_serde_json() {
    let documents = [
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "-12.50e+3",
        "1E5",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        r#""""#,
        r#""plain""#,
        r#""a\"b\\c\/d\b\f\n\r\t""#,
        r#""caf\u00e9 é""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ud83d\u0041""#,
        r#""\ude00""#,
        r#""\u12g4""#,
        r#""\x""#,
        "\"a\nb\"",
        "\"open",
        "[]",
        "[ ]",
        "[1, \"two\", [3], {\"four\": null}]",
        "[1,]",
        "[1 2]",
        "[",
        "{}",
        "{ }",
        r#"{"a":1,"b":{"c":[true,false]}}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        r#"{"a":1"#,
        "",
        "  ",
        "nul",
        "truefalse",
        "{} {}",
        "[1]x",
        "\u{a0}1",
    ];
    for document in documents {
        let arena = Arena::default();
        let ours = Json::parse(document.as_bytes(), &arena);
        let theirs = serde_json::from_str::<serde_json::Value>(document);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(&as_serde(ours), theirs, "{document}"),
            (Err(_), Err(_)) => {}
            _ => panic!("{document}: ours {ours:?}, theirs {theirs:?}"),
        }
    }
}

#[test]
fn keeps_numbers_order_and_borrows() {
    let tree = Json::of("\u{feff}{\"z\": 1.10, \"a\": \"plain\", \"e\": \"\\n\"}");
    let Json::Object(members) = &tree else {
        panic!("an object")
    };
    let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    assert_eq!(keys, ["z", "a", "e"]);
    assert!(matches!(tree.get("z"), Some(Json::Number("1.10"))));
    assert!(matches!(tree.get("a"), Some(Json::String("plain"))));
    assert_eq!(tree.get("e").and_then(Json::as_str), Some("\n"));
}

#[test]
fn says_where_and_never_what() {
    for (bytes, line, column, what) in [
        (&b"{\n  \"a\": 1,\n  \"a\": 2}"[..], 3, 3, REPEATED),
        (b"{\"a\":\"\xFFx\"}", 1, 7, "the text is not UTF-8"),
        ("[\"é\", x]".as_bytes(), 1, 7, "expected a value"),
        (b"[1", 1, 3, "the document ends inside a list or object"),
    ] {
        let expected = JsonError { line, column, what };
        assert_eq!(Json::parse(bytes, &Arena::default()).unwrap_err(), expected);
    }
}

#[test]
fn limits_depth_and_large_objects() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(JSON_DEPTH_MAX).as_bytes(), &Arena::default()).is_ok());
    assert!(Json::parse(nested(JSON_DEPTH_MAX + 1).as_bytes(), &Arena::default()).is_err());
    assert!(Json::parse("[".repeat(1_000_000).as_bytes(), &Arena::default()).is_err());
    let mut members: Vec<String> = (0..200).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(
        Json::parse(
            format!("{{{}}}", members.join(",")).as_bytes(),
            &Arena::default()
        )
        .is_ok()
    );
    members.push("\"k150\":0".to_owned());
    assert!(
        Json::parse(
            format!("{{{}}}", members.join(",")).as_bytes(),
            &Arena::default()
        )
        .is_err()
    );
}

/// A document with everything in it, and what it becomes with any one byte of it another.
const VARIED: &str = r#"{"id":"p","wanted":[{"a":1.50,"b":"x\"y","ab":{}}],"other":{"k":[true,null,-1e3],"l":{"k":"caf\u00e9 é","kk":false}},"_wanted":"\n","wantedString":"w"}"#;

#[test]
fn what_is_not_wanted_is_read_as_strictly_as_what_is() {
    let wanted = Members::default().with(&["wanted"]);
    let deep = Members::default().with(&["other.l.kk", "wanted.b"]);
    let mut refused = 0;
    for at in 0..VARIED.len() {
        for byte in *b"\"\\{}[]:,x0k\n\xFF" {
            let mut bytes = VARIED.as_bytes().to_vec();
            bytes[at] = byte;
            let arena = Arena::default();
            let whole = Json::parse(&bytes, &arena);
            let part = Json::parse_members(&bytes, &wanted, &arena);
            match (&whole, &part) {
                (Err(whole), Err(part)) => {
                    refused += 1;
                    assert_eq!(whole, part, "byte {at}");
                    let deep = Json::parse_members(&bytes, &deep, &Arena::default()).unwrap_err();
                    assert_eq!(*whole, deep, "byte {at}");
                }
                (Ok(whole), Ok(part)) => {
                    for key in ["wanted", "_wanted", "wantedString"] {
                        let text = |tree: &Json<'_>| tree.get(key).map(|value| value.to_text());
                        assert_eq!(text(whole), text(part), "{key}, byte {at}");
                    }
                    assert!(part.get("other").is_none() && part.get("id").is_none());
                }
                _ => panic!("byte {at}: whole {whole:?}, part {part:?}"),
            }
        }
    }
    assert!(refused > 500, "{refused}");
    let arena = Arena::default();
    let part = Json::parse_members(VARIED.as_bytes(), &deep, &arena).unwrap();
    assert_eq!(
        part.to_text(),
        r#"{"wanted":[{"b":"x\"y"}],"other":{"l":{"kk":false}},"_wanted":"\n","wantedString":"w"}"#
    );
    let keys: Vec<String> = (0..200).map(|n| format!("\"k{n}\":{n}")).collect();
    let twice = format!("{{\"o\":{{{},\"k150\":0}}}}", keys.join(","));
    let error = Json::parse(twice.as_bytes(), &Arena::default()).unwrap_err();
    assert_eq!(
        Json::parse_members(twice.as_bytes(), &wanted, &Arena::default()).unwrap_err(),
        error
    );
    let whole = Json::parse_members(VARIED.as_bytes(), &Members::all(), &arena).unwrap();
    assert_eq!(whole.to_text(), Json::of(VARIED).to_text());
}

#[test]
fn lists_items_and_walks_objects() {
    let tree = Json::of(r#"{"one":"x","many":[1,2],"none":null,"deep":{"er":true}}"#);
    assert_eq!(items(tree.get("one")).len(), 1);
    assert_eq!(items(tree.get("many")).len(), 2);
    assert!(items(tree.get("none")).is_empty() && items(tree.get("absent")).is_empty());
    assert_eq!(tree.at(&["deep", "er"]).and_then(Json::as_bool), Some(true));
    assert!(tree.at(&["many", "er"]).is_none());
    assert_eq!(
        format!("{tree:?} {:?}", tree.get("one")),
        "object(4) Some(string(1))"
    );
}
