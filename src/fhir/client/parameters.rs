//! What a search asks: parameters, and what the server says it made of them.
//!
//! In come names and values; out go a form or pairs for a URL, and the difference to the `self` link of an answer. Kept: an
//! NHS number never stands in a URL.

use reqwest::Url;

use crate::fhir::resources::patient::NHS_NUMBER_SYSTEM;

/// Search parameters, in order. No `Debug`: they may hold identifiers.
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Adds a parameter whose value is already in search form.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a token parameter that any of these (system, code) pairs answers.
    pub(crate) fn tokens<'a>(
        self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let values: Vec<String> = pairs
            .into_iter()
            .map(|(system, code)| token(system, code))
            .collect();
        self.with(name, values.join(","))
    }

    /// Name and value of each.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The parameters as a form.
    pub(in crate::fhir) fn form(&self) -> String {
        let mut url = Url::parse("http://localhost/").expect("a constant URL");
        url.query_pairs_mut().extend_pairs(&self.0);
        url.query().unwrap_or_default().to_owned()
    }

    /// Whether one of them may not stand in a URL.
    pub(super) fn hold_nhs_number(&self) -> bool {
        self.0
            .iter()
            .any(|(_, value)| value.contains(NHS_NUMBER_SYSTEM))
    }
}

/// `system|value` with the characters escaped that mean something in a search (R4 search, escaping).
pub(in crate::fhir) fn token(system: &str, value: &str) -> String {
    let mut text = String::with_capacity(system.len() + value.len() + 1);
    for (index, part) in [system, value].into_iter().enumerate() {
        if index == 1 {
            text.push('|');
        }
        for character in part.chars() {
            if matches!(character, '\\' | ',' | '$' | '|') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    text
}

/// What the server says it made of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Filters that it left out: more comes than was asked for.
    pub(crate) ignored: Vec<&'static str>,
    /// Filters that it put in or changed: less may come than was asked for.
    pub(crate) added: Vec<&'static str>,
}

/// The search parameters of an R4 `ServiceRequest`: a server that answers by one that we did not ask for leaves referrals out.
const FILTERS: [&str; 25] = [
    "authored",
    "based-on",
    "body-site",
    "category",
    "code",
    "encounter",
    "identifier",
    "instantiates-canonical",
    "instantiates-uri",
    "intent",
    "occurrence",
    "patient",
    "performer",
    "performer-type",
    "priority",
    "replaces",
    "requester",
    "requisition",
    "specimen",
    "status",
    "subject",
    "_id",
    "_lastUpdated",
    "_security",
    "_tag",
];

impl Parameters {
    /// Compares the `self` link of an answer with what was asked; a link without a query says nothing.
    pub(crate) fn heard(&self, self_link: &str) -> Heard {
        let mut heard = Heard::default();
        let link = Url::parse("http://localhost/").and_then(|base| base.join(self_link));
        let Some(link) = link.ok().filter(|link| link.query().is_some()) else {
            return heard;
        };
        let said: Vec<(String, String)> = link.query_pairs().into_owned().collect();
        for filter in FILTERS {
            let named =
                |(name, _): &&(String, String)| name.split([':', '.']).next() == Some(filter);
            let asked: Vec<_> = self.0.iter().filter(named).collect();
            let said: Vec<_> = said.iter().filter(named).collect();
            if !asked.is_empty() && said.is_empty() {
                heard.ignored.push(filter);
            }
            // A code that the server dropped from the list hides its referrals.
            let narrower = filter == "code"
                && asked.iter().any(|(_, value)| {
                    let codes = value.split(',').filter_map(|one| one.rsplit('|').next());
                    codes
                        .into_iter()
                        .any(|code| !said.iter().any(|(_, value)| value.contains(code)))
                });
            if !said.is_empty() && (asked.is_empty() || narrower) {
                heard.added.push(filter);
            }
        }
        heard
    }
}
