//! The returns of Harbour Debt Advice and Hilltop Link Workers: one row a client.

use super::{Client, FilledSheet, Returned};
use crate::demo::services::To;

/// Harbour Debt Advice: one row a client.
///
/// # Errors
/// The file could not be put together.
pub(in crate::demo) fn debt(clients: &[Client]) -> anyhow::Result<Returned> {
    let mut sheet = FilledSheet::new(&[
        "Kith ref",
        "Client",
        "First appointment",
        "Came",
        "Case closed",
        "Result",
    ]);
    for (place, client) in clients.iter().enumerate() {
        let appointment = format!("{:02}/09/2026", 14 + place);
        let known = [
            ("Kith ref", client.cell("Kith ref")),
            ("Client", client.cell("Client")),
        ];
        let came = ("Came", if place == 5 { "No" } else { "Yes" });
        let seen = [
            &known[..],
            &[("First appointment", appointment.as_str()), came],
        ]
        .concat();
        match place {
            0..=3 => sheet.row(
                &[
                    &seen[..],
                    &[("Case closed", "12/10/2026"), ("Result", "Sorted")],
                ]
                .concat(),
                2,
            ),
            5 => sheet.row(
                &[
                    &seen[..],
                    &[("Case closed", "16/10/2026"), ("Result", "Lost touch")],
                ]
                .concat(),
                2,
            ),
            _ => sheet.row(&seen, 1),
        }
    }
    sheet.finish(To::Debt, "returns November.csv")
}

/// Hilltop Link Workers: where each case stands, and two people whom they would send on; one of them was not asked yet.
///
/// # Errors
/// The file could not be put together.
pub(in crate::demo) fn link(clients: &[Client]) -> anyhow::Result<Returned> {
    let mut sheet = FilledSheet::new(&[
        "Case",
        "Person",
        "Where we are",
        "Since",
        "Because",
        "Refer on to",
        "Agreed to share?",
    ]);
    for (place, client) in clients.iter().enumerate() {
        let known = [
            ("Case", client.cell("Case")),
            ("Person", client.cell("Person")),
            ("Since", "20.11.2026"),
        ];
        let taken_on = [&known[..], &[("Where we are", "Taken on")]].concat();
        let on_to = [&taken_on[..], &[("Refer on to", To::Gym.name())]].concat();
        match place {
            1 => {
                let because = ("Because", "Moving away next week");
                let ended = [("Where we are", "Not for us"), because];
                sheet.row(&[&known[..], &ended].concat(), 1);
            }
            2 => {
                let agreed = ("Agreed to share?", "Yes");
                sheet.onward(&[&on_to[..], &[agreed]].concat(), 1, To::Gym);
            }
            3 => sheet.faulty(&on_to, "onward-consent"),
            _ => sheet.row(&taken_on, 1),
        }
    }
    sheet.finish(To::Link, "returns so far.csv")
}
