//! Riverside's return: long, a row for every visit.

use anyhow::anyhow;

use super::{Client, FilledSheet, Returned};
use crate::demo::services::To;

/// Clients referred in this month have been through the whole course.
const COURSE_MONTH: &str = "/08/2026";

const HEADER: &[&str] = &[
    "Our ref",
    "Name",
    "Visit date",
    "At home?",
    "First asked",
    "LS1",
    "W1",
    "H1",
    "A1",
    "Asked again",
    "LS2",
    "W2",
    "H2",
    "A2",
    "Closed on",
    "Outcome",
    "Stopped?",
];
const BASELINE: [&str; 4] = ["LS1", "W1", "H1", "A1"];
const FOLLOW_UP: [&str; 4] = ["LS2", "W2", "H2", "A2"];

/// A row for every visit. Nothing yet of the client called `unvisited`; once they are told to stop, a row says that they
/// have.
///
/// # Errors
/// The file could not be put together.
pub(in crate::demo) fn riverside(
    clients: &[Client],
    unvisited: &str,
    stopped: bool,
) -> anyhow::Result<Returned> {
    let mut sheet = FilledSheet::new(HEADER);
    let visited = clients
        .iter()
        .filter(|client| client.cell("Name") != unvisited);
    for (place, client) in visited.enumerate() {
        let known = known(client);
        if client.cell("Date of referral").ends_with(COURSE_MONTH) {
            course(&mut sheet, place, known);
        } else {
            let visit = [("Visit date", "20/11/2026"), ("At home?", "Y")];
            sheet.row(&[&known[..], &visit].concat(), 1);
        }
    }
    if stopped {
        let client = clients
            .iter()
            .find(|client| client.cell("Name") == unvisited);
        let client = client.ok_or_else(|| anyhow!("the person to stop for is in no drop"))?;
        sheet.row(&[&known(client)[..], &[("Stopped?", "Yes")]].concat(), 0);
    }
    let file = if stopped {
        "returns week 48.csv"
    } else {
        "returns week 47.csv"
    };
    sheet.finish(To::Riverside, file)
}

fn known(client: &Client) -> [(&str, &str); 2] {
    ["Our ref", "Name"].map(|header| (header, client.cell(header)))
}

/// Three visits, the four questions at the first and at the last; every third client is finished then.
fn course(sheet: &mut FilledSheet, place: usize, known: [(&str, &str); 2]) {
    let day = |month: &str, first: usize| format!("{:02}/{month}/2026", first + place % 5);
    let (first, second, third) = (day("09", 7), day("09", 21), day("10", 19));
    let before = [3 + place % 3, 4, 3 + place % 2, 7 - place % 3].map(|score| score.to_string());
    let after = [5 + place % 3, 6, 6 + place % 2, 4 - place % 3].map(|score| score.to_string());
    let visit = |day, home| [("Visit date", day), ("At home?", home)];

    let mut cells = [&known[..], &visit(first.as_str(), "Y")].concat();
    cells.push(("First asked", &first));
    cells.extend(BASELINE.into_iter().zip(before.iter().map(String::as_str)));
    sheet.row(&cells, 2);

    let home = if place % 4 == 1 { "N" } else { "Y" };
    sheet.row(&[&known[..], &visit(second.as_str(), home)].concat(), 1);

    let mut cells = [&known[..], &visit(third.as_str(), "Y")].concat();
    cells.push(("Asked again", &third));
    cells.extend(FOLLOW_UP.into_iter().zip(after.iter().map(String::as_str)));
    if place.is_multiple_of(3) {
        cells.extend([("Closed on", "27/10/2026"), ("Outcome", "Finished")]);
        sheet.row(&cells, 3);
    } else {
        sheet.row(&cells, 2);
    }
}
