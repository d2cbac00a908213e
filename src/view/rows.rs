//! The rows that a view makes of one resource.

use super::definition::{Each, ViewColumn, ViewDefinition, ViewSelect};
use crate::fhirpath::{Context, EvaluateError, Expression, PathItem};
use crate::json::Json;

/// Rows that one resource may make: two lists side by side multiply.
const ROWS_MAX: usize = 100_000;
/// Levels that a repeat follows: as deep as a resource may nest.
const DEPTH_MAX: usize = 64;

/// Why a resource has no rows. It names the view's parts and never a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error("column \"{0}\" has several values and is no collection")]
    Several(String),
    #[error("column \"{0}\" holds an element that has parts; name one of them")]
    Parts(String),
    #[error("column \"{column}\": {error}")]
    Column {
        column: String,
        error: EvaluateError,
    },
    #[error("a path of the view: {0}")]
    Path(#[from] EvaluateError),
    #[error("where gives something that is neither true nor false")]
    Condition,
    #[error("one resource makes more than {ROWS_MAX} rows")]
    TooMany,
}

type ViewRow = Vec<String>;

impl ViewDefinition {
    /// The rows of a resource, none where a condition does not hold.
    ///
    /// # Errors
    /// A column or path that has no result on it.
    pub(crate) fn rows(&self, resource: &Json<'_>) -> Result<Vec<ViewRow>, RowError> {
        let context = Context {
            focus: Some(resource),
            row: Some(0),
            ..Context::default()
        };
        for condition in &self.conditions {
            let items = condition.evaluate(&context)?;
            let holds = match items.as_slice() {
                [] => false,
                [item] => match item.boolean() {
                    Some(holds) => holds,
                    None => return Err(RowError::Condition),
                },
                _ => return Err(RowError::Condition),
            };
            if !holds {
                return Ok(Vec::new());
            }
        }
        self.select.rows(&context, &[PathItem::resource(resource)])
    }
}

impl ViewSelect {
    /// Its rows for what it starts from: an item, or nothing.
    fn rows<'t>(
        &'t self,
        context: &Context<'t>,
        this: &[PathItem<'t>],
    ) -> Result<Vec<ViewRow>, RowError> {
        let found = match &self.each {
            Each::Once => return self.product(context, this),
            Each::Item(path) | Each::ItemOrNull(path) => path.evaluate_on(context, this)?,
            Each::Repeat(paths) => {
                let mut found = Vec::new();
                for item in this {
                    below(context, item, paths, &mut found, 0)?;
                }
                found
            }
        };
        if found.is_empty() && matches!(self.each, Each::ItemOrNull(_)) {
            let context = Context {
                row: Some(0),
                ..*context
            };
            return self.product(&context, &[]);
        }
        let mut rows = Vec::new();
        for (index, item) in found.iter().enumerate() {
            let context = Context {
                row: i64::try_from(index).ok(),
                ..*context
            };
            rows.extend(self.product(&context, std::slice::from_ref(item))?);
            limited(rows.len())?;
        }
        Ok(rows)
    }

    /// Every combination of its columns, its selects' rows and its union's.
    fn product<'t>(
        &'t self,
        context: &Context<'t>,
        this: &[PathItem<'t>],
    ) -> Result<Vec<ViewRow>, RowError> {
        let mut own = Vec::with_capacity(self.width);
        for column in &self.columns {
            own.push(column.cell(context, this)?);
        }
        let mut rows = vec![own];
        for select in &self.selects {
            rows = combined(rows, &select.rows(context, this)?)?;
        }
        if !self.unions.is_empty() {
            let mut union = Vec::new();
            for branch in &self.unions {
                union.extend(branch.rows(context, this)?);
            }
            rows = combined(rows, &union)?;
        }
        Ok(rows)
    }
}

/// What the paths find, each followed by what they find below it.
fn below<'t>(
    context: &Context<'t>,
    item: &PathItem<'t>,
    paths: &'t [Expression],
    found: &mut Vec<PathItem<'t>>,
    depth: usize,
) -> Result<(), RowError> {
    // A path that stays where it is would never end.
    if depth > DEPTH_MAX {
        return Err(RowError::TooMany);
    }
    for path in paths {
        for inner in path.evaluate_on(context, std::slice::from_ref(item))? {
            limited(found.len())?;
            found.push(inner.clone());
            below(context, &inner, paths, found, depth + 1)?;
        }
    }
    Ok(())
}

fn combined(rows: Vec<ViewRow>, others: &[ViewRow]) -> Result<Vec<ViewRow>, RowError> {
    limited(rows.len().saturating_mul(others.len()))?;
    if let [other] = others {
        // The usual case: nothing is repeated.
        let mut rows = rows;
        for row in &mut rows {
            row.extend_from_slice(other);
        }
        return Ok(rows);
    }
    let mut all = Vec::with_capacity(rows.len() * others.len());
    for row in &rows {
        for other in others {
            all.push(row.iter().chain(other).cloned().collect());
        }
    }
    Ok(all)
}

fn limited(rows: usize) -> Result<(), RowError> {
    if rows > ROWS_MAX {
        return Err(RowError::TooMany);
    }
    Ok(())
}

impl ViewColumn {
    fn cell<'t>(
        &'t self,
        context: &Context<'t>,
        this: &[PathItem<'t>],
    ) -> Result<String, RowError> {
        let found = self
            .path
            .evaluate_on(context, this)
            .map_err(|error| RowError::Column {
                column: self.name.clone(),
                error,
            })?;
        if self.collection {
            let mut texts = Vec::with_capacity(found.len());
            for item in &found {
                texts.push(self.json(item)?);
            }
            return Ok(format!("[{}]", texts.join(",")));
        }
        match found.as_slice() {
            [] => Ok(String::new()),
            [item] if item.without_value() => Ok(String::new()),
            [item] => item
                .text()
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| RowError::Parts(self.name.clone())),
            _ => Err(RowError::Several(self.name.clone())),
        }
    }

    /// A value in a collection, as JSON.
    fn json(&self, item: &PathItem<'_>) -> Result<String, RowError> {
        if item.without_value() {
            return Ok("null".to_owned());
        }
        let text = item
            .text()
            .ok_or_else(|| RowError::Parts(self.name.clone()))?;
        Ok(if item.boolean().is_some() || item.is_number() {
            text.into_owned()
        } else {
            serde_json::Value::from(text.as_ref()).to_string()
        })
    }
}
