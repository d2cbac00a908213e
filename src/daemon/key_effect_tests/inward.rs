//! Keys that decide what becomes of a return.

use super::*;
use crate::diagnostics::Diagnostic;

/// What a partner answers, and whether the run waits for its file to stand still.
struct Answer<'a> {
    name: &'a str,
    columns: &'a str,
    cells: &'a str,
    settled: bool,
}

/// What is changed, what the partner answers, and what comes of it.
type ReturnCase<'a> = (&'a [(&'a str, &'a str)], Answer<'a>, &'a str);

const DONE: Answer<'_> = Answer {
    name: "returns.csv",
    columns: "On,Outcome,Why",
    cells: "22/11/2026,Done,well",
    settled: false,
};

impl Changed {
    /// What comes of the row that went out and came back with an answer: the states of legs, and why somebody waits.
    async fn comes_back(&self, answer: &Answer<'_>) -> String {
        self.answered(answer).await.0
    }

    /// The same, and the receipt, if there is one.
    async fn answered(&self, answer: &Answer<'_>) -> (String, String) {
        let home = self.home();
        let app = open(&home).await.unwrap();
        let stages = [Stage::Pull, Stage::Select, Stage::Map, Stage::Deliver];
        run(app.env(), &stages, &Only::default()).await.unwrap();
        app.close().await;
        puts(&home, answer);
        let app = open(&home).await.unwrap();
        let only = Only {
            settled: answer.settled,
            ..Only::default()
        };
        let stages = [Stage::Collect, Stage::Match];
        let outcome = run(app.env(), &stages, &only).await.unwrap();
        app.close().await;
        let mut said: Vec<String> = outcome.summary.legs.keys().cloned().collect();
        let books = outcome.summary.books.iter();
        said.extend(books.flat_map(|book| book.reasons.keys().cloned()));
        said.dedup();
        let all = outcome.diagnostics.iter().chain(&outcome.unreachable);
        said.extend(all.map(crate::diagnostics::Diagnostic::render));
        let receipts = std::fs::read_dir(home.path().join("var/partners/p/out/receipts"));
        let files = receipts.into_iter().flatten().flatten();
        let mut files =
            files.filter(|file| file.path().extension().is_some_and(|end| end == "csv"));
        let receipt = files
            .next()
            .map(|file| std::fs::read_to_string(file.path()).unwrap());
        (said.join("; "), receipt.unwrap_or_default())
    }
}

/// Lays the row that went out back into the folder, with its answer behind it.
fn puts(home: &tempfile::TempDir, answer: &Answer<'_>) {
    let exchange = home.path().join("var/partners/p");
    let mut sent = std::fs::read_dir(exchange.join("out")).unwrap().flatten();
    let drop = sent.find(|file| file.path().extension().is_some_and(|end| end == "csv"));
    let text = std::fs::read_to_string(drop.unwrap().path()).unwrap();
    let mut lines = text.lines();
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    let file = exchange.join("in").join(answer.name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let Answer { columns, cells, .. } = answer;
    // The answers' own columns stand behind the delivered ones, empty.
    let delivered = head.split(',').take_while(|name| *name != "On").count();
    let first = |line: &str| {
        line.split(',')
            .take(delivered)
            .collect::<Vec<_>>()
            .join(",")
    };
    let (head, row) = (first(head), first(row));
    std::fs::write(&file, format!("{head},{columns}\n{row},{cells}\n")).unwrap();
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table, a line or more a key")]
async fn each_key_of_a_return_decides() {
    let collect = "[collect]\n";
    let iso = ("dates = \"%d/%m/%Y\"", "dates = \"%Y-%m-%d\"");
    let of = |cells| Answer { cells, ..DONE };
    let early = "01/10/2026,Done,well";
    let cases: [ReturnCase<'_>; 12] = [
        (&[], DONE, "completed"),
        (&[iso], of("05/11/2026,Done,well"), "delivered; date-order"),
        (&[iso], of("2026-11-22,Done,well"), "completed"),
        (
            &[],
            Answer {
                name: "an answer",
                ..DONE
            },
            "completed",
        ),
        (
            &[(collect, "[collect]\nreference = \"Theirs\"\n")],
            DONE,
            "sent; file-unread",
        ),
        (
            &[(collect, "[collect]\ncheck = \"Why\"\n")],
            DONE,
            "delivered; identity-mismatch",
        ),
        (&[], of(early), "delivered; too-early"),
        (
            &[(collect, "[collect]\nearly_days = 60\n")],
            of(early),
            "completed",
        ),
        (
            &[],
            Answer {
                settled: true,
                ..DONE
            },
            "sent",
        ),
        (
            &[(collect, "[collect]\nsettle_seconds = 0\n")],
            Answer {
                settled: true,
                ..DONE
            },
            "completed",
        ),
        (
            &[(collect, "[collect]\nsettle_seconds = 3601\n")],
            DONE,
            "completed",
        ),
        (
            &[("on = \"On\"\n", "on = \"On\"\nreason = \"Theirs\"\n")],
            DONE,
            "sent; file-unread",
        ),
    ];
    let mut otherwise = Vec::new();
    for (edits, answer, expected) in cases {
        let said = Changed::by(edits).comes_back(&answer).await;
        let said = said.split("; error[").next().unwrap();
        let said = said.split("; warning[").next().unwrap();
        if said != expected {
            otherwise.push(format!(
                "{said}, not {expected}: {edits:?} {}",
                answer.cells
            ));
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}

#[tokio::test]
async fn a_file_that_is_no_sheet_is_a_lost_return_if_it_is_called_like_one() {
    for (name, usual, code) in [
        ("returns.csv", "returns*.csv", "COLLECT-002"),
        ("returns.csv", "answers*.csv", "COLLECT-005"),
        ("week 49.numbers", "returns*.csv", "COLLECT-005"),
        ("week 49.numbers", "week*.*", "COLLECT-002"),
    ] {
        let cells = "\0,Done,well";
        let answer = Answer {
            name,
            cells,
            ..DONE
        };
        let changed = Changed::by(&[("returns*.csv", usual)]);
        let (told, receipt) = changed.answered(&answer).await;
        assert!(told.starts_with("sent; file-unread"), "{told}");
        assert!(told.contains(&format!("warning[{code}]")), "{told}");
        let says = format!("We could not use {name}: ");
        assert!(
            receipt.contains(&says) && receipt.contains("CSV"),
            "{receipt}"
        );
    }
}

#[tokio::test]
async fn a_receipt_names_whom_to_ring() {
    for (keys, said) in [
        ("", "Please ring the team that runs Kith."),
        ("name = \"Ann\"\n", "Please ring Ann."),
        (
            "phone = \"01632 960001\"\n",
            "the team that runs Kith: 01632 960001.",
        ),
        (
            "email = \"ann@example.org\"\n",
            "the team that runs Kith: ann@example.org.",
        ),
    ] {
        let contact = format!("[contact]\n{keys}[routing]\n");
        let changed = Changed::by(&[("[routing]\n", &contact)]);
        let (told, receipt) = changed.answered(&DONE).await;
        assert!(told.starts_with("completed"), "{told}");
        assert!(receipt.contains(said), "{receipt}");
    }
}

#[tokio::test]
async fn a_return_beyond_a_limit_is_refused_and_the_limit_named() {
    for (limit, fits) in [
        ("return_rows_max", 1),
        ("return_columns_max", 6),
        ("cell_characters_max", 14),
        ("header_characters_max", 7),
        ("return_bytes_max", 0),
    ] {
        let mut row = Answer { ..DONE };
        row.cells = if limit == "return_rows_max" {
            "22/11/2026,Done,well\nx"
        } else {
            row.cells
        };
        let with = |value: u64| format!("[limits]\n{limit} = {value}\n[routing]\n");
        if fits > 0 {
            let said = Changed::by(&[("[routing]\n", &with(fits))]);
            let answer = Answer {
                cells: DONE.cells,
                ..row
            };
            assert_eq!(said.comes_back(&answer).await, "completed", "{limit}");
        }
        let below = if fits == 0 { 10 } else { fits - 1 };
        let below = below.max(1);
        let said = Changed::by(&[("[routing]\n", &with(below))])
            .comes_back(&row)
            .await;
        assert!(said.contains(&format!("raise [limits] {limit}")), "{said}");
        assert!(said.starts_with("sent"), "{said}");
    }
}

#[tokio::test]
async fn a_return_that_tells_more_than_the_limit_is_held_whole() {
    // The row tells an ending, and now a visit as well.
    let visit = "[[collect.event]]\nkind = \"attendance\"\non = \"On\"\nvalue = { column = \"Outcome\", codes = { Done = \"attended\" } }\n[[collect.event]]\n";
    for (max, said) in [(2, "completed"), (1, "delivered; too-many-events")] {
        let limits = format!("[limits]\nreturn_events_max = {max}\n[routing]\n");
        let edits = [("[[collect.event]]\n", visit), ("[routing]\n", &limits)];
        let (told, receipt) = Changed::by(&edits).answered(&DONE).await;
        assert_eq!(told, said, "{max}");
        assert_eq!(receipt.contains("Send it in parts"), max == 1, "{receipt}");
    }
}

#[tokio::test]
async fn a_run_takes_as_many_returns_as_the_limit_says_and_says_that_others_wait() {
    for (files_max, left) in [(1, 1), (2, 0)] {
        let limits = format!("[limits]\nreturn_files_max = {files_max}\n[routing]\n");
        let home = Changed::by(&[("[routing]\n", &limits)]).home();
        let incoming = home.path().join("var/partners/p/in");
        let sheets = || {
            let files = std::fs::read_dir(&incoming).unwrap().flatten();
            files.filter(|file| file.path().is_file()).count()
        };
        let app = open(&home).await.unwrap();
        run(app.env(), &[Stage::Deliver], &Only::default())
            .await
            .unwrap();
        app.close().await;
        std::fs::create_dir_all(&incoming).unwrap();
        for (name, cells) in [("returns.csv", "Ref\nA\n"), ("returns 2.csv", "Ref\nB\n")] {
            std::fs::write(incoming.join(name), cells).unwrap();
        }
        for (run_left, waits) in [(left, left > 0), (0, false)] {
            let app = open(&home).await.unwrap();
            let stages = [Stage::Collect, Stage::Match];
            let outcome = run(app.env(), &stages, &Only::default()).await.unwrap();
            app.close().await;
            assert_eq!(sheets(), run_left, "{files_max}");
            let said: Vec<String> = outcome.diagnostics.iter().map(Diagnostic::render).collect();
            let raised = said.iter().any(|one| {
                one.contains("COLLECT-006") && one.contains("raise [limits] return_files_max")
            });
            assert_eq!(raised, waits, "{said:?}");
        }
    }
}
