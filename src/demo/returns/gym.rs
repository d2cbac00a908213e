//! Green Gym's two returns: one with a mistake of each kind, one with a column sorted alone.

use super::{Client, FilledSheet, Returned};
use crate::demo::services::To;
use crate::domain::LegReference;

const GYM: &[&str] = &[
    "Reference",
    "Check",
    "Given names",
    "Family name",
    "First session",
    "Turned up",
    "Asked on",
    "Satisfied",
    "Worthwhile",
    "Happy",
    "Anxious",
    "Asked again on",
    "Satisfied again",
    "Worthwhile again",
    "Happy again",
    "Anxious again",
    "Left on",
    "How it went",
];

/// Green Gym: one row a client, with a mistake of each kind; `other` is somebody else's client, of another charity.
///
/// # Errors
/// The file could not be put together.
pub(in crate::demo) fn gym(clients: &[Client], other: &Client) -> anyhow::Result<Returned> {
    let mut sheet = FilledSheet::new(GYM);
    for (place, client) in clients.iter().enumerate() {
        let mistyped = mistyped(client.cell("Reference"));
        let (mut reference, mut first, mut came) = (client.cell("Reference"), "2026-09-09", "yes");
        let satisfied = (4 + place % 3).to_string();
        let mut again = (6 + place % 3).to_string();
        let reason = match place {
            4 => {
                first = "2026-02-31";
                "bad-date"
            }
            5 => {
                "11".clone_into(&mut again);
                "out-of-range"
            }
            6 => {
                came = "maybe";
                "unknown-code"
            }
            7 => {
                reference = &mistyped;
                "bad-reference"
            }
            _ => "",
        };
        let cells = [
            ("Reference", reference),
            ("Check", client.cell("Check")),
            ("Given names", client.cell("Given names")),
            ("Family name", client.cell("Family name")),
            ("First session", first),
            ("Turned up", came),
            ("Asked on", "2026-09-09"),
            ("Satisfied", &satisfied),
            ("Worthwhile", "5"),
            ("Happy", "4"),
            ("Anxious", "6"),
            ("Asked again on", "2026-10-28"),
            ("Satisfied again", &again),
            ("Worthwhile again", "7"),
            ("Happy again", "7"),
            ("Anxious again", "3"),
        ];
        if reason.is_empty() {
            sheet.row(&cells, 3);
        } else {
            sheet.faulty(&cells, reason);
        }
    }
    let came = [("First session", "2026-11-11"), ("Turned up", "yes")];
    let theirs = [
        ("Reference", other.cell("Our ref")),
        ("Family name", "O'Brien"),
    ];
    sheet.faulty(&[&theirs[..], &came].concat(), "not-your-reference");
    // Well formed, and given to nobody: references are random, so a collision is not to be expected in this world's age.
    let nobody = LegReference::from_random(0x5EED_0FF0_0D15_EA5E).to_string();
    sheet.faulty(
        &[
            &[("Reference", nobody.as_str()), ("Family name", "Walker")][..],
            &came,
        ]
        .concat(),
        "not-our-person",
    );
    sheet.finish(To::Gym, "returns autumn.csv")
}

/// Green Gym again: a list of leavers in which somebody sorted the first column and not the others.
///
/// # Errors
/// The file could not be put together.
pub(in crate::demo) fn gym_sorted(clients: &[Client]) -> anyhow::Result<Returned> {
    let mut sheet = FilledSheet::new(GYM);
    let in_place: Vec<&str> = clients
        .iter()
        .map(|client| client.cell("Reference"))
        .collect();
    let mut sorted = in_place.clone();
    sorted.sort_unstable();
    if sorted == in_place {
        sorted.reverse();
    }
    for (client, reference) in clients.iter().zip(sorted) {
        let cells = [
            ("Reference", reference),
            ("Check", client.cell("Check")),
            ("Given names", client.cell("Given names")),
            ("Family name", client.cell("Family name")),
            ("Left on", "2026-11-06"),
            ("How it went", "stayed to the end"),
        ];
        sheet.faulty(&cells, "sorted");
    }
    sheet.finish(To::Gym, "returns leavers.csv")
}

/// A reference with one character mistyped.
fn mistyped(reference: &str) -> String {
    let wrong = |(place, character): (usize, char)| match (place, character) {
        (6, 'A') => 'B',
        (6, _) => 'A',
        _ => character,
    };
    reference.chars().enumerate().map(wrong).collect()
}
