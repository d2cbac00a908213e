//! A leg that a link worker opened follows the referral: what changes at the practice reaches both partners.

use serde_json::json;

use super::support::people::{day, written};
use super::support::world::{World, held};
use super::watch_cases::{ELM, OAK, SHARED, actions, case, change, phone, status, world_of};

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
    let (mut world, mut people) = world_of(&cases);
    elm_refers_on(&mut world);
    world.runs();
    refers_everybody_on(&world);
    // Taken in by one run, delivered by the next.
    world.runs();
    world.runs();
    let files = world.drops();
    assert_eq!(files[OAK].len(), 1, "they were referred on");

    change(&mut world, &mut people, &cases);
    world.runs();
    let rows = actions(&world, &files);
    let row = |n: usize| rows.get(&n).cloned().unwrap_or_default();
    let to = |partner: &str, what: &str| (partner.to_owned(), what.to_owned());
    let both = |what: &str| vec![to(ELM, what), to(OAK, what)];
    assert_eq!(row(1), both("STOP"));
    assert_eq!(row(2), both("AMEND"));
    // The link worker's service rests on direct care, to which the person can object too.
    assert_eq!(row(3), both("STOP"));
    assert_eq!(row(4), both("PAUSE"));
    assert_eq!(row(5), []);
    world.proves();
}

#[test]
fn an_onward_leg_waits_until_its_partners_wider_file_is_approved() {
    let (mut world, _) = world_of(&[case("nothing", ELM, |_| {}, "", &[])]);
    elm_refers_on(&mut world);
    world.runs();
    world.amends(OAK, |oak| {
        oak.with("partner", "changed_by = \"A. Writer\"")
            .shares(&[&SHARED[..], &["patient.email"]].concat())
    });
    refers_everybody_on(&world);
    world.runs();
    let summary = world.runs();
    let held = held(&summary);
    let of = held.iter().map(|hold| (&hold["reason"], &hold["partner"]));
    assert_eq!(
        of.collect::<Vec<_>>(),
        [(&json!("not-approved"), &json!(OAK))]
    );
    assert!(world.drops()[OAK].is_empty(), "nothing new goes");
    let who = ["--by", "B. Reader", "--because", "agreed with the partner"];
    let approve = [&["partner", "approve", OAK][..], &who].concat();
    world.kith(&approve, 0);
    let summary = world.runs();
    assert_eq!(summary["held"], json!([]), "it goes on by itself");
    assert_eq!(world.drops()[OAK].len(), 1, "to the partner it was for");
    world.proves();
}

fn elm_refers_on(world: &mut World) {
    world.amends(ELM, |elm| {
        elm.with("partner", "kind = \"link-worker\"").then(ONWARD)
    });
}

fn refers_everybody_on(world: &World) {
    let on = |row| {
        let answers = [
            ("Date seen", written(day(0))),
            ("Refer on to", "Oak".to_owned()),
            ("Agreed?", "Yes".to_owned()),
        ];
        (row, answers.to_vec())
    };
    let told: Vec<_> = world.rows().into_iter().map(on).collect();
    world.partner_returns(ELM, "returns 1.csv", &told);
}
