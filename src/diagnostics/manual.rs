//! The manual of the diagnostics: printed form, severity and page of each code, out of the table and comments of `codes.rs`.

use super::Severity;
use super::codes::Code;
use super::table::TABLE;

impl Code {
    /// Every code, in the order of the manual.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The printed form, `MAP-014`.
    pub(crate) fn text(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// How grave it is.
    pub(crate) fn severity(self) -> Severity {
        self.row().map_or(Severity::Error, |row| row.2)
    }

    fn row(self) -> Option<&'static (Self, &'static str, Severity)> {
        TABLE.iter().find(|row| row.0 == self)
    }

    /// The code with this printed form, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::all().find(|code| code.text().eq_ignore_ascii_case(text.trim()))
    }

    /// The manual page: the variant's doc comment, line by line; the title and what to do stand by themselves, whether or not
    /// the comment has empty lines there.
    pub(crate) fn page(self) -> Vec<String> {
        let name = format!("{self:?},");
        let mut page: Vec<String> = Vec::new();
        for line in include_str!("codes.rs").lines().map(str::trim) {
            if let Some(doc) = line.strip_prefix("///") {
                let doc = doc.trim();
                // The title and the fix are paragraphs of their own, also where the comment leaves the blank line out.
                let apart = page.len() == 1 || doc.starts_with("Fix (");
                if apart && !doc.is_empty() && page.last().is_some_and(|line| !line.is_empty()) {
                    page.push(String::new());
                }
                page.push(doc.to_owned());
            } else if line == name {
                return page;
            } else {
                page.clear();
            }
        }
        Vec::new()
    }

    /// Who can put it right, and how: the last paragraph of the page.
    pub(crate) fn fix(self) -> (String, String) {
        let page = self.page();
        let last = page.last().cloned().unwrap_or_default();
        let (owner, fix) = last
            .strip_prefix("Fix (")
            .and_then(|rest| rest.split_once("): "))
            .unwrap_or(("it", &last));
        (owner.to_owned(), fix.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_reads_back() {
        for code in Code::all() {
            let page = code.page();
            assert!(page.len() >= 5, "{code:?} has no page");
            assert!(page[0].chars().count() <= 100, "{code:?}");
            assert_eq!(Code::parse(&code.text().to_lowercase()), Some(code));
            assert!(
                ["it", "practice", "ig", "partner"].contains(&code.fix().0.as_str()),
                "{code:?}"
            );
        }
    }
}
