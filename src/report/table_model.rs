//! A table of the report, described once: its columns and their words, its rows as they are shown, its notes.
//!
//! `html` draws it on the page, `csv` writes it as a file, `json` as a list of objects. A column has a key in JSON and a
//! heading in the file and on the page; its kind says how a value is drawn, and the schema follows from it. Invariant: a row
//! has one value for each column.

use serde::ser::{Serialize, Serializer};

use super::suppress::{Cell, Mean};

/// What a row of a table counts.
#[derive(Clone, Copy)]
pub(crate) enum RowUnit {
    Legs,
    Rows,
    Entries,
    Practices,
    People,
}

impl RowUnit {
    /// Its word in the file, and on the page.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Legs => (
                "legs",
                "referrals to a partner (one referral to two partners counts twice)",
            ),
            Self::Rows => ("rows", "rows"),
            Self::Entries => ("entries", "entries"),
            Self::Practices => ("practices", "practices"),
            Self::People => ("people", "people who answered twice"),
        }
    }
}

/// What a table is, whatever the night.
pub(crate) struct TableLayout {
    /// Its key in `report.json`.
    pub(crate) key: &'static str,
    /// What one of its objects is called in the schema, and what it is.
    pub(crate) row: (&'static str, &'static str),
    /// Its file in `tables/`, without the ending, if that is not its key.
    pub(crate) file: &'static str,
    pub(crate) unit: RowUnit,
    /// What is said above it on the page.
    pub(crate) notes: &'static [&'static str],
    pub(crate) columns: &'static [&'static [Column]],
    /// The last row is the sum of the others.
    pub(crate) total: bool,
}

/// What most tables are.
pub(crate) const TABLE: TableLayout = TableLayout {
    key: "",
    row: ("", ""),
    file: "",
    unit: RowUnit::Legs,
    notes: &[],
    columns: &[],
    total: false,
};

/// A table of one night.
#[derive(Clone)]
pub(crate) struct TableModel {
    pub(crate) table: &'static TableLayout,
    pub(crate) rows: Vec<TableRow>,
    /// The tables on the page that show it: none if it is not there.
    pub(crate) parts: Vec<PagePart>,
    /// What is said below it on the page.
    pub(crate) below: Option<String>,
}

/// A table on the page: some columns and rows of a model.
#[derive(Clone)]
pub(crate) struct PagePart {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Rows that it shows, the first ones; the total comes behind them.
    pub(crate) rows_max: usize,
}

/// One value for each column.
pub(crate) type TableRow = Vec<Datum>;

/// A value as it is shown.
#[derive(Clone, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Datum {
    Nothing,
    Text(String),
    Count(Cell),
    Signed(i64),
    SignedList(Vec<i64>),
    Mean(Mean),
    Verdict(bool),
    Rows(TableModel),
}

/// What a column holds, and how it is drawn.
#[derive(Clone, Copy)]
pub(crate) enum ValueKind {
    Text,
    /// Which way a score improves.
    Better,
    /// A day as ISO 8601 writes it.
    Day,
    /// A month likewise, or `total`.
    Month,
    /// A count as it may be shown.
    Count,
    /// A number that is no count of people.
    Number,
    Signed,
    SignedList,
    Mean,
    /// A mean with its sign.
    Change,
    Percent,
    Verdict,
    /// Rows below this one; its words on the page, and in the file a line each.
    Rows(&'static TableLayout),
}

/// Where a table can stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    Json,
    Csv,
    /// On the page, in the part of this number.
    Page(usize),
}

/// A column: its words, and where it stands. The order is that of the table, unless it is `later` in one format.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Its key in JSON; empty of what is not there.
    pub(crate) key: &'static str,
    /// What the key does not say, for the schema.
    pub(crate) about: &'static str,
    pub(crate) kind: ValueKind,
    /// There may be no value.
    pub(crate) optional: bool,
    /// Its heading in the file: the key in words unless there is another one, none if it is not there.
    csv: Option<&'static str>,
    /// Its heading on the page, if it is there.
    pub(crate) page: Option<&'static str>,
    /// In which part it stands; none of what a row is about, which stands first in each.
    part: Option<usize>,
    later: Option<(TableFormat, usize)>,
}

const fn column(key: &'static str, kind: ValueKind) -> Column {
    Column {
        key,
        about: "",
        kind,
        optional: false,
        csv: Some(""),
        page: None,
        part: Some(0),
        later: None,
    }
}

/// A column of text.
pub(crate) const fn text(key: &'static str) -> Column {
    column(key, ValueKind::Text)
}

/// A column of the words for the code beside it.
pub(crate) const fn meaning(key: &'static str) -> Column {
    text(key).csv("what it means")
}

/// A column of counts.
pub(crate) const fn count(key: &'static str) -> Column {
    column(key, ValueKind::Count)
}

/// A column of another kind.
pub(crate) const fn of(kind: ValueKind, key: &'static str) -> Column {
    column(key, kind)
}

/// Whether a row balances.
pub(crate) const fn verdict() -> Column {
    column("balances", ValueKind::Verdict)
        .csv("verdict")
        .page("Verdict")
}

/// A column of the page alone.
pub(crate) const fn on_page(heading: &'static str) -> Column {
    column("", ValueKind::Text).no_csv().page(heading)
}

impl Column {
    /// With what the key does not say.
    pub(crate) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// A row may have no value.
    pub(crate) const fn or_none(mut self) -> Self {
        self.optional = true;
        self
    }

    /// With another heading in the file than the key.
    pub(crate) const fn csv(mut self, heading: &'static str) -> Self {
        self.csv = Some(heading);
        self
    }

    /// Not in the file.
    pub(crate) const fn no_csv(mut self) -> Self {
        self.csv = None;
        self
    }

    /// On the page, as what a row is about.
    pub(crate) const fn name(mut self, heading: &'static str) -> Self {
        self.page = Some(heading);
        self.part = None;
        self
    }

    /// On the page.
    pub(crate) const fn page(mut self, heading: &'static str) -> Self {
        self.page = Some(heading);
        self
    }

    /// On the page, in a further part.
    pub(crate) const fn part(mut self, part: usize, heading: &'static str) -> Self {
        self.part = Some(part);
        self.page(heading)
    }

    /// Behind so many more columns in one format.
    pub(crate) const fn later(mut self, format: TableFormat, by: usize) -> Self {
        self.later = Some((format, by));
        self
    }

    /// Its heading in the file.
    pub(crate) fn csv_heading(&self) -> Option<String> {
        self.csv.map(|heading| match heading {
            "" => self.key.replace('_', " "),
            heading => heading.to_owned(),
        })
    }

    fn stands_in(&self, format: TableFormat) -> bool {
        match format {
            TableFormat::Json => !self.key.is_empty(),
            TableFormat::Csv => self.csv.is_some(),
            TableFormat::Page(part) => self.page.is_some() && self.part.is_none_or(|of| of == part),
        }
    }
}

impl TableLayout {
    /// The columns that stand in a format, in its order, each with its place in a row.
    pub(crate) fn columns_in(&self, format: TableFormat) -> Vec<(usize, &'static Column)> {
        let all = self.columns.iter().copied().flatten().enumerate();
        let mut shown: Vec<_> = all.filter(|(_, one)| one.stands_in(format)).collect();
        shown.sort_by_key(|(at, column)| match column.later {
            _ if column.part.is_none() && matches!(format, TableFormat::Page(_)) => 0,
            Some((of, by)) if of == format => 2 * (at + by) + 2,
            _ => 2 * at + 1,
        });
        shown
    }

    /// The place of a column in a row.
    pub(crate) fn place(&self, key: &str) -> Option<usize> {
        let mut all = self.columns.iter().copied().flatten();
        all.position(|column| column.key == key)
    }

    /// With these rows; on the page as the tables of these ids and titles.
    pub(crate) fn filled(&'static self, rows: Vec<TableRow>, parts: &[(&str, &str)]) -> TableModel {
        let width: usize = self.columns.iter().map(|columns| columns.len()).sum();
        debug_assert!(rows.iter().all(|row| row.len() == width), "{}", self.key);
        let parts = parts.iter().map(|(id, title)| PagePart {
            id: (*id).to_owned(),
            title: (*title).to_owned(),
            rows_max: usize::MAX,
        });
        TableModel {
            table: self,
            rows,
            parts: parts.collect(),
            below: None,
        }
    }
}

impl TableModel {
    /// What a row has under a key.
    pub(crate) fn value<'r>(&self, row: &'r TableRow, key: &str) -> &'r Datum {
        let value = self.table.place(key).and_then(|at| row.get(at));
        value.unwrap_or(&Datum::Nothing)
    }

    /// The count that a row has under a key.
    pub(crate) fn count(&self, row: &TableRow, key: &str) -> Cell {
        match self.value(row, key) {
            Datum::Count(cell) => *cell,
            _ => Cell::Number(0),
        }
    }

    /// The text that a row has under a key.
    pub(crate) fn text<'r>(&self, row: &'r TableRow, key: &str) -> &'r str {
        match self.value(row, key) {
            Datum::Text(text) => text,
            _ => "",
        }
    }

    /// Whether no row says that it does not balance.
    pub(crate) fn balances(&self) -> bool {
        let mut all = self.rows.iter().flatten();
        !all.any(|datum| matches!(datum, Datum::Verdict(false)))
    }
}

/// A list; the schema of what is in it follows from the columns.
impl schemars::JsonSchema for TableModel {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TableModel".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "array"})
    }
}

/// A list of objects.
impl Serialize for TableModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.table.columns_in(TableFormat::Json);
        serializer.collect_seq(self.rows.iter().map(|row| JsonRow(&columns, row)))
    }
}

struct JsonRow<'m>(&'m [(usize, &'static Column)], &'m TableRow);

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, row) = self;
        serializer.collect_map(
            columns
                .iter()
                .map(|(at, column)| (column.key, row.get(*at))),
        )
    }
}

impl Datum {
    /// The rows below a row.
    pub(crate) fn below(&self) -> Option<&TableModel> {
        match self {
            Self::Rows(below) => Some(below),
            _ => None,
        }
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Cell> for Datum {
    fn from(cell: Cell) -> Self {
        Self::Count(cell)
    }
}

impl From<u64> for Datum {
    fn from(number: u64) -> Self {
        Self::Count(Cell::Number(number))
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<Mean> for Datum {
    fn from(mean: Mean) -> Self {
        Self::Mean(mean)
    }
}

impl From<bool> for Datum {
    fn from(balances: bool) -> Self {
        Self::Verdict(balances)
    }
}

impl<T: Into<Self>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}
