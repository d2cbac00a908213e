//! Checks of what goes out: drops, reports, and what became of them.

use super::{AT_ONCE, Bench, Died, Trouble, a_drop, error_of, file, list, publish, same, whole};
use crate::transport::{
    Candidate, CandidateKind, CandidateVersion, DropOutcome, LiesIn, OutgoingDrop, OutgoingFile,
    PartnerFileName, Published, Remedy, TransportError,
};

async fn prepared(bench: &dyn Bench) -> anyhow::Result<()> {
    Ok(bench.transport().prepare().await?)
}

pub(super) async fn ready(bench: &dyn Bench) -> anyhow::Result<()> {
    let error = error_of("publishing unprepared", publish(bench, &a_drop(1)).await)?;
    anyhow::ensure!(matches!(error, TransportError::Gone { .. }), "{error}");
    prepared(bench).await?;
    same(
        "published",
        &publish(bench, &a_drop(1)).await?,
        &Published::Now,
    )?;
    prepared(bench).await?;
    same("seen", &bench.sees(), &whole(&[a_drop(1)]))
}

pub(super) async fn whole_or_not_at_all(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    // No room for the drop, then none for its manifest.
    let drop = a_drop(1);
    for (after, seen) in [
        (0, vec![]),
        (1, vec![(drop.name.clone(), drop.bytes.clone())]),
    ] {
        bench.in_trouble(Some(Trouble::Full { after }));
        error_of("publishing without room", publish(bench, &drop).await)?;
        same("seen", &bench.sees(), &seen)?;
    }
    bench.in_trouble(None);
    publish(bench, &drop).await?;
    same("seen", &bench.sees(), &whole(&[drop]))
}

pub(super) async fn once(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let drop = a_drop(1);
    same("first", &publish(bench, &drop).await?, &Published::Now)?;
    same("second", &publish(bench, &drop).await?, &Published::Before)?;
    same("seen", &bench.sees(), &whole(std::slice::from_ref(&drop)))?;
    bench.fetches(&drop.name);
    let after = publish(bench, &drop).await?;
    same("after it was fetched", &after, &Published::Before)?;
    let left = [(drop.manifest_name.clone(), drop.manifest.clone())];
    same("seen", &bench.sees(), &left.to_vec())
}

pub(super) async fn a_taken_name(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let taken = |result| -> anyhow::Result<()> {
        let error = error_of("a taken name", result)?;
        anyhow::ensure!(matches!(error, TransportError::NameTaken { .. }), "{error}");
        Ok(())
    };
    bench.lays("r_000001.csv", b"another");
    taken(publish(bench, &a_drop(1)).await)?;
    same(
        "seen",
        &bench.sees(),
        &vec![file("r_000001.csv", b"another")],
    )?;

    publish(bench, &a_drop(2)).await?;
    let other = OutgoingDrop {
        manifest: b"[]\n".to_vec(),
        ..a_drop(2)
    };
    taken(publish(bench, &other).await)?;
    let mut seen = vec![file("r_000001.csv", b"another")];
    seen.extend(whole(&[a_drop(2)]));
    same("seen", &bench.sees(), &seen)
}

pub(super) async fn a_crash_before_the_name(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    bench.died(&a_drop(1), Died::BeforeTheName);
    same("seen", &bench.sees(), &vec![])?;
    same("half-written", &bench.half_written(), &1)?;
    bench.transport().sweep().await?;
    same("half-written after the sweep", &bench.half_written(), &0)?;
    bench.died(&a_drop(1), Died::BeforeTheName);
    same(
        "published",
        &publish(bench, &a_drop(1)).await?,
        &Published::Now,
    )?;
    same("half-written", &bench.half_written(), &0)?;
    same("seen", &bench.sees(), &whole(&[a_drop(1)]))
}

pub(super) async fn a_crash_after_the_name(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    for (number, at, published) in [
        (1, Died::BeforeTheManifest, Published::Now),
        (2, Died::AfterTheManifest, Published::Before),
    ] {
        bench.died(&a_drop(number), at);
        same(
            "published",
            &publish(bench, &a_drop(number)).await?,
            &published,
        )?;
    }
    same("seen", &bench.sees(), &whole(&[a_drop(1), a_drop(2)]))
}

pub(super) async fn a_lost_answer(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let mut drops = Vec::new();
    for (number, arrives) in [(1, true), (2, false)] {
        let drop = a_drop(number);
        let can_lose = bench.loses_an_answer(arrives);
        let first = publish(bench, &drop).await?;
        if can_lose {
            same("without an answer", &first, &Published::Unknown)?;
        }
        let again = publish(bench, &drop).await?;
        anyhow::ensure!(
            again != Published::Unknown,
            "asked again, nothing was found"
        );
        drops.push(drop);
        same("seen", &bench.sees(), &whole(&drops))?;
    }
    Ok(())
}

pub(super) async fn fate(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    for number in 1..=4 {
        publish(bench, &a_drop(number)).await?;
    }
    let fate = |number: usize| {
        let (transport, name) = (bench.transport(), a_drop(number).name);
        async move { transport.fate(&name).await }
    };
    same("one that waits", &fate(1).await?, &DropOutcome::Waits)?;
    bench.fetches(&a_drop(2).name);
    same("one that was fetched", &fate(2).await?, &DropOutcome::Gone)?;
    let hears = bench.acknowledges(&a_drop(3).name);
    same(
        "hearing",
        &hears,
        &transport.capabilities().hears_acknowledged,
    )?;
    if hears {
        same(
            "one acknowledged",
            &fate(3).await?,
            &DropOutcome::Acknowledged,
        )?;
    }
    bench.fails(&a_drop(4).name);
    let failed = fate(4).await?;
    anyhow::ensure!(matches!(failed, DropOutcome::Failed { .. }), "{failed:?}");
    bench.in_trouble(Some(Trouble::Gone));
    same(
        "one that cannot be reached",
        &fate(1).await?,
        &DropOutcome::CannotSay,
    )?;
    bench.in_trouble(None);
    same("one that waits", &fate(1).await?, &DropOutcome::Waits)
}

pub(super) async fn full(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    for after in [0, 1] {
        bench.in_trouble(Some(Trouble::Full { after }));
        let error = error_of("publishing without room", publish(bench, &a_drop(1)).await)?;
        anyhow::ensure!(
            matches!(error.cause(), TransportError::Full { .. }),
            "{error}"
        );
        same("nobody saw anything", &error.unseen(), &(after == 0))?;
        same("remedy", &error.remedy(), &Remedy::TellIt)?;
        same("half-written", &bench.half_written(), &0)?;
    }
    bench.in_trouble(None);
    same(
        "published",
        &publish(bench, &a_drop(1)).await?,
        &Published::Now,
    )?;
    same("seen", &bench.sees(), &whole(&[a_drop(1)]))
}

pub(super) async fn names_of_ours(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let most = bench.transport().capabilities().name_bytes_max;
    let long = "x".repeat(most + 1);
    for name in [
        "", ".hidden", "../x.csv", "a/b.csv", "a\\b.csv", "a\0b", &long,
    ] {
        let as_drop = OutgoingDrop {
            name: name.to_owned(),
            ..a_drop(1)
        };
        let as_manifest = OutgoingDrop {
            manifest_name: name.to_owned(),
            ..a_drop(1)
        };
        for drop in [as_drop, as_manifest] {
            let error = error_of("a name that is none", publish(bench, &drop).await)?;
            anyhow::ensure!(matches!(error, TransportError::BadName { .. }), "{error}");
        }
    }
    same("seen", &bench.sees(), &vec![])?;
    let longest = OutgoingDrop {
        name: "x".repeat(most),
        ..a_drop(1)
    };
    same(
        "the longest name",
        &publish(bench, &longest).await?,
        &Published::Now,
    )?;

    bench.puts("Anna Example.csv", b"x");
    let listing = list(bench, AT_ONCE).await?;
    anyhow::ensure!(
        !format!("{listing:?}").contains("Anna"),
        "a name is printed"
    );
    Ok(())
}

pub(super) async fn capabilities(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    bench.one_way().prepare().await?;
    for transport in [bench.transport(), bench.one_way()] {
        let can = transport.capabilities();
        let listed = transport.list(AT_ONCE).await;
        same("taking returns", &listed.is_ok(), &can.returns)?;
        let of = PartnerFileName::new("r.csv".to_owned());
        let receipts = transport.write_receipts(&of, Vec::new()).await;
        same("writing receipts", &receipts.is_ok(), &can.returns)?;
        transport.publish(a_drop(1)).await?;
        let fate = transport.fate(&a_drop(1).name).await?;
        same("seeing", &(fate == DropOutcome::Waits), &can.sees_fetched)?;
        if let Some(most) = can.file_size_bytes_max {
            let of_size = |number, bytes| OutgoingDrop {
                bytes: vec![b'x'; usize::try_from(bytes).unwrap()],
                ..a_drop(number)
            };
            transport.publish(of_size(2, most)).await?;
            let larger = transport.publish(of_size(3, most + 1)).await;
            let error = error_of("a drop beyond the size that it takes", larger)?;
            same("remedy", &error.remedy(), &Remedy::TellIt)?;
        }
    }
    let no_returns = !bench.one_way().capabilities().returns;
    anyhow::ensure!(no_returns, "nothing comes back by this one");
    Ok(())
}

pub(super) async fn reports(bench: &dyn Bench) -> anyhow::Result<()> {
    let transport = bench.one_way();
    transport.prepare().await?;
    let page = |content: &[u8]| {
        let (name, bytes) = file("icb/2026-11-22/tables/legs.csv", content);
        vec![OutgoingFile { name, bytes }]
    };
    let named = "icb/2026-11-22/tables/legs.csv";
    for content in [b"first".as_slice(), b"second", b"second"] {
        transport.replace(page(content)).await?;
        let seen = bench.one_way_sees();
        same("seen", &seen, &vec![file(named, content)])?;
    }
    bench.in_trouble(Some(Trouble::Full { after: 0 }));
    error_of(
        "a page without room",
        transport.replace(page(b"third")).await,
    )?;
    same("seen", &bench.one_way_sees(), &vec![file(named, b"second")])?;
    bench.in_trouble(None);
    for name in ["../x", "a//b", "", "a/.b"] {
        let files = vec![OutgoingFile {
            name: name.to_owned(),
            bytes: Vec::new(),
        }];
        let error = error_of("a page that leaves", transport.replace(files).await)?;
        anyhow::ensure!(matches!(error, TransportError::BadName { .. }), "{error}");
    }
    Ok(())
}

pub(super) async fn errors(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    let mut met = Vec::new();
    bench.lays("r_000001.csv", b"another");
    let taken = error_of("taken", publish(bench, &a_drop(1)).await)?;
    met.push((taken, Remedy::TellIt));

    bench.puts("Anna Example.csv", b"content");
    let candidate = super::only_candidate(bench).await?;
    let large = error_of("too large", transport.take(&candidate, 3).await)?;
    met.push((large, Remedy::TellPartner));
    bench.puts("Anna Example.csv", b"other content");
    let changed = error_of("changed", transport.take(&candidate, 100).await)?;
    met.push((changed, Remedy::TryAgain));
    let unknown = Candidate {
        name: PartnerFileName::new("Anna Nobody.csv".to_owned()),
        kind: CandidateKind::File,
        lies_in: LiesIn::Incoming,
        file_size_bytes: 1,
        written_micros: 0,
        version: CandidateVersion("none".into()),
    };
    let absent = error_of("absent", transport.take(&unknown, 100).await)?;
    met.push((absent, Remedy::TryAgain));

    for (trouble, remedy) in [
        (Trouble::Full { after: 0 }, Remedy::TellIt),
        (Trouble::ReadOnly, Remedy::TellIt),
        (Trouble::Gone, Remedy::TellIt),
    ] {
        bench.in_trouble(Some(trouble));
        let error = error_of("in trouble", publish(bench, &a_drop(2)).await)?;
        met.push((error, remedy));
    }
    bench.in_trouble(None);
    for (error, remedy) in met {
        same(&format!("remedy of {error:?}"), &error.remedy(), &remedy)?;
        let text = format!("{error} {error:?}");
        anyhow::ensure!(!text.contains("Anna"), "a partner's name: {text}");
        for path in bench.paths() {
            anyhow::ensure!(!text.contains(&path), "a path: {text}");
        }
        let says = error.to_string().ends_with(&remedy.to_string());
        anyhow::ensure!(says, "does not say what to do: {error}");
    }
    Ok(())
}

pub(super) async fn written_into(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    for number in 1..4 {
        publish(bench, &a_drop(number)).await?;
    }
    bench.lays("r_000002.csv", b"A\n2,Y\n");
    bench.fetches("r_000003.csv");
    let named = |drop: OutgoingDrop| (drop.name, drop.manifest_name);
    let drops = (1..4).map(a_drop).map(named).collect();
    let touched = transport.touched(drops).await?;
    let named = touched.iter().any(|name| name == "r_000002.csv");
    anyhow::ensure!(named, "what was written into is not named: {touched:?}");
    Ok(())
}

pub(super) async fn renewed(bench: &dyn Bench) -> anyhow::Result<()> {
    prepared(bench).await?;
    let transport = bench.transport();
    let list = |bytes: &[u8]| OutgoingFile {
        name: "your people.csv".to_owned(),
        bytes: bytes.to_vec(),
    };
    let lies = |bytes: &[u8]| same("seen", &bench.sees(), &vec![file("your people.csv", bytes)]);
    transport.renew(list(b"one"), None).await?;
    lies(b"one")?;
    transport.renew(list(b"two"), Some(b"one".to_vec())).await?;
    lies(b"two")?;
    // Somebody wrote into it, or nobody knows what it was.
    bench.lays("your people.csv", b"two, filled in");
    for before in [Some(b"two".to_vec()), None] {
        let error = transport.renew(list(b"three"), before).await;
        let error = error_of("renewing what was written into", error)?;
        anyhow::ensure!(matches!(error, TransportError::NameTaken { .. }), "{error}");
        lies(b"two, filled in")?;
    }
    bench.fetches("your people.csv");
    transport
        .renew(list(b"three"), Some(b"two".to_vec()))
        .await?;
    lies(b"three")?;
    same("half-written", &bench.half_written(), &0)
}
