//! Receipts where a run died between what it recorded and what it answered: the next one answers, and a row that is still to be
//! mended is told again.

use std::fs;

use super::support::case::Case;
use super::support::home::files_in;
use super::support::world::came;

#[test]
fn a_receipt_that_was_cut_off_is_made_whole_and_keeps_what_is_to_be_mended() {
    for lost in [&["csv", "json"][..], &["csv"], &["json"]] {
        let case = Case::well();
        let row = case.world.row_of("Anna Beech");
        let told = [(row.clone(), came(3, "Y")), (row, came(2, "Q"))];
        case.world.partner_returns("elm", "returns.csv", &told);
        let case = case.ran(1);
        let receipts = case.world.home.below("var/partners/elm/out/receipts");
        let first = fs::read_to_string(receipts.join("returns.receipt.csv")).unwrap();
        let wrong = "Attended?: We do not know this answer,\"Use one of the agreed words";
        assert!(
            first.contains("Taken in") && first.contains(wrong),
            "{first}"
        );
        // As if the run had died there: the file was not moved, and what came after was not written.
        let elm = |path: &str| case.world.home.below(&format!("var/partners/elm/{path}"));
        fs::rename(elm("in/done/returns.csv"), elm("in/returns.csv")).unwrap();
        for ending in lost {
            fs::remove_file(receipts.join(format!("returns.receipt.{ending}"))).unwrap();
        }
        case.world.home.ran(&["run", "--once"], 1);
        assert!(!elm("in/returns.csv").exists(), "{lost:?}");
        // Some number has both forms, and the form for people says what to mend.
        let names: Vec<String> = files_in(&receipts)
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let stem = |name: &String| name.strip_suffix(".receipt.json").map(str::to_owned);
        let whole: Vec<String> = names
            .iter()
            .filter_map(stem)
            .filter(|stem| names.contains(&format!("{stem}.receipt.csv")))
            .collect();
        assert_eq!(whole.len(), 1, "{names:?}");
        let again = receipts.join(format!("{}.receipt.csv", whole[0]));
        let again = fs::read_to_string(again).unwrap();
        assert!(again.contains("Taken in before"), "{again}");
        assert!(again.contains(wrong), "{again}");
        // A run more changes nothing.
        let before = names.len();
        case.world.home.ran(&["run", "--once"], 1);
        assert_eq!(files_in(&receipts).len(), before);
        case.world.proves();
    }
}
