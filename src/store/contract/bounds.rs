//! Whether a read is bounded: each method that answers with rows takes a limit or the ids that it is asked for, or stands
//! here with what keeps its answer small.

/// Reads without a limit, each with what bounds it.
const BOUNDED_BY: &[(&str, &str)] = &[
    ("strands", "sources and partners"),
    ("leases", "stages, of sources and partners"),
    ("pushes", "the limit of its query"),
    ("open_leg_counts", "partners"),
    ("leg_counts", "sources, partners, states and reasons"),
    ("drop_row_counts", "partners and actions"),
    ("return_bytes", "the bytes that one file may have"),
    ("return_counts", "senders"),
    ("push_counts", "sources and states"),
    (
        "hold_counts",
        "reasons, stages, sources, partners and days of age",
    ),
    (
        "books",
        "the stages, sources, partners and files of one run",
    ),
    ("book_sums", "sources and partners"),
    ("certificates", "sources"),
    ("fact_counts", "months, sources, partners, items and scores"),
    ("cube", "the figures of one report"),
    ("day_seal_strands", "sources and partners"),
    ("heads_before", "sources and partners"),
    ("published", "the files of one report"),
    ("returns_written_after", "NEWER_RETURNS"),
];

#[test]
fn every_read_of_rows_is_bounded() {
    let text = include_str!("../mod.rs");
    let (_, methods) = text.split_once("pub(crate) trait Store").unwrap();
    let mut unbounded: Vec<&str> = Vec::new();
    for method in methods.split("    fn ").skip(1) {
        let (signature, _) = method.split_once(';').unwrap();
        let (asked, answered) = signature.split_once("->").unwrap();
        let (name, arguments) = asked.split_once('(').unwrap();
        let asked_for = arguments.contains("limit: i64") || arguments.contains(": Vec<");
        if answered.contains("Vec<") && !asked_for {
            unbounded.push(name);
        }
    }
    let listed: Vec<&str> = BOUNDED_BY.iter().map(|(name, _)| *name).collect();
    unbounded.sort_unstable();
    let mut expected = listed;
    expected.sort_unstable();
    assert_eq!(unbounded, expected, "give it a page, or say what bounds it");
}
