//! Whether elements of a resource have the form that FHIR R4 gives them: a text, a list, a date that there is.
//!
//! Paths come in once; then trees come in, and of each the first element of another form goes out, by its path. Kept: an
//! element that is absent is no fault, one of another form never passes for absent; a fault tells a path and a rule, never a
//! value. What one reading alone makes sense of is no fault: one thing where a list may stand, a number written as a text.

use std::fmt;

use super::decimal::Decimal;
use super::model::{Element, TypeId, TypeKind, model};
use super::temporal::Temporal;
use crate::domain::recorded_days;
use crate::json::Json;

/// Elements of a resource of one type whose form is checked.
#[derive(Debug, Default)]
pub(crate) struct ElementCheck {
    parts: Vec<CheckedElement>,
}

/// An element of another form than FHIR R4 gives it. It holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ElementFault {
    /// `name[0].family`.
    pub(crate) path: String,
    pub(crate) what: FormFault,
}

/// What is wrong with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormFault {
    /// The form that it should have.
    Form(&'static str),
    /// A code of another list than the one that FHIR R4 closes for it.
    NoSuchCode,
    /// A date or a time that no calendar and no clock has.
    NoSuchDate,
}

impl fmt::Display for ElementFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match self.what {
            FormFault::Form(form) => write!(f, "{path} is not {form}, as FHIR R4 has it"),
            FormFault::NoSuchCode => {
                write!(f, "{path} is none of the codes that FHIR R4 has for it")
            }
            FormFault::NoSuchDate => write!(f, "{path} is no date or time that there is"),
        }
    }
}

impl ElementFault {
    /// The same with the name of its resource before the path.
    pub(crate) fn below(mut self, resource: &str) -> Self {
        self.path = format!("{resource}.{}", self.path);
        self
    }

    /// The path without the places of lists: `name.family`.
    pub(crate) fn element(&self) -> String {
        let mut inside = false;
        let plain = |character: &char| {
            inside = *character == '[' || (inside && *character != ']');
            !inside && *character != ']'
        };
        self.path.chars().filter(plain).collect()
    }
}

#[derive(Debug)]
struct CheckedElement {
    name: &'static str,
    repeats: bool,
    /// One of each type that it may have.
    forms: Vec<(&'static str, CheckedForm)>,
    choice: bool,
}

#[derive(Debug)]
struct CheckedForm {
    form: Form,
    /// The closed list of its codes; empty where there is none.
    codes: &'static [&'static str],
    parts: Vec<CheckedElement>,
}

/// Codes of R4 that change what an element means, by type and element: another code there could mean anything.
///
/// # Source
/// FHIR R4 value sets with a binding of strength *required*: `name-use`, `contact-point-use`, `contact-point-system`,
/// `administrative-gender`, `address-use`, `address-type`, `identifier-use`, `link-type`, `consent-state-codes`, `consent-provision-type`.
const CLOSED_CODES: [(&str, &str, &[&str]); 10] = [
    ("Patient", "gender", &["male", "female", "other", "unknown"]),
    (
        "HumanName",
        "use",
        &[
            "usual",
            "official",
            "temp",
            "nickname",
            "anonymous",
            "old",
            "maiden",
        ],
    ),
    (
        "ContactPoint",
        "use",
        &["home", "work", "temp", "old", "mobile"],
    ),
    (
        "ContactPoint",
        "system",
        &["phone", "fax", "email", "pager", "url", "sms", "other"],
    ),
    (
        "Address",
        "use",
        &["home", "work", "temp", "old", "billing"],
    ),
    ("Address", "type", &["postal", "physical", "both"]),
    (
        "Identifier",
        "use",
        &["usual", "official", "temp", "secondary", "old"],
    ),
    (
        "Patient.link",
        "type",
        &["replaced-by", "replaces", "refer", "seealso"],
    ),
    (
        "Consent",
        "status",
        &[
            "draft",
            "proposed",
            "active",
            "rejected",
            "inactive",
            "entered-in-error",
        ],
    ),
    ("Consent.provision", "type", &["deny", "permit"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Truth,
    Number,
    /// Without a time.
    Date,
    Moment,
    Time,
    Parts,
}

impl Form {
    fn of(kind: TypeId) -> Self {
        let kind = model().get(kind);
        if kind.kind != TypeKind::Primitive {
            return Self::Parts;
        }
        match kind.name {
            "boolean" => Self::Truth,
            "date" => Self::Date,
            "dateTime" | "instant" => Self::Moment,
            "time" => Self::Time,
            _ if kind.numeric => Self::Number,
            _ => Self::Text,
        }
    }

    fn fault(self, value: &Json<'_>) -> Option<FormFault> {
        let dated = |right: bool| (!right).then_some(FormFault::NoSuchDate);
        match (self, value) {
            (Self::Text, Json::String(_))
            | (Self::Truth, Json::Bool(_))
            | (Self::Number, Json::Number(_))
            | (Self::Parts, Json::Object(_)) => None,
            (Self::Number, Json::String(text)) if Decimal::parse(text.trim()).is_some() => None,
            // An empty text says nothing, as a missing one does.
            (Self::Date | Self::Moment | Self::Time, Json::String(text))
                if text.trim().is_empty() =>
            {
                None
            }
            (Self::Date, Json::String(text)) => {
                dated(text.trim().len() <= 10 && recorded_days(text).is_some())
            }
            (Self::Moment, Json::String(text)) => dated(recorded_days(text).is_some()),
            (Self::Time, Json::String(text)) => dated(Temporal::parse_time(text).is_some()),
            _ => Some(FormFault::Form(self.words())),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text | Self::Date | Self::Moment | Self::Time => "a text",
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::Parts => "an object with parts",
        }
    }
}

impl CheckedForm {
    fn fault(&self, value: &Json<'_>) -> Option<FormFault> {
        let fault = self.form.fault(value);
        if fault.is_some() || self.codes.is_empty() {
            return fault;
        }
        let code = value.as_str().unwrap_or_default().trim();
        let known = code.is_empty() || self.codes.contains(&code);
        (!known).then_some(FormFault::NoSuchCode)
    }
}

impl ElementCheck {
    /// Checks these elements, `name.family` for those of a `Patient`, and all that lies between; what FHIR R4 does not know is
    /// passed over.
    pub(crate) fn of<'p>(resource_type: &str, paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut check = Self::default();
        if let Some(kind) = model().find(resource_type) {
            for path in paths {
                let names: Vec<&str> = path.split('.').collect();
                add(&mut check.parts, kind, &names);
            }
        }
        check
    }

    /// The first of the elements that has another form.
    pub(crate) fn fault(&self, resource: &Json<'_>) -> Option<ElementFault> {
        let (path, what) = fault_in(&self.parts, resource)?;
        let mut path = path;
        path.reverse();
        Some(ElementFault {
            path: path.concat().trim_start_matches('.').to_owned(),
            what,
        })
    }
}

/// Adds a path below an element of this type.
fn add(parts: &mut Vec<CheckedElement>, kind: TypeId, names: &[&str]) {
    let Some((name, below)) = names.split_first() else {
        // What a period covers is told by its ends alone.
        if model().get(kind).name == "Period" {
            add(parts, kind, &["start"]);
            add(parts, kind, &["end"]);
        }
        return;
    };
    let element = model()
        .name(name)
        .and_then(|name| model().element(kind, name));
    let Some(element) = element else { return };
    let place = parts
        .iter()
        .position(|known| known.name == element.name)
        .unwrap_or_else(|| {
            parts.push(CheckedElement::new(kind, element));
            parts.len() - 1
        });
    for (at, (_, form)) in parts[place].forms.iter_mut().enumerate() {
        if form.form == Form::Parts
            && let Some(kind) = element.types.get(at)
        {
            add(&mut form.parts, *kind, below);
        }
    }
}

impl CheckedElement {
    fn new(holder: TypeId, element: &Element) -> Self {
        let holder = model().get(holder).name;
        let closed = CLOSED_CODES
            .iter()
            .find(|(kind, name, _)| *kind == holder && *name == element.name);
        let form = |kind: &TypeId| {
            let form = CheckedForm {
                form: Form::of(*kind),
                codes: closed.map_or(&[], |(_, _, codes)| codes),
                parts: Vec::new(),
            };
            (model().get(*kind).name, form)
        };
        Self {
            name: element.name,
            repeats: element.repeats,
            forms: element.types.iter().map(form).collect(),
            choice: element.choice,
        }
    }

    /// The form of the value under this key, if it is one of this element.
    fn form_of(&self, key: &str) -> Option<KeyForm<'_>> {
        let rest = key.strip_prefix(self.name)?;
        if !self.choice {
            let form = self.forms.first().filter(|_| rest.is_empty());
            return form.map(|(_, form)| KeyForm::Of(form));
        }
        if rest.is_empty() {
            return Some(KeyForm::WithoutType);
        }
        // `valueBoolean` ends in the name of the type `boolean`.
        let (first, tail) = (rest.as_bytes().first()?, rest.get(1..)?);
        let found = self.forms.iter().find(|(kind, _)| {
            let letter = kind.as_bytes().first().map(u8::to_ascii_uppercase);
            letter == Some(*first) && kind.get(1..) == Some(tail)
        });
        found.map(|(_, form)| KeyForm::Of(form))
    }
}

/// What a key says of the form of its value.
#[derive(Clone, Copy)]
enum KeyForm<'c> {
    Of(&'c CheckedForm),
    /// A choice that does not say which.
    WithoutType,
}

/// The path of a fault, from its end.
type FoundFault = (Vec<String>, FormFault);

fn fault_in(parts: &[CheckedElement], holder: &Json<'_>) -> Option<FoundFault> {
    let Json::Object(members) = holder else {
        return None;
    };
    members.iter().find_map(|(key, value)| {
        let initial = key.as_bytes().first();
        parts
            .iter()
            .filter(|part| part.name.as_bytes().first() == initial)
            .find_map(|part| Some((part, part.form_of(key)?)))
            .and_then(|(part, form)| fault_of(part, form, value))
            .map(|(mut path, what)| {
                path.push(format!(".{key}"));
                (path, what)
            })
    })
}

fn fault_of(part: &CheckedElement, form: KeyForm<'_>, value: &Json<'_>) -> Option<FoundFault> {
    let KeyForm::Of(form) = form else {
        let said = !value.is_null();
        return said.then(|| (Vec::new(), FormFault::Form("written with its type")));
    };
    let one = |value: &Json<'_>| match form.fault(value) {
        Some(_) if value.is_null() => None,
        Some(what) => Some((Vec::new(), what)),
        None if form.parts.is_empty() => None,
        None => fault_in(&form.parts, value),
    };
    match value {
        Json::Array(values) if part.repeats => {
            let place = |(at, value): (usize, &Json<'_>)| {
                let (mut path, what) = one(value)?;
                path.push(format!("[{at}]"));
                Some((path, what))
            };
            values.iter().enumerate().find_map(place)
        }
        Json::Array(_) => Some((Vec::new(), FormFault::Form("a single one"))),
        single => one(single),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: &[(&str, &str)] = &[
        (
            r#"{"name":"Una"}"#,
            "name is not an object with parts, as FHIR R4 has it",
        ),
        (
            r#"{"name":[{"family":["A","B"]}]}"#,
            "name[0].family is not a single one, as FHIR R4 has it",
        ),
        (
            r#"{"name":[{},{"family":7}]}"#,
            "name[1].family is not a text, as FHIR R4 has it",
        ),
        (
            r#"{"name":[{"given":["Una",7]}]}"#,
            "name[0].given[1] is not a text, as FHIR R4 has it",
        ),
        (
            r#"{"name":[{"given":[["Una"]]}]}"#,
            "name[0].given[0] is not a text, as FHIR R4 has it",
        ),
        (
            r#"{"name":{"period":"2020"}}"#,
            "name.period is not an object with parts, as FHIR R4 has it",
        ),
        (
            r#"{"name":{"period":{"end":"2026-02-30"}}}"#,
            "name.period.end is no date or time that there is",
        ),
        (
            r#"{"birthDate":"1950-13-45"}"#,
            "birthDate is no date or time that there is",
        ),
        (
            r#"{"birthDate":"1950-03-02T00:00:00Z"}"#,
            "birthDate is no date or time that there is",
        ),
        (
            r#"{"birthDate":19500302}"#,
            "birthDate is not a text, as FHIR R4 has it",
        ),
        (
            r#"{"active":"true"}"#,
            "active is not true or false, as FHIR R4 has it",
        ),
        (
            r#"{"deceasedBoolean":"false"}"#,
            "deceasedBoolean is not true or false, as FHIR R4 has it",
        ),
        (
            r#"{"deceasedDateTime":"2026-11-19T25:61:00Z"}"#,
            "deceasedDateTime is no date or time that there is",
        ),
        (
            r#"{"deceased":true}"#,
            "deceased is not written with its type, as FHIR R4 has it",
        ),
        (
            r#"{"telecom":[{"rank":"first"}]}"#,
            "telecom[0].rank is not a number, as FHIR R4 has it",
        ),
        (
            r#"{"identifier":[{"extension":[{"valueCodeableConcept":{"coding":[{"code":1}]}}]}]}"#,
            "identifier[0].extension[0].valueCodeableConcept.coding[0].code is not a text, as FHIR R4 has it",
        ),
        (
            r#"{"identifier":[{"extension":[{"valueCodeableConcept":"01"}]}]}"#,
            "identifier[0].extension[0].valueCodeableConcept is not an object with parts, as FHIR R4 has it",
        ),
        (
            r#"{"telecom":[{"period":{"end":"2026-02-30"}}]}"#,
            "telecom[0].period.end is no date or time that there is",
        ),
        (
            r#"{"gender":"F"}"#,
            "gender is none of the codes that FHIR R4 has for it",
        ),
        (
            r#"{"telecom":[{"use":"OLD"}]}"#,
            "telecom[0].use is none of the codes that FHIR R4 has for it",
        ),
        (
            r#"{"meta":{"security":["R"]}}"#,
            "meta.security[0] is not an object with parts, as FHIR R4 has it",
        ),
    ];

    fn patient(text: &str) -> Option<String> {
        let check = ElementCheck::of(
            "Patient",
            [
                "name.given",
                "name.family",
                "name.period.end",
                "birthDate",
                "deceased",
                "active",
                "telecom.rank",
                "identifier.extension.value.coding.code",
                "meta.security.code",
                "telecom.use",
                "telecom.period",
                "gender",
                "nothing.of.this",
            ],
        );
        check.fault(&Json::of(text)).map(|fault| fault.to_string())
    }

    #[test]
    fn an_element_of_another_form_is_found_by_its_path() {
        for (text, fault) in FAULTS {
            assert_eq!(patient(text).as_deref(), Some(*fault), "{text}");
        }
    }

    #[test]
    fn what_is_absent_or_has_one_reading_is_no_fault() {
        for right in [
            "{}",
            r#"{"name":null,"birthDate":"","active":null}"#,
            r#"{"name":{"given":"Una","family":"Testperson"}}"#,
            r#"{"name":[{"given":[null,"Una"],"_given":[{"extension":[]}]}]}"#,
            r#"{"birthDate":"1950","deceasedBoolean":false,"active":true}"#,
            r#"{"telecom":[{"rank":"1"},{"rank":2,"value":7}]}"#,
            r#"{"deceasedDateTime":"2026-11-19T09:00:00","photo":"x"}"#,
            r#"{"identifier":[{"extension":[{"valueCode":"01"},{"valueString":"x"}]}]}"#,
        ] {
            assert_eq!(patient(right), None, "{right}");
        }
        let fault = ElementCheck::of("Patient", ["name.given"])
            .fault(&Json::of(r#"{"name":[{"given":["Una",7]}]}"#));
        let fault = fault.map(|fault| (fault.element(), fault.below("Patient").path));
        let expected = (
            "name.given".to_owned(),
            "Patient.name[0].given[1]".to_owned(),
        );
        assert_eq!(fault, Some(expected));
        // What is no object at all has no elements.
        assert_eq!(patient("[1]"), None);
    }
}
