//! A leg that a link worker opened follows the referral: what changes at the practice reaches both partners.

use serde_json::json;

use super::support::people::{day, written};
use super::support::table::{self, Layout, Table};
use super::watch_world::{ELM, OAK, World, case, phone, status};

const ONWARD: &str = r#"[[collect.event]]
kind = "onward"
on = "Date seen"
partner = { column = "Refer on to", codes = { Oak = "oak" } }
consent = { column = "Agreed?", yes = "Yes" }
[onward]
to = ["oak"]
"#;

#[test]
fn an_onward_leg_follows_the_changes_of_its_referral() {
    let cases = [
        case("revoked", ELM, |p| status(p, "revoked"), "", &[]),
        case("another phone", ELM, phone, "", &[]),
        case(
            "consent withdrawn",
            ELM,
            |p| p.consent["status"] = json!("inactive"),
            "",
            &[],
        ),
        case("on hold", ELM, |p| status(p, "on-hold"), "", &[]),
        case("nothing", ELM, |_| {}, "", &[]),
    ];
    let mut world = World::of(&cases);
    elm_refers_on(&world);
    world.run(&[]);
    refers_everybody_on(&world);
    // Taken in by one run, delivered by the next.
    world.run(&[]);
    world.run(&[]);
    let files = world.files();
    assert_eq!(files[OAK].len(), 1, "they were referred on");

    world.changes(&cases);
    world.run(&[]);
    let rows = world.rows(&files);
    let row = |n: usize| rows.get(&n).cloned().unwrap_or_default();
    let to = |partner: &str, what: &str| (partner.to_owned(), what.to_owned());
    let both = |what: &str| vec![to(ELM, what), to(OAK, what)];
    assert_eq!(row(1), both("STOP"));
    assert_eq!(row(2), both("AMEND"));
    // The link worker's service rests on direct care; the other one on the person's word, which is taken back.
    assert_eq!(row(3), [to(OAK, "STOP")]);
    assert_eq!(row(4), both("PAUSE"));
    assert_eq!(row(5), []);
    world.home.kith(&["prove"]).expect_code(0);
}

#[test]
fn an_onward_leg_waits_until_its_partners_wider_file_is_approved() {
    let world = World::of(&[case("nothing", ELM, |_| {}, "", &[])]);
    elm_refers_on(&world);
    world.run(&[]);
    let path = "mappings/partners/oak.toml";
    let home = &world.home;
    home.edit(path, "fields = [", "fields = [\"patient.email\", ");
    home.edit(path, "[partner]", "[partner]\nchanged_by = \"A. Writer\"");
    refers_everybody_on(&world);
    world.run(&[]);
    let summary = world.run(&[]);
    let held = summary["held"].as_array().expect("a list");
    let of = held.iter().map(|hold| (&hold["reason"], &hold["partner"]));
    assert_eq!(
        of.collect::<Vec<_>>(),
        [(&json!("not-approved"), &json!(OAK))]
    );
    assert!(world.files()[OAK].is_empty(), "nothing new goes");
    let who = ["--by", "B. Reader", "--because", "agreed with the partner"];
    let approve = [&["partner", "approve", OAK][..], &who].concat();
    world.home.kith(&approve).expect_code(0);
    let summary = world.run(&[]);
    assert_eq!(summary["held"], json!([]), "it goes on by itself");
    assert_eq!(world.files()[OAK].len(), 1, "to the partner it was for");
    world.home.kith(&["prove"]).expect_code(0);
}

fn elm_refers_on(world: &World) {
    let [elm, _, _] = world.partners.clone();
    let elm = elm.with("partner", "kind = \"link-worker\"").then(ONWARD);
    world.home.write("mappings/partners/elm.toml", elm.toml());
}

fn refers_everybody_on(world: &World) {
    let first = table::read(&world.home.drops(ELM)[0], Layout::COMMA);
    let header = [
        "Our ref",
        "Check",
        "Name",
        "Date seen",
        "Attended?",
        "Outcome",
        "Stopped?",
        "Refer on to",
        "Agreed?",
    ];
    let on = written(day(0));
    let told = first.rows.iter().map(|row| {
        [&row[0], &row[1], &row[3], &on, "", "", "", "Oak", "Yes"]
            .map(str::to_owned)
            .to_vec()
    });
    let returned = Table {
        header: header.map(str::to_owned).to_vec(),
        rows: told.collect(),
    };
    let bytes = table::write(&returned, Layout::COMMA);
    world.home.put_return(ELM, "returns 1.csv", &bytes);
}
