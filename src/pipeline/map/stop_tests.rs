//! What stands in a STOP or PAUSE row, and what does not.

use std::sync::Arc;

use jiff::civil::date;

use super::value_tests::{IMPLIED, PERSON, REQUEST, changed, rules};
use super::*;
use crate::json::Arena;
use crate::partner::SourceFacts;
use crate::pipeline::referral::{Referral, Setting};
use crate::seal::sha256;

#[test]
fn a_stop_holds_nothing_to_ring_or_visit_by_and_says_what_to_do() {
    let rules = rules(IMPLIED);
    let person = changed(PERSON, ("01632 960001", "")).replace("\"telecom\"", "\"x\"");
    for (person, number) in [(PERSON, true), (person.as_str(), false)] {
        let tokens = |fields: &[&[u8]]| sha256(fields);
        let stop = |action| {
            let bytes = |text: &str| Arc::<[u8]>::from(text.as_bytes());
            let referral = Referral {
                patient: Some(bytes(person)),
                ..Referral::of_request(bytes(REQUEST))
            };
            let arena = Arena::default();
            let trees = referral.trees(&arena).expect("the request is JSON");
            let source = SourceFacts {
                phone: Some("01632 960999"),
                ..SourceFacts::default()
            };
            let view = trees.view(
                Setting {
                    source,
                    today: date(2026, 11, 23),
                    activity_system: "",
                    rules: &rules,
                },
                facts("K7M3-9QXD-4T2P", action, "", 1),
            );
            row(&rules.partners[0], &view, &tokens).map(|cells| cells.join("|"))
        };
        let words = "Please stop. Because of our referral, do not ring, write to or visit this person. If they come to you by themselves, you may help them as you help anybody. Questions: 01632 960999.";
        // The phone is required, and stays blank all the same.
        let expected = format!("K7M3-9QXD-4T2P|STOP|{words}||Testperson|1950-05-06||||||||");
        assert_eq!(stop(Action::Stop), Ok(expected));
        let words = "Please wait. Start nothing new for this person on our referral. If you already see them, ring 01632 960999.";
        let expected = format!("K7M3-9QXD-4T2P|PAUSE|{words}||Testperson|1950-05-06||||||||");
        assert_eq!(stop(Action::Pause), Ok(expected));
        assert_eq!(
            stop(Action::New).is_ok(),
            number,
            "a new row needs the phone"
        );
    }
}
