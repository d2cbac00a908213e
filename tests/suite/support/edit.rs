//! Changes of a text that are never without effect.

/// The text with every `from` made `to`; the test fails if there is none.
pub(crate) fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: no {from:?}");
    text.replace(from, to)
}

#[test]
fn a_replacement_of_nothing_fails_and_names_what_was_not_found() {
    assert_eq!(replace("mode = 1", "1", "2"), "mode = 2");
    let told = std::panic::catch_unwind(|| replace("mode = 1", "mood", "2"));
    let told = told.expect_err("there is no mood in it");
    let told = told.downcast_ref::<String>().expect("a failure has words");
    assert_eq!(told, "nothing to replace: no \"mood\"");
}
