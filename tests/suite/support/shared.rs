//! The folder `../shared` beside the repository: made-up workloads and public samples that are used in place.
//!
//! Where it is absent, the tests that need it do nothing and one line says how many they are; with
//! `KITH_SHARED=required`, as in CI, they fail instead.

use std::io::Write;
use std::path::PathBuf;

/// The tests, or parts of them, that need the folder: counted in the line that says that they were skipped.
const TESTS: &[&str] = &[
    "gp_servers::the_loop_passes_with_the_tokens_of_another_server",
    "gp_servers::the_loop_passes_with_tokens_that_live_for_four_seconds",
    "gp_servers::the_loop_passes_on_a_weak_server",
    "workload_folder::the_books_of_a_thousand_referrals_are_true_to_the_last_one",
    "loop_fhir::a_thousand_referrals_go_out_and_their_outcomes_come_back_once",
    "bulk::an_export_gives_the_books_that_a_search_gives_and_each_change_once",
    "bulk::a_group_is_pulled_alone_and_what_its_export_leaves_out_is_read",
    "bulk::an_export_of_a_server_that_is_not_ours_gives_the_same_books",
    "bulk::a_kill_in_the_middle_loses_nothing_doubles_nothing_and_orders_no_second_export",
    "samples::every_public_sample_is_read_or_explained",
    "sheets::each_small_case_of_a_return_ends_as_expected",
    "sheets::damaged_sheets_are_restored_or_held_by_the_rule_book",
    "map_forms::the_rows_are_the_same_whoever_makes_them_and_whatever_they_come_from",
    "map_forms::what_cannot_be_read_is_named_by_its_line_wherever_it_is_cut",
    "validate::the_validator_takes_two_good_resources_and_refuses_nine_bad_ones",
    "validate::nothing_that_kith_writes_has_an_error",
    "write_back::a_changed_answer_amends_its_observation_and_a_mistake_enters_it_in_error, validated",
    "write_back::a_return_that_is_undone_leaves_none_of_its_entries_and_nothing_else_is_touched, validated",
    "write_back::the_task_follows_the_referral_and_is_there_once, validated",
    "fhirpath::the_official_tests_pass_or_are_refused",
    "view::the_published_views_give_the_published_rows",
    "wave2::a_week_later_a_searched_source_gives_exactly_the_rows_of_its_changes",
    "wave2::a_week_later_a_server_that_is_not_ours_gives_exactly_the_rows_of_its_changes",
    "why::a_thousand_referrals_each_have_a_whole_story",
    "wave2::a_week_later_an_extract_gives_exactly_the_rows_of_its_changes",
];

/// The module whose tests differ by their seed alone, and how many they are.
const SEEDS: (&str, usize) = ("gp_faults", 10);

/// The folder, or `None` where it is absent and may be.
pub(crate) fn folder(test: &str) -> Option<PathBuf> {
    assert!(
        TESTS.contains(&test) || test == SEEDS.0,
        "{test} is not in the list of tests that need ../shared"
    );
    find()
}

fn find() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let found = folder.join("workload/generate.py").is_file();
    let required = std::env::var("KITH_SHARED").is_ok_and(|word| word == "required");
    assert!(
        found || !required,
        "KITH_SHARED=required, but ../shared is absent"
    );
    found.then_some(folder)
}

/// Says in one line how many tests do nothing. Straight to stderr: the test harness would keep a `println!` to itself.
#[test]
fn what_is_skipped_is_said() {
    if find().is_none() {
        let line = format!("{} skipped: ../shared absent\n", TESTS.len() + SEEDS.1);
        std::io::stderr()
            .write_all(line.as_bytes())
            .expect("stderr is open");
    }
}
