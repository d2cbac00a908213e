//! What was not taken in is judged again: when its file comes again, and when its owner releases the row.

use super::batch_tests::Installation;
use crate::actions::hold::{self, Settled};
use crate::actions::{Actor, undo};
use crate::app::App;
use crate::domain::{HoldNumber, LegReference, Reason, Stage};
use crate::pipeline::event::{events, newest};
use crate::pipeline::reconcile::prove;

const HEADER: &str = "Our ref,C2,Visit date,Came\n";

/// A partner that tells visits in these words.
fn telling(codes: &str) -> String {
    format!(
        "[[collect.event]]\nkind = \"attendance\"\non = \"Visit date\"\nvalue = {{ column = \"Came\", codes = {{ {codes} }} }}\n"
    )
}

/// One person, who was sent to a partner that tells visits in these words.
async fn sent(codes: &str) -> Installation {
    let mut installation = Installation::new();
    installation.partner_telling("p", &telling(codes));
    installation.practice("a", 1, |_| "p".to_owned());
    installation.runs(1, &[Stage::Pull, Stage::Deliver]).await;
    installation
}

/// The partner sends this, and it is taken in.
async fn comes(installation: &Installation, name: &str, text: &str) {
    let file = installation.exchange().join("p/in").join(name);
    std::fs::write(file, text).unwrap();
    installation.runs(1, &[Stage::Collect, Stage::Match]).await;
}

/// The visits that stand: day of November and word; and why anything waits.
async fn stands(app: &App, reference: &str) -> (String, String) {
    let env = app.env();
    let reference = LegReference::parse(reference).unwrap();
    let legs = env.store.legs_by_references(vec![reference]).await.unwrap();
    let told = newest(events(env, legs[0].id).await.unwrap());
    let told = told.iter().filter(|event| !event.withdrawn);
    let told = told.map(|event| format!("{} {}", event.on.unwrap().day(), event.code));
    let open = env.store.open_holds(HoldNumber::NONE, 100).await.unwrap();
    let open = open.iter().map(|hold| hold.reason.code());
    let [mut told, mut open] = [told.collect::<Vec<_>>(), open.map(str::to_owned).collect()];
    told.sort();
    open.sort();
    (told.join(", "), open.join(", "))
}

async fn stands_after(installation: &Installation, reference: &str) -> (String, String) {
    let app = installation.open(1).await.unwrap();
    let stands = stands(&app, reference).await;
    app.close().await;
    stands
}

fn partner() -> Actor {
    let actor = Actor::new("A. Person", "the list has grown").unwrap();
    actor.acting_for("partner").unwrap()
}

fn and(told: &str, open: &str) -> (String, String) {
    (told.to_owned(), open.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_held_undone_or_read_by_older_rules_is_judged_again_when_it_comes_again() {
    const OTHER: &str = "Our ref,C2,Visit date,Was there\n";
    let (yes, grown) = (
        "Y = \"attended\"",
        "Y = \"attended\", maybe = \"did-not-attend\"",
    );
    let alias = "aliases = { \"Was there\" = \"Came\" }\n";
    for (what, header, word, first, edit, then) in [
        (
            "refused",
            OTHER,
            "Y",
            and("", "file-unread"),
            (alias, yes),
            and("20 attended", ""),
        ),
        (
            "held",
            HEADER,
            "maybe",
            and("", "unknown-code"),
            ("", grown),
            and("20 did-not-attend", ""),
        ),
        (
            "undone",
            HEADER,
            "Y",
            and("20 attended", ""),
            ("", yes),
            and("20 attended", ""),
        ),
        (
            "older rules",
            HEADER,
            "Y",
            and("20 attended", ""),
            ("", "Y = \"did-not-attend\""),
            and("20 did-not-attend", ""),
        ),
    ] {
        let installation = sent(yes).await;
        let reference = installation.first_reference("p");
        let text = format!("{header}{reference},Example,20/11/2026,{word}\n");
        comes(&installation, "sheet.csv", &text).await;
        assert_eq!(
            stands_after(&installation, &reference).await,
            first,
            "{what}"
        );
        if what == "undone" {
            let app = installation.open(1).await.unwrap();
            let id = undo::which(app.env(), "sheet.csv").await.unwrap();
            undo::undo(app.env(), id, &partner()).await.unwrap();
            assert_eq!(stands(&app, &reference).await, and("", ""), "{what}");
            app.close().await;
        }
        let (keys, codes) = edit;
        installation.partner_telling("p", &format!("{keys}{}", telling(codes)));
        comes(&installation, "sheet.csv", &text).await;
        assert_eq!(
            stands_after(&installation, &reference).await,
            then,
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_released_is_judged_by_the_words_of_today_and_undone_with_its_sheet() {
    let installation = sent("Y = \"attended\"").await;
    let reference = installation.first_reference("p");
    let rows = [("20", "maybe"), ("20", "Y"), ("21", "perhaps")];
    let rows = rows.map(|(day, word)| format!("{reference},Example,{day}/11/2026,{word}\n"));
    let text = format!("{HEADER}{}", rows.concat());
    comes(&installation, "sheet.csv", &text).await;
    let app = installation.open(1).await.unwrap();
    let waits = and("20 attended", "unknown-code, unknown-code");
    assert_eq!(stands(&app, &reference).await, waits);
    let holds = app
        .env()
        .store
        .open_holds(HoldNumber::NONE, 9)
        .await
        .unwrap();
    let [maybe, perhaps] = [&holds[0], &holds[1]].map(|hold| hold.number);
    let release =
        async |app: &App, number| hold::release(app.env(), number, &partner(), false).await;
    let still = release(&app, maybe).await.unwrap();
    assert!(
        matches!(still, Settled::StillWaits(Reason::UnknownCode)),
        "{still:?}"
    );
    assert_eq!(stands(&app, &reference).await, waits);
    app.close().await;

    installation.partner_telling(
        "p",
        &telling("Y = \"attended\", maybe = \"did-not-attend\""),
    );
    let app = installation.open(1).await.unwrap();
    let taken = release(&app, maybe).await.unwrap();
    assert!(matches!(taken, Settled::TakenIn), "{taken:?}");
    // The visit that was known stays: the row tells of another one of that day.
    let both = and("20 attended, 20 did-not-attend", "unknown-code");
    assert_eq!(stands(&app, &reference).await, both);
    let still = release(&app, perhaps).await.unwrap();
    assert!(
        matches!(still, Settled::StillWaits(Reason::UnknownCode)),
        "{still:?}"
    );
    assert!(release(&app, maybe).await.is_err(), "it was settled");
    let proof = prove::prove(app.env(), false).await.unwrap();
    assert!(proof.findings.is_empty(), "{:?}", proof.findings);
    let id = undo::which(app.env(), "sheet.csv").await.unwrap();
    undo::undo(app.env(), id, &partner()).await.unwrap();
    assert_eq!(stands(&app, &reference).await, and("", "unknown-code"));
    let gone = release(&app, perhaps).await.unwrap_err().to_string();
    assert!(gone.contains("was undone"), "{gone}");
    let proof = prove::prove(app.env(), false).await.unwrap();
    assert!(proof.findings.is_empty(), "{:?}", proof.findings);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_sheets_say_stands_when_one_of_them_is_undone() {
    let installation = sent("Y = \"attended\", N = \"did-not-attend\"").await;
    let reference = installation.first_reference("p");
    let sheet =
        |word: &str, end: &str| format!("{HEADER}{reference},Example,20/11/2026,{word}{end}");
    comes(&installation, "1.csv", &sheet("Y", "\n")).await;
    comes(&installation, "2.csv", &sheet("N", "\n")).await;
    comes(&installation, "3.csv", &sheet("N", "\r\n")).await;
    let app = installation.open(1).await.unwrap();
    for (name, then) in [
        ("2.csv", "20 did-not-attend"),
        ("3.csv", "20 attended"),
        ("1.csv", ""),
    ] {
        let id = undo::which(app.env(), name).await.unwrap();
        undo::undo(app.env(), id, &partner()).await.unwrap();
        assert_eq!(stands(&app, &reference).await, and(then, ""), "{name}");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sheet_of_everything_no_longer_tells_is_asked_about_once() {
    for (keys, asks) in [("", ""), ("cumulative = true\n", "no-longer-told")] {
        let mut installation = Installation::new();
        let visits = telling("Y = \"attended\", N = \"did-not-attend\"");
        installation.partner_telling("p", &format!("{keys}{visits}"));
        installation.practice("a", 2, |_| "p".to_owned());
        installation.runs(1, &[Stage::Pull, Stage::Deliver]).await;
        let references = installation.references("p");
        let sheet = |rows: &[(usize, &str, &str)]| {
            let rows = rows.iter().map(|(person, day, word)| {
                format!("{},Example,{day}/11/2026,{word}\n", references[*person])
            });
            format!("{HEADER}{}", rows.collect::<String>())
        };
        let all = [(0, "20", "Y"), (0, "21", "N"), (1, "20", "Y")];
        let both = "20 attended, 21 did-not-attend";
        for (name, rows, told, open) in [
            ("1.csv", &all[..], both, ""),
            // A visit is missing, and a whole person.
            ("2.csv", &all[..1], both, asks),
            // They are missing again, and something is new.
            (
                "3.csv",
                &[(0, "20", "Y"), (0, "19", "Y")],
                "19 attended, 20 attended, 21 did-not-attend",
                asks,
            ),
            // A copy that a program made tells less, and is no newer sheet.
            (
                "3 (1).csv",
                &all[..1],
                "19 attended, 20 attended, 21 did-not-attend",
                asks,
            ),
            // Told again, but for one.
            (
                "4.csv",
                &[all[2], all[1], all[0]],
                "19 attended, 20 attended, 21 did-not-attend",
                asks,
            ),
        ] {
            comes(&installation, name, &sheet(rows)).await;
            let (now, waits) = stands_after(&installation, &references[0]).await;
            assert_eq!(now, told, "{keys}{name}");
            let times = match name {
                "2.csv" | "3.csv" | "3 (1).csv" => 2,
                _ => 1,
            };
            let wanted = vec![open; times].join(", ");
            let wanted = if open.is_empty() {
                String::new()
            } else {
                wanted
            };
            assert_eq!(waits, wanted, "{keys}{name}");
        }
        let receipt = installation.exchange().join("p/out/receipts/2.receipt.csv");
        let receipt = std::fs::read_to_string(receipt).unwrap();
        let says = receipt.contains("Your last sheet told more than this one");
        assert_eq!(says, !keys.is_empty(), "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_endings_the_newest_stands_and_a_second_one_is_asked_about() {
    const ENDS: &str = r#"[[collect.event]]
kind = "status"
on = "Visit date"
value = { column = "Came", codes = { Finished = "completed", Moved = "closed-unsuccessful" } }
"#;
    let mut installation = Installation::new();
    installation.partner_telling("p", ENDS);
    installation.practice("a", 1, |_| "p".to_owned());
    installation.runs(1, &[Stage::Pull, Stage::Deliver]).await;
    let reference = installation.first_reference("p");
    let row =
        |name: &str, day: &str, word: &str| format!("{reference},{name},{day}/11/2026,{word}\n");
    for (file, rows, told, open) in [
        // The ending stands on two rows that are not equal in every cell.
        (
            "1.csv",
            row("Example", "21", "Finished") + &row("EXAMPLE", "21", "Finished"),
            "21 completed",
            "",
        ),
        (
            "2.csv",
            row("Example", "21", "Moved"),
            "21 closed-unsuccessful",
            "",
        ),
        (
            "3.csv",
            row("Example", "20", "Finished"),
            "21 closed-unsuccessful",
            "after-close",
        ),
        (
            "4.csv",
            row("Example", "21", "Moved") + &row("Example", "20", "Moved"),
            "21 closed-unsuccessful",
            "after-close, copied-row, copied-row",
        ),
    ] {
        comes(&installation, file, &format!("{HEADER}{rows}")).await;
        let stands = stands_after(&installation, &reference).await;
        assert_eq!(stands, and(told, open), "{file}");
    }
}
