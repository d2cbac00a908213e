//! A small drop, and what each charity makes of it.

use super::*;
use crate::domain::LegReference;

fn clients(to: To, header: &[&str], rows: &[&[&str]]) -> Vec<Client> {
    let mut writer = RowWriter::new(Vec::new(), format(to)).unwrap();
    writer.write_row(header).unwrap();
    for row in rows {
        writer.write_row(row).unwrap();
    }
    clients_of(&read(&writer.finish().unwrap(), &ReadLimits::default()).unwrap())
}

fn back(returned: &Returned) -> Vec<Client> {
    clients_of(&read(&returned.bytes, &ReadLimits::default()).unwrap())
}

fn reference(number: u64) -> String {
    LegReference::from_random(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_string()
}

fn gym_clients() -> Vec<Client> {
    let cells: Vec<[String; 4]> = (1..=8)
        .map(|n| {
            [
                reference(n),
                format!("CHECK{n}"),
                format!("Given{n}"),
                format!("Müller{n}"),
            ]
        })
        .collect();
    let rows: Vec<Vec<&str>> = cells
        .iter()
        .map(|row| row.iter().map(String::as_str).collect())
        .collect();
    let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
    clients(
        To::Gym,
        &["Reference", "Check", "Given names", "Family name"],
        &rows,
    )
}

#[test]
fn a_long_return_has_a_row_a_visit_and_the_names_of_the_drop() {
    let header = ["Our ref", "Date of referral", "Name"];
    let rows: [&[&str]; 3] = [
        &["A1", "03/08/2026", "Ms Zoë O'Brien"],
        &["A2", "19/11/2026", "Mrs Irene Fox"],
        &["A3", "19/08/2026", "Mr Arthur Evans"],
    ];
    let clients = clients(To::Riverside, &header, &rows);
    let first = riverside(&clients, "Mr Arthur Evans", false).unwrap();
    assert_eq!((first.rows, first.observations), (4, 7));
    assert!(
        back(&first)
            .iter()
            .all(|row| row.cell("Name") != "Mr Arthur Evans")
    );
    assert_eq!(back(&first)[0].cell("Name"), "Ms Zoë O'Brien");
    let again = riverside(&clients, "Mr Arthur Evans", true).unwrap();
    assert_eq!((again.rows, again.observations), (5, 7));
    assert_eq!(back(&again)[4].cell("Stopped?"), "Yes");
}

#[test]
fn the_gym_makes_one_mistake_of_each_kind() {
    let clients = gym_clients();
    let returned = gym(&clients, &Client::default()).unwrap();
    assert_eq!((returned.rows, returned.observations), (10, 12));
    let reasons: Vec<&str> = returned.reasons.keys().copied().collect();
    let expected = [
        "bad-date",
        "bad-reference",
        "not-our-person",
        "not-your-reference",
        "out-of-range",
        "unknown-code",
    ];
    assert_eq!(reasons, expected);
    let wrong = back(&returned)[7].cell("Reference").to_owned();
    assert!(LegReference::parse(&wrong).is_err());
    assert!(LegReference::parse(back(&returned)[9].cell("Reference")).is_ok());
}

#[test]
fn a_column_sorted_alone_leaves_the_others_where_they_were() {
    let clients = gym_clients();
    let returned = back(&gym_sorted(&clients).unwrap());
    let column = |rows: &[Client], header: &str| {
        rows.iter()
            .map(|row| row.cell(header).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(column(&returned, "Check"), column(&clients, "Check"));
    assert_ne!(
        column(&returned, "Reference"),
        column(&clients, "Reference")
    );
}

#[test]
fn a_windows_sheet_keeps_its_accents() {
    let clients = clients(
        To::Debt,
        &["Kith ref", "Client"],
        &[&["A1", "Mr José García"]],
    );
    let returned = debt(&clients).unwrap();
    assert!(returned.bytes.windows(5).any(|bytes| bytes == b"Jos\xe9 "));
    assert_eq!(back(&returned)[0].cell("Client"), "Mr José García");
}

#[test]
fn the_link_workers_send_two_people_on_and_asked_one_of_them() {
    let rows: Vec<[String; 2]> = (1..=5)
        .map(|n| [reference(n), format!("Ms Ann Cook{n}")])
        .collect();
    let rows: Vec<[&str; 2]> = rows
        .iter()
        .map(|row| row.each_ref().map(String::as_str))
        .collect();
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    let returned = link(&clients(To::Link, &["Case", "Person"], &rows)).unwrap();
    assert_eq!((returned.rows, returned.observations), (5, 4));
    assert_eq!(returned.onward, BTreeMap::from([(To::Gym, 1)]));
    assert_eq!(returned.reasons, BTreeMap::from([("onward-consent", 1)]));
    let back = back(&returned);
    let sent_on: Vec<[&str; 3]> = back
        .iter()
        .filter(|row| !row.cell("Refer on to").is_empty())
        .map(|row| ["Person", "Refer on to", "Agreed to share?"].map(|header| row.cell(header)))
        .collect();
    let expected = [
        ["Ms Ann Cook3", "Green Gym", "Yes"],
        ["Ms Ann Cook4", "Green Gym", ""],
    ];
    assert_eq!(sent_on, expected);
}
