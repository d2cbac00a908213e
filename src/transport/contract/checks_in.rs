//! Checks of what comes in: returns, their receipts, and what keeps them from being taken.

use super::{
    AT_ONCE, Bench, Trouble, a_drop, error_of, file, list, names, only_candidate, publish, same,
};
use crate::transport::{
    Acknowledgement, CandidateKind, DropOutcome, EMPTY_SECONDS, LiesIn, ListingTerms,
    PartnerFileName, Published, Receipt, Remedy, TransportError,
};

async fn prepared(bench: &dyn Bench) -> anyhow::Result<()> {
    Ok(bench.transport().prepare().await?)
}

fn is_changed<T: std::fmt::Debug>(
    what: &str,
    result: Result<T, TransportError>,
) -> anyhow::Result<()> {
    let error = error_of(what, result)?;
    anyhow::ensure!(matches!(error, TransportError::Changed { .. }), "{error}");
    Ok(())
}

pub(super) async fn candidates(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    bench.puts("r.csv", b"content");
    let candidate = only_candidate(bench).await?;
    same("size", &candidate.file_size_bytes, &7)?;
    let bytes = transport.take(&candidate, 7).await?;
    same("taken", &bytes, &b"content".to_vec())?;
    // Grown, then replaced by one of the same size, then away.
    for content in [b"content and more".as_slice(), b"another"] {
        bench.puts("r.csv", content);
        is_changed("taking another", transport.take(&candidate, 100).await)?;
        let moved = transport.acknowledge(&candidate, Acknowledgement::Done);
        is_changed("acknowledging another", moved.await)?;
        same("returns", &bench.returns(), &vec!["r.csv".to_owned()])?;
    }
    let candidate = only_candidate(bench).await?;
    let kept = transport.acknowledge(&candidate, Acknowledgement::Done);
    kept.await?;
    is_changed("taking what is away", transport.take(&candidate, 100).await)
}

pub(super) async fn a_file_that_grows(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    bench.puts("empty.csv", b"");
    bench.puts("r.csv", b"x");
    let after = |name: &str, micros: i64, settle_seconds: u32| ListingTerms {
        now_micros: bench.stands_since(name) + micros,
        settle_seconds,
        ..AT_ONCE
    };
    for (after_micros, taken) in [(59_999_999, 0), (60_000_000, 1), (-1, 0)] {
        let listing = list(bench, after("r.csv", after_micros, 60)).await?;
        same("candidates", &listing.candidates.len(), &taken)?;
        same("waiting", &listing.waiting.len(), &(2 - taken))?;
    }
    // Without a settle time it is taken as it is, but for one that is empty: that one is waited for.
    let day_micros = i64::from(EMPTY_SECONDS) * 1_000_000;
    for (settle_seconds, after_micros, waiting) in [
        (0, 0, vec!["empty.csv"]),
        (0, day_micros - 1, vec!["empty.csv"]),
        (0, day_micros, vec![]),
        (60, day_micros + 1_000_000, vec![]),
    ] {
        let listing = list(bench, after("empty.csv", after_micros, settle_seconds)).await?;
        same("waiting", &names(&listing.waiting), &waiting)?;
        let taken = 2 - waiting.len();
        same("candidates", &listing.candidates.len(), &taken)?;
    }
    Ok(())
}

pub(super) async fn record_first(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    bench.puts("r.csv", b"content");
    // A run takes it and dies, and so does the next; the third one acknowledges.
    for _ in 0..3 {
        let candidate = only_candidate(bench).await?;
        let bytes = transport.take(&candidate, 100).await?;
        same("taken", &bytes, &b"content".to_vec())?;
        same("returns", &bench.returns(), &vec!["r.csv".to_owned()])?;
    }
    let candidate = only_candidate(bench).await?;
    let kept = transport.acknowledge(&candidate, Acknowledgement::Done);
    same("kept as", &kept.await?.reveal(), &"r.csv")?;
    same("returns", &bench.returns(), &vec![])
}

pub(super) async fn acknowledged_once(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    let rounds = [
        (Acknowledgement::Done, "r.csv"),
        (Acknowledgement::Done, "r (2).csv"),
        (Acknowledgement::Refused, "r.csv"),
        (Acknowledgement::Done, "r (3).csv"),
    ];
    for (number, (how, name)) in rounds.into_iter().enumerate() {
        bench.puts("r.csv", format!("{number}").as_bytes());
        let candidate = only_candidate(bench).await?;
        let kept = transport.acknowledge(&candidate, how).await?;
        same("kept as", &kept.reveal(), &name)?;
        let left = list(bench, AT_ONCE).await?.candidates.len();
        same("candidates left", &left, &0)?;
        let again = transport.acknowledge(&candidate, how).await;
        is_changed("acknowledging what is away", again)?;
    }
    for (name, content) in [("r (3).csv", Some(b"3".to_vec())), ("r (4).csv", None)] {
        same("read again", &transport.kept(name, 1).await?, &content)?;
    }
    anyhow::ensure!(
        transport.kept("r.csv", 0).await.is_err(),
        "read beyond its limit"
    );
    let outside = transport.kept("../r.csv", 1).await?;
    same("read outside", &outside, &None)?;
    let done = [("r (2).csv", b"1"), ("r (3).csv", b"3"), ("r.csv", b"0")];
    same(
        "done",
        &bench.done(),
        &done.map(|(name, content)| file(name, content)).to_vec(),
    )?;
    same("refused", &bench.refused(), &vec![file("r.csv", b"2")])
}

pub(super) async fn the_same_file_twice(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    bench.puts("r.csv", b"content");
    let first = only_candidate(bench).await?;
    let kept = transport.acknowledge(&first, Acknowledgement::Done);
    kept.await?;
    bench.puts("r.csv", b"content");
    let second = only_candidate(bench).await?;
    anyhow::ensure!(
        first != second,
        "a second file has the version of the first"
    );
    is_changed("the first", transport.take(&first, 100).await)?;
    let bytes = transport.take(&second, 100).await?;
    same("the second", &bytes, &b"content".to_vec())
}

pub(super) async fn receipts(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let of = PartnerFileName::new("week/47.xlsx".to_owned());
    let rounds: [(&[u8], &[u8], [&str; 2]); 4] = [
        (b"a", b"1", ["week_47.receipt.csv", "week_47.receipt.json"]),
        (b"a", b"1", ["week_47.receipt.csv", "week_47.receipt.json"]),
        (
            b"a",
            b"2",
            ["week_47 (2).receipt.csv", "week_47 (2).receipt.json"],
        ),
        (
            b"b",
            b"2",
            ["week_47 (3).receipt.csv", "week_47 (3).receipt.json"],
        ),
    ];
    for (csv, json, wanted) in rounds {
        let receipts = [("receipt.csv", csv), ("receipt.json", json)];
        let receipts = receipts.map(|(ending, bytes)| Receipt {
            ending,
            bytes: bytes.to_vec(),
        });
        let transport = bench.transport();
        let written = transport.write_receipts(&of, receipts.into());
        same(
            "names",
            &written.await?,
            &wanted.map(str::to_owned).to_vec(),
        )?;
    }
    same("receipts", &bench.receipts().len(), &6)?;
    let first = file("week_47.receipt.json", b"1");
    anyhow::ensure!(
        bench.receipts().contains(&first),
        "the first one was changed"
    );
    same("half-written", &bench.half_written(), &0)
}

pub(super) async fn read_only(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    bench.puts("r.csv", b"content");
    let candidate = only_candidate(bench).await?;
    bench.in_trouble(Some(Trouble::ReadOnly));
    let publishing = error_of("publishing", publish(bench, &a_drop(1)).await)?;
    let moved = transport.acknowledge(&candidate, Acknowledgement::Done);
    let moving = error_of("acknowledging", moved.await)?;
    for error in [publishing, moving] {
        anyhow::ensure!(matches!(error, TransportError::ReadOnly { .. }), "{error}");
        same("remedy", &error.remedy(), &Remedy::TellIt)?;
    }
    same("seen", &bench.sees(), &vec![])?;
    same("returns", &bench.returns(), &vec!["r.csv".to_owned()])?;
    bench.in_trouble(None);
    same(
        "published",
        &publish(bench, &a_drop(1)).await?,
        &Published::Now,
    )?;
    let kept = transport.acknowledge(&candidate, Acknowledgement::Done);
    same("kept as", &kept.await?.reveal(), &"r.csv")
}

pub(super) async fn gone(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    publish(bench, &a_drop(1)).await?;
    bench.puts("r.csv", b"content");
    let candidate = only_candidate(bench).await?;
    bench.in_trouble(Some(Trouble::Gone));
    let listing = error_of("a listing", list(bench, AT_ONCE).await)?;
    let publishing = error_of("publishing", publish(bench, &a_drop(2)).await)?;
    let taking = error_of("taking", transport.take(&candidate, 100).await)?;
    let again = error_of("making ready again", transport.prepare_again().await)?;
    for error in [listing, publishing, taking, again] {
        anyhow::ensure!(matches!(error, TransportError::Gone { .. }), "{error}");
        same("remedy", &error.remedy(), &Remedy::TellIt)?;
    }
    let fate = transport.fate(&a_drop(1).name).await?;
    same("the fate of a drop", &fate, &DropOutcome::CannotSay)?;
    bench.in_trouble(None);
    transport.prepare_again().await?;
    same(
        "published",
        &publish(bench, &a_drop(2)).await?,
        &Published::Now,
    )?;
    let bytes = transport.take(&candidate, 100).await?;
    same("taken", &bytes, &b"content".to_vec())
}

pub(super) async fn order(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let put = ["c.csv", "a.csv", "B.csv", "ä.csv", "10.csv", "9.csv"];
    for name in put {
        bench.puts(name, b"x");
    }
    let listing = list(bench, AT_ONCE).await?;
    let listed: Vec<PartnerFileName> = listing
        .candidates
        .iter()
        .map(|candidate| candidate.name.clone())
        .collect();
    let wanted = vec!["10.csv", "9.csv", "B.csv", "a.csv", "c.csv", "ä.csv"];
    same("candidates", &names(&listed), &wanted)?;
    // What was written later comes later, whatever it is called.
    bench.puts_after("9.csv", b"x", 2);
    bench.puts_after("B.csv", b"x", 1);
    let later = list(bench, AT_ONCE).await?;
    let later: Vec<PartnerFileName> = later.candidates.into_iter().map(|it| it.name).collect();
    let wanted = vec!["10.csv", "a.csv", "c.csv", "ä.csv", "B.csv", "9.csv"];
    same("by time", &names(&later), &wanted)
}

pub(super) async fn limits(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    for number in 0..AT_ONCE.files_max {
        bench.puts(&format!("r{number:04}.csv"), b"content");
    }
    let listing = list(bench, AT_ONCE).await?;
    same("candidates", &listing.candidates.len(), &AT_ONCE.files_max)?;
    same("more", &listing.more, &false)?;
    bench.puts("s.csv", b"content");
    let listing = list(bench, AT_ONCE).await?;
    same("candidates", &listing.candidates.len(), &AT_ONCE.files_max)?;
    same("more", &listing.more, &true)?;
    let transport = bench.transport();
    let bytes = transport.take(&listing.candidates[0], 7).await?;
    same("taken at the limit", &bytes.len(), &7)?;
    let above = transport.take(&listing.candidates[0], 6).await;
    let error = error_of("taking above the limit", above)?;
    anyhow::ensure!(matches!(error, TransportError::TooLarge { .. }), "{error}");
    same("remedy", &error.remedy(), &Remedy::TellPartner)
}

pub(super) async fn nothing_outside(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    bench.puts("r.csv", b"content");
    let candidate = only_candidate(bench).await?;
    // In place of the file that was listed, a link to a file elsewhere.
    bench.links("r.csv");
    error_of("taking a link", transport.take(&candidate, 100).await)?;
    let moved = transport.acknowledge(&candidate, Acknowledgement::Done);
    error_of("acknowledging a link", moved.await)?;
    let listing = list(bench, AT_ONCE).await?;
    for candidate in &listing.candidates {
        same("kind", &candidate.kind, &CandidateKind::Symlink)?;
        let taking = transport.take(candidate, 100).await;
        error_of("taking a link by its own candidate", taking)?;
    }
    same("candidates", &listing.candidates.len(), &1)
}

pub(super) async fn everything_is_answered(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    for left_alone in ["r.csv.part", "r.crdownload", "~$r.xlsx", ".DS_Store"] {
        bench.puts(left_alone, b"x");
    }
    bench.puts("a week.numbers", b"x");
    bench.puts("b", b"x");
    bench.puts(".c.csv", b"x");
    bench.puts_a_folder("d.csv");
    bench.links("e.csv");
    let mut candidates = list(bench, AT_ONCE).await?.candidates;
    candidates.sort_by(|one, other| one.name.cmp(&other.name));
    let found: Vec<(&str, CandidateKind)> = candidates
        .iter()
        .map(|candidate| (candidate.name.reveal(), candidate.kind))
        .collect();
    let wanted = vec![
        (".c.csv", CandidateKind::File),
        ("a week.numbers", CandidateKind::File),
        ("b", CandidateKind::File),
        ("d.csv", CandidateKind::Folder),
        ("e.csv", CandidateKind::Symlink),
    ];
    same("candidates", &found, &wanted)?;
    for candidate in &candidates {
        let taken = transport.take(candidate, 100).await;
        let is_file = candidate.kind == CandidateKind::File;
        same("taken", &taken.is_ok(), &is_file)?;
        let kept = transport.acknowledge(candidate, Acknowledgement::Refused);
        same("kept as", kept.await?.reveal(), candidate.name.reveal())?;
    }
    let left = list(bench, AT_ONCE).await?;
    same("candidates left", &left.candidates.len(), &0)
}

pub(super) async fn grown_since(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    let receipt = |bytes: &[u8]| {
        let endings = ["receipt.csv", "receipt.json"];
        let receipt = |ending| Receipt {
            ending,
            bytes: bytes.to_vec(),
        };
        endings.map(receipt).to_vec()
    };
    for name in ["r.csv", "s.csv"] {
        bench.puts(name, b"cont");
        let candidate = only_candidate(bench).await?;
        let written = transport.write_receipts(&candidate.name, receipt(name.as_bytes()));
        written.await?;
        let kept = transport.acknowledge(&candidate, Acknowledgement::Done);
        kept.await?;
    }
    same("changed", &transport.changed_since(AT_ONCE).await?, &vec![])?;
    bench.grows("r.csv", b"content");
    let changed = transport.changed_since(AT_ONCE).await?;
    same("changed", &changed.len(), &1)?;
    let grown = &changed[0];
    let lies_in = LiesIn::PutAway(Acknowledgement::Done);
    same("lies in", &grown.lies_in, &lies_in)?;
    let taken = transport.take(grown, 100).await?;
    same("taken", &taken, &b"content".to_vec())?;
    let written = transport.write_receipts(&grown.name, receipt(b"again"));
    written.await?;
    let kept = transport.acknowledge(grown, Acknowledgement::Done).await?;
    same("kept as", kept.reveal(), "r.csv")?;
    same("changed", &transport.changed_since(AT_ONCE).await?, &vec![])?;
    // What it has grown to may be no sheet.
    bench.grows("r.csv", b"content and more");
    is_changed("the older one", transport.take(grown, 100).await)?;
    let changed = transport.changed_since(AT_ONCE).await?;
    let kept = transport.acknowledge(&changed[0], Acknowledgement::Refused);
    kept.await?;
    let refused = vec![file("r.csv", b"content and more")];
    same("refused", &bench.refused(), &refused)
}
