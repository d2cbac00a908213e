//! Made-up people, and what a partner was sent of them: couples who share surname and phone, twins who share all but the first name.

use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

use super::draw::Draw;
use super::layouts::{MadeColumn, MadeLayout};
use crate::domain::{LegId, LegReference, RowToken};
use crate::pipeline::delivered_rows::{ComparedColumn, Delivered, Legs, Version};

const FAMILIES: [&str; 16] = [
    "Pear",
    "Quince",
    "Rowan",
    "O'Brien",
    "Hazel-Smythe",
    "Núñez",
    "van der Berg",
    "Ng",
    "Alder",
    "Birch",
    "Thévenet",
    "Sørensen",
    "Begum",
    "Khan",
    "Medlar",
    "Damson",
];
const GIVEN: [&str; 16] = [
    "Zoë",
    "Ben",
    "Cleo",
    "Dai",
    "Ann Marie",
    "Siân",
    "José",
    "Lily",
    "Oisín",
    "Ruth",
    "Sam",
    "Noor",
    "Jean-Luc",
    "Ada",
    "Ivo",
    "May",
];

/// A person, as the drop had them.
#[derive(Clone, Debug)]
pub(super) struct MadePerson {
    pub(super) reference: LegReference,
    pub(super) check: String,
    pub(super) nhs_number: String,
    pub(super) family: String,
    pub(super) given: String,
    pub(super) born: Date,
    pub(super) phone: String,
    pub(super) address: String,
    pub(super) postcode: String,
    pub(super) referred: Date,
    pub(super) leg: LegId,
}

/// So many people; every eighth shares surname, phone and address with the one before, every ninth the day of birth too.
pub(super) fn people(draw: &mut Draw, count: usize) -> Vec<MadePerson> {
    let mut people: Vec<MadePerson> = Vec::with_capacity(count);
    for place in 0..count {
        let number = i64::try_from(place).expect("few people") + 1;
        let mut digest = [0_u8; 32];
        for byte in &mut digest {
            *byte = u8::try_from(draw.below(256)).expect("a byte");
        }
        let mut person = MadePerson {
            // Random, and one for each person: the place is a part of it.
            reference: LegReference::from_random((number.unsigned_abs() << 30) | draw.bits_of(30)),
            check: RowToken::from_digest(&digest).to_string(),
            nhs_number: format!(
                "9{:03} {:03} {:03}",
                draw.below(1_000),
                place % 1_000,
                place / 1_000
            ),
            family: (*draw.one(&FAMILIES)).to_owned(),
            given: (*draw.one(&GIVEN)).to_owned(),
            born: date(1930, 1, 1) + draw.days_below(25_000),
            phone: format!("07700 {place:06}"),
            address: format!("{} Mill Lane, Upper Elm", draw.below(300) + 1),
            postcode: format!("ZZ{} {}AA", draw.below(9) + 1, draw.below(9)),
            referred: date(2026, 7, 1) + draw.days_below(60),
            leg: LegId::new(number),
        };
        let twin = place % 9 == 8;
        if let Some(other) = people.last()
            && (twin || place % 8 == 7)
        {
            person.family.clone_from(&other.family);
            person.phone.clone_from(&other.phone);
            person.address.clone_from(&other.address);
            person.postcode.clone_from(&other.postcode);
            if twin {
                person.born = other.born;
            }
            while person.given == other.given {
                person.given = (*draw.one(&GIVEN)).to_owned();
            }
        }
        people.push(person);
    }
    people
}

/// What is known of the references of these people, whose drop had this layout.
pub(super) fn delivered(layout: &MadeLayout, people: &[MadePerson]) -> Legs {
    let compared: Vec<(&MadeColumn, ComparedColumn)> = layout
        .columns
        .iter()
        .filter_map(|column| Some((column, layout.compared(column)?)))
        .collect();
    let columns: Arc<[ComparedColumn]> = compared.iter().map(|(_, found)| found.clone()).collect();
    let known = people.iter().map(|person| {
        let cells: Vec<String> = compared
            .iter()
            .map(|(column, _)| layout.delivered_cell(column.holds, person))
            .collect();
        let token = if layout.checked() { &*person.check } else { "" };
        let delivered = Delivered {
            own: true,
            leg: person.leg,
            authored_on: Some(person.referred),
            closed_on: None,
            ended_on: None,
            versions: vec![Version::new(token, Arc::clone(&columns), &cells)],
        };
        (person.reference, delivered)
    });
    known.collect()
}

/// Some days after another.
pub(super) fn after(day: Date, days: usize) -> Date {
    day + i64::try_from(days).expect("few days").days()
}
