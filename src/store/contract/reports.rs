//! What nights leave: certificates, facts, day seals, published reports and their cubes.

use super::*;

pub(super) async fn the_newest_certificate_of_each_source_counts(store: &dyn Store) {
    let (a, b) = (
        store.strand("a").await.unwrap().id,
        store.strand("b").await.unwrap().id,
    );
    let certificate = |run, source, verdict: &str| Certificate {
        run: RunId::new(run),
        source,
        verdict: verdict.to_owned(),
        evidence: "{}".to_owned(),
        high: run * 10,
        input: vec![1],
    };
    assert_eq!(store.certificates().await.unwrap(), []);
    for (run, source) in [(1, a), (2, a), (2, b), (3, a)] {
        let mut batch = Batch::new(source, at(run));
        let verdict = if run == 3 { "complete" } else { "unknown" };
        batch.certificates.push(certificate(run, source, verdict));
        store.put(batch).await.unwrap();
    }
    let newest = [certificate(3, a, "complete"), certificate(2, b, "unknown")];
    assert_eq!(store.certificates().await.unwrap(), newest);
}

pub(super) async fn facts_are_counted_by_month(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap().id;
    let fact = |id, month| rows::Fact {
        id,
        kind: 1,
        month,
        issue: month + 1,
        source: strand,
        partner: PARTNER,
        instrument: "ons4".to_owned(),
        item: "worth".to_owned(),
        before: 3,
        after: 7,
    };
    let mut batch = Batch::new(strand, at(0));
    batch.facts = vec![fact(5, 24_300), fact(4, 24_301), fact(3, 24_300)];
    store.put(batch).await.unwrap();
    let count = |month, count| rows::FactCount {
        month,
        issue: month + 1,
        source: strand,
        partner: PARTNER,
        instrument: "ons4".to_owned(),
        item: "worth".to_owned(),
        before: 3,
        after: 7,
        count,
    };
    let to = |month| store.fact_counts(month);
    assert_eq!(to(24_299).await.unwrap(), []);
    assert_eq!(to(24_300).await.unwrap(), [count(24_300, 2)]);
    let both = [count(24_300, 2), count(24_301, 1)];
    assert_eq!(to(24_301).await.unwrap(), both);
}

pub(super) async fn days_are_sealed_once(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap().id;
    for day in [20, 21] {
        let root = [u8::try_from(day).unwrap(); 32];
        let mut batch = Batch::new(strand, at(day));
        batch.push(Entry::new(day, Body::DaySealed { root }));
        let heads = store.heads_before(i64::MAX).await.unwrap();
        batch.day_seal = Some((day, root, [9; 32], heads));
        store.put(batch.clone()).await.unwrap();
        assert!(store.put(batch).await.is_err(), "a day is sealed once");
    }
    let seals = [(20, [20; 32], [9; 32]), (21, [21; 32], [9; 32])];
    assert_eq!(store.day_seals(0, 9).await.unwrap(), seals);
    assert_eq!(store.day_seals(0, 1).await.unwrap(), seals[..1]);
    assert_eq!(store.day_seals(20, 9).await.unwrap(), seals[1..]);
    assert_eq!(store.last_day_seal().await.unwrap(), Some(seals[1]));
    assert_eq!(store.day_seal_strands(20).await.unwrap(), []);
    let first = store.ledger(strand, 0, 1).await.unwrap().remove(0);
    let said = store.day_seal_strands(21).await.unwrap();
    assert_eq!(said, [(strand, 1, first.hash)]);
}

pub(super) async fn a_night_is_published_once(store: &dyn Store) {
    let strand = store.strand("a").await.unwrap().id;
    let night = |night, commissioner: &str, names: &[&str]| {
        let mut batch = Batch::new(strand, at(night));
        let digest = [6; 32];
        for name in names {
            let file = ((*name).to_owned(), digest, vec![1, 2]);
            let (name, digest, bytes) = file;
            batch
                .published
                .push((night, commissioner.to_owned(), name.clone(), digest, bytes));
            let commissioner = commissioner.to_owned();
            let body = Body::Published {
                commissioner,
                name,
                digest,
            };
            batch.push(Entry::new(night, body));
        }
        batch.cubes.push((night, commissioner.to_owned(), vec![8]));
        batch
    };
    for batch in [
        night(5, "north", &["b.csv", "a.html"]),
        night(4, "south", &["a.html"]),
        night(5, "east", &["a.html"]),
    ] {
        store.put(batch).await.unwrap();
    }
    let again = store.put(night(5, "east", &["a.html"])).await;
    assert!(again.is_err(), "a night is published once");
    let file = |name: &str| (name.to_owned(), [6; 32], vec![1, 2]);
    let files = store.published(5, "north").await.unwrap();
    assert_eq!(files, [file("a.html"), file("b.csv")]);
    assert_eq!(store.published(4, "north").await.unwrap(), []);
    let nights = [(4, "south"), (5, "east"), (5, "north")];
    let nights = nights.map(|(night, commissioner)| (night, commissioner.to_owned()));
    assert_eq!(store.published_nights(0, 9).await.unwrap(), nights);
    // A page has whole nights.
    assert_eq!(store.published_nights(0, 1).await.unwrap(), nights[..1]);
    assert_eq!(store.published_nights(4, 1).await.unwrap(), nights[1..]);
    assert_eq!(store.cube(5, "north").await.unwrap(), Some(vec![8]));
    assert_eq!(store.cube(4, "north").await.unwrap(), None);
}
