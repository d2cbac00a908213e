//! Reads a view and compiles its paths, and says where it is wrong.

use crate::domain::Limits;
use crate::fhirpath::{Constant, Environment, Expression, ExpressionLimits};
use crate::json::{Arena, Json, items};

/// Columns a view may have.
const COLUMNS_MAX: usize = 1_000;

/// Why a view cannot be used: the place in it, what is wrong, and what to write.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {what}{}{help}", if help.is_empty() { "" } else { "; " })]
pub(crate) struct ViewError {
    at: String,
    what: String,
    help: String,
}

/// A compiled view.
pub(crate) struct ViewDefinition {
    resource: String,
    pub(super) conditions: Vec<Expression>,
    pub(super) select: ViewSelect,
    columns: Vec<String>,
}

/// Columns, and what they are repeated for.
pub(super) struct ViewSelect {
    pub(super) each: Each,
    pub(super) columns: Vec<ViewColumn>,
    pub(super) selects: Vec<ViewSelect>,
    pub(super) unions: Vec<ViewSelect>,
    /// Columns of all it holds.
    pub(super) width: usize,
}

pub(super) enum Each {
    Once,
    /// `forEach`
    Item(Expression),
    /// `forEachOrNull`
    ItemOrNull(Expression),
    Repeat(Vec<Expression>),
}

pub(super) struct ViewColumn {
    pub(super) name: String,
    pub(super) path: Expression,
    pub(super) collection: bool,
}

fn wrong(at: &str, what: impl Into<String>, help: impl Into<String>) -> ViewError {
    ViewError {
        at: at.to_owned(),
        what: what.into(),
        help: help.into(),
    }
}

impl ViewDefinition {
    /// Reads a view from the text of its JSON; its expressions are within these limits.
    ///
    /// # Errors
    /// The first thing that is wrong in it.
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ViewError> {
        let arena = Arena::default();
        let json =
            Json::parse(bytes, &arena).map_err(|error| wrong("view", error.to_string(), ""))?;
        let Some(resource) = json.get("resource").and_then(Json::as_str) else {
            return Err(wrong(
                "resource",
                "the view names no resource",
                "as in \"Patient\"",
            ));
        };
        let constants = constants(&json)?;
        let reader = DefinitionReader {
            environment: Environment {
                focus: Some(resource),
                constants: &constants,
                view: true,
                limits: ExpressionLimits::of(limits),
                ..Environment::default()
            },
        };
        // Whether the type exists is the path engine's to say, in its words.
        reader.compile("resource", "resource", resource, None)?;
        if items(json.get("select")).is_empty() {
            return Err(wrong(
                "select",
                "the view selects nothing",
                "give it columns",
            ));
        }
        let mut conditions = Vec::new();
        for (index, condition) in items(json.get("where")).iter().enumerate() {
            let at = format!("where[{index}].path");
            let path = text(condition, "path", &at)?;
            let condition = reader.compile(&at, path, path, None)?;
            if condition.never_boolean() {
                return Err(wrong(
                    &at,
                    "this is never true or false",
                    "write a comparison, or .exists()",
                ));
            }
            conditions.push(condition);
        }
        let mut columns = Vec::new();
        let select = reader.select(&json, "view", None, &mut columns)?;
        if columns.is_empty() {
            return Err(wrong("select", "the view has no column", ""));
        }
        if columns.len() > COLUMNS_MAX {
            return Err(wrong("select", "the view has too many columns", ""));
        }
        for (index, name) in columns.iter().enumerate() {
            if columns[..index].contains(name) {
                return Err(wrong(
                    "select",
                    format!("two columns are called \"{name}\""),
                    "",
                ));
            }
        }
        Ok(ViewDefinition {
            resource: resource.to_owned(),
            conditions,
            select,
            columns,
        })
    }

    /// Whether a resource is of the type that the view is about.
    pub(crate) fn is_of(&self, resource: &Json<'_>) -> bool {
        resource.get("resourceType").and_then(Json::as_str) == Some(&self.resource)
    }

    /// The names of its columns, in order.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }
}

fn text<'j>(json: &'j Json<'_>, key: &str, at: &str) -> Result<&'j str, ViewError> {
    json.get(key)
        .and_then(Json::as_str)
        .ok_or_else(|| wrong(at, format!("there is no text \"{key}\""), ""))
}

fn constants(view: &Json<'_>) -> Result<Vec<Constant>, ViewError> {
    let mut constants = Vec::new();
    for (index, json) in items(view.get("constant")).iter().enumerate() {
        let at = format!("constant[{index}]");
        let name = text(json, "name", &at)?;
        let Json::Object(members) = json else {
            return Err(wrong(&at, "a constant is an object", ""));
        };
        let mut values = members
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("value")?, value)));
        let found = match (values.next(), values.next()) {
            (Some((suffix, value)), None) => {
                let mut letters = suffix.chars();
                let first = letters.next().map(|first| first.to_ascii_lowercase());
                let kind: String = first.into_iter().chain(letters).collect();
                Constant::new(name, &kind, value)
            }
            _ => None,
        };
        constants.push(found.ok_or_else(|| {
            wrong(
                &at,
                "a constant has exactly one value of a primitive type",
                "as in \"valueCode\"",
            )
        })?);
    }
    Ok(constants)
}

struct DefinitionReader<'e> {
    environment: Environment<'e>,
}

impl DefinitionReader<'_> {
    fn compile(
        &self,
        at: &str,
        path: &str,
        source: &str,
        parent: Option<&Expression>,
    ) -> Result<Expression, ViewError> {
        Expression::compile_below(source, &self.environment, parent)
            .map_err(|error| wrong(at, format!("{error}, in \"{path}\""), error.help))
    }

    /// One select of a view, or the view itself; its columns' names are added to those before.
    fn select(
        &self,
        json: &Json<'_>,
        at: &str,
        parent: Option<&Expression>,
        names: &mut Vec<String>,
    ) -> Result<ViewSelect, ViewError> {
        if !json.is_object() {
            return Err(wrong(at, "a select is an object", ""));
        }
        let before = names.len();
        let each = self.each(json, at, parent)?;
        let parent = match &each {
            Each::Item(path) | Each::ItemOrNull(path) => Some(path),
            Each::Repeat(paths) => paths.first(),
            Each::Once => parent,
        };
        // Of what repeats, parts of many kinds come: only the first path is known, and only if it is alone.
        let any;
        let parent = if matches!(&each, Each::Repeat(paths) if paths.len() > 1) {
            any = Expression::anything();
            Some(&any)
        } else {
            parent
        };
        let mut columns = Vec::new();
        for (index, column) in items(json.get("column")).iter().enumerate() {
            let at = format!("{at}.column[{index}]");
            let column = self.column(column, &at, parent)?;
            names.push(column.name.clone());
            columns.push(column);
        }
        let mut selects = Vec::new();
        for (index, inner) in items(json.get("select")).iter().enumerate() {
            let at = format!("{at}.select[{index}]");
            selects.push(self.select(inner, &at, parent, names)?);
        }
        let unions = self.unions(json, at, parent, names)?;
        if columns.is_empty() && selects.is_empty() && unions.is_empty() {
            return Err(wrong(
                at,
                "a select has a column, a select or a unionAll",
                "",
            ));
        }
        Ok(ViewSelect {
            each,
            columns,
            selects,
            unions,
            width: names.len() - before,
        })
    }

    /// Branches that stand under each other: the same columns in the same order.
    fn unions(
        &self,
        json: &Json<'_>,
        at: &str,
        parent: Option<&Expression>,
        names: &mut Vec<String>,
    ) -> Result<Vec<ViewSelect>, ViewError> {
        let mut unions = Vec::new();
        let mut first: Option<Vec<String>> = None;
        for (index, branch) in items(json.get("unionAll")).iter().enumerate() {
            let at = format!("{at}.unionAll[{index}]");
            let mut own = Vec::new();
            unions.push(self.select(branch, &at, parent, &mut own)?);
            match &first {
                Some(first) if *first != own => {
                    return Err(wrong(
                        &at,
                        "the branches of a unionAll have different columns",
                        "give each the same names in the same order",
                    ));
                }
                Some(_) => {}
                None => first = Some(own),
            }
        }
        names.extend(first.unwrap_or_default());
        Ok(unions)
    }

    fn each(
        &self,
        json: &Json<'_>,
        at: &str,
        parent: Option<&Expression>,
    ) -> Result<Each, ViewError> {
        let keys = ["forEach", "forEachOrNull", "repeat"];
        let mut given = keys.iter().filter_map(|key| Some((*key, json.get(key)?)));
        let Some((key, value)) = given.next() else {
            return Ok(Each::Once);
        };
        if given.next().is_some() {
            return Err(wrong(
                at,
                "forEach, forEachOrNull and repeat exclude each other",
                "",
            ));
        }
        let at = format!("{at}.{key}");
        let mut paths = Vec::new();
        for path in value.items() {
            let path = path
                .as_str()
                .ok_or_else(|| wrong(&at, "a path is a text", ""))?;
            paths.push(self.compile(&at, path, path, parent)?);
        }
        if key == "repeat" {
            return Ok(Each::Repeat(paths));
        }
        let (Some(path), true) = (paths.pop(), paths.is_empty()) else {
            return Err(wrong(&at, "there is one path", ""));
        };
        Ok(if key == "forEach" {
            Each::Item(path)
        } else {
            Each::ItemOrNull(path)
        })
    }

    fn column(
        &self,
        json: &Json<'_>,
        at: &str,
        parent: Option<&Expression>,
    ) -> Result<ViewColumn, ViewError> {
        let name = text(json, "name", at)?;
        let letters = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !name.starts_with(|first: char| first.is_ascii_alphabetic())
            || !name.chars().all(letters)
        {
            return Err(wrong(
                at,
                "a column's name is a letter, then letters, digits and _",
                "",
            ));
        }
        let path = text(json, "path", at)?;
        Ok(ViewColumn {
            name: name.to_owned(),
            path: self.compile(&format!("{at}.path"), path, path, parent)?,
            collection: json.get("collection").and_then(Json::as_bool) == Some(true),
        })
    }
}
