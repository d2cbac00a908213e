//! Which members of which resources a partner's columns can read.
//!
//! In: the columns. Out: for each resource of a view the names of its members; whatever else a resource holds need not
//! become a tree. Kept: never too few. What cannot be told is everything.

use crate::fhir::resources::resource::RESOURCE_TYPE;
use crate::json::Members;
use crate::partner::agreement::{ColumnSource, DropColumn, Partner};
use crate::partner::fields::{Elements, FieldSet};

/// What is looked at whatever the columns are: who, what, whether it is ours, what it names.
const REQUEST: [&str; 14] = [
    RESOURCE_TYPE,
    "id",
    "meta",
    "implicitRules",
    "status",
    "intent",
    "doNotPerform",
    "modifierExtension",
    "code",
    "orderDetail",
    "subject",
    "requester",
    "supportingInfo",
    "contained",
];
const RECORD: [&str; 6] = [
    RESOURCE_TYPE,
    "id",
    "meta",
    "implicitRules",
    "modifierExtension",
    "contained",
];
const ROLE: [&str; 4] = [RESOURCE_TYPE, "id", "practitioner", "organization"];

/// What rows of a partner are made of.
#[derive(Debug)]
pub(crate) struct NeededMembers {
    pub(crate) request: Members,
    pub(crate) patient: Members,
    pub(crate) requester: Members,
    pub(crate) role: Members,
    pub(crate) practice: Members,
    /// Whether anything is read of who referred: requester, role or practice.
    of_others: bool,
}

impl NeededMembers {
    /// All there is.
    pub(crate) fn all() -> Self {
        Self {
            request: Members::all(),
            patient: Members::all(),
            requester: Members::all(),
            role: Members::all(),
            practice: Members::all(),
            of_others: true,
        }
    }

    /// What the columns of a partner read.
    pub(crate) fn of(partner: &Partner, fields: &FieldSet) -> Self {
        Self::of_columns(partner.deliver.columns.iter(), fields)
    }

    /// What the identity columns of a partner read, and the day of the request.
    pub(crate) fn of_compared(partner: &Partner, fields: &FieldSet) -> Self {
        let columns = partner.deliver.columns.iter();
        let mut wanted = Self::of_columns(
            columns.filter(|column| column.identity || column.date.is_some()),
            fields,
        );
        wanted.request.add("authoredOn");
        wanted
    }

    /// Whether the request and the person's record are enough.
    pub(crate) fn of_person_alone(&self) -> bool {
        !self.of_others
    }

    fn of_columns<'c>(columns: impl Iterator<Item = &'c DropColumn>, fields: &FieldSet) -> Self {
        let mut wanted = Self {
            request: Members::default().with(&REQUEST),
            patient: Members::default().with(&RECORD),
            requester: Members::default().with(&RECORD),
            role: Members::default().with(&ROLE),
            practice: Members::default().with(&RECORD),
            of_others: false,
        };
        for column in columns {
            let told = match &column.source {
                ColumnSource::Text(_) => true,
                ColumnSource::Field(field) => wanted.add_all(&fields.field(*field).elements),
                ColumnSource::Path(expression) => Elements::of_expression(expression)
                    .is_ok_and(|elements| wanted.add_all(&elements)),
            };
            if !told {
                return Self::all();
            }
        }
        wanted
    }

    /// Adds elements; false if one of them is a whole resource.
    fn add_all(&mut self, elements: &Elements) -> bool {
        elements.all().all(|element| {
            element
                .split_once('.')
                .is_some_and(|(root, path)| self.add(root, path))
        })
    }

    fn add(&mut self, root: &str, path: &str) -> bool {
        self.of_others |= matches!(root, "requester" | "role" | "practice");
        let members = match root {
            "referral" => &mut self.request,
            "patient" => &mut self.patient,
            "requester" => &mut self.requester,
            "role" => &mut self.role,
            "practice" => &mut self.practice,
            // What the config says of the practice.
            "source" => return true,
            _ => return false,
        };
        members.add(path);
        true
    }
}
