//! What a folder lacks by its own word: pages that follow and are not there, and fewer matches than were counted.
//!
//! In: pages of answers, as they were saved. Out: those that lead to a page that is not there, or whose chain of pages has
//! fewer matches than the server counted. Kept: a page counts as there only if it says itself that it is that page.

use std::collections::{HashMap, HashSet};

use super::lookup_table::Key;

/// A Bundle that is a page of an answer, as it was saved.
#[derive(Clone, Debug)]
pub(super) struct SavedPage {
    /// Its own address, and that of the page behind it.
    pub(super) own: Option<Key>,
    pub(super) next: Option<Key>,
    /// Matches on it.
    pub(super) matches: u64,
    /// Matches that the server counted on all pages; none where it only estimated.
    pub(super) total: Option<u64>,
    /// Where it stands in its file, if that has lines.
    pub(super) line: Option<u64>,
}

/// What a saved page lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageGap {
    /// The page behind it.
    Next,
    /// So many matches that the server counted.
    Matches(u64),
}

/// The gaps of pages, each with the position of its page.
pub(super) fn gaps(pages: &[SavedPage]) -> Vec<(usize, PageGap)> {
    let own = |(place, page): (usize, &SavedPage)| page.own.map(|own| (own, place));
    let by_address: HashMap<Key, usize> = pages.iter().enumerate().filter_map(own).collect();
    let follower = |page: &SavedPage| page.next.and_then(|next| by_address.get(&next).copied());
    let followed: HashSet<usize> = pages.iter().filter_map(follower).collect();
    let mut gaps = Vec::new();
    for (place, page) in pages.iter().enumerate() {
        if page.next.is_some() && follower(page).is_none() {
            gaps.push((place, PageGap::Next));
        }
        if followed.contains(&place) {
            continue;
        }
        // A chain that leads back to itself has no first page, or ends where it has been.
        let (mut at, mut been, mut matches, mut total) = (place, HashSet::new(), 0, page.total);
        let whole = loop {
            if !been.insert(at) {
                break true;
            }
            matches += pages[at].matches;
            // A count that changes from page to page was none.
            total = total.min(pages[at].total);
            match (pages[at].next, follower(&pages[at])) {
                (None, _) => break true,
                (Some(_), None) => break false,
                (Some(_), Some(next)) => at = next,
            }
        };
        let missing = total.unwrap_or(0).saturating_sub(matches);
        if whole && missing > 0 {
            gaps.push((place, PageGap::Matches(missing)));
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::super::lookup_table::{Keys, NameScope, Named};
    use super::*;
    use crate::store::rows::RawKind;

    /// Pages given as own address, next address, matches and total; their gaps.
    fn found(pages: &[(&str, &str, u64, Option<u64>)]) -> Vec<(usize, PageGap)> {
        let keys = Keys::default();
        let key = |url: &str| {
            (!url.is_empty())
                .then(|| keys.of(Named::FullUrl(RawKind::Patient), NameScope::FileSet(0), url))
        };
        let page = |(own, next, matches, total): &(&str, &str, u64, Option<u64>)| SavedPage {
            own: key(own),
            next: key(next),
            matches: *matches,
            total: *total,
            line: None,
        };
        gaps(&pages.iter().map(page).collect::<Vec<_>>())
    }

    #[test]
    fn each_page_that_is_named_must_be_there_and_the_matches_that_were_counted() {
        let all = Some(5);
        for (pages, wanted) in [
            (
                vec![("1", "2", 2, all), ("2", "3", 2, all), ("3", "", 1, all)],
                vec![],
            ),
            (
                vec![("3", "", 1, all), ("1", "2", 2, all), ("2", "3", 2, all)],
                vec![],
            ),
            (
                vec![("1", "2", 2, all), ("2", "3", 2, all)],
                vec![(1, PageGap::Next)],
            ),
            (vec![("1", "2", 2, None)], vec![(0, PageGap::Next)]),
            (vec![("1", "", 2, all)], vec![(0, PageGap::Matches(3))]),
            (vec![("1", "", 2, Some(1))], vec![]),
            (
                vec![("1", "2", 2, all), ("2", "", 2, all)],
                vec![(0, PageGap::Matches(1))],
            ),
            // Estimated: it is another one on each page.
            (vec![("1", "2", 2, Some(9)), ("2", "", 2, Some(4))], vec![]),
            (vec![("", "", 0, None)], vec![]),
            // Back to itself.
            (vec![("1", "1", 2, Some(2))], vec![]),
        ] {
            assert_eq!(found(&pages), wanted, "{pages:?}");
        }
    }
}
