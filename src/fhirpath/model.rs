//! The types of FHIR R4 and their elements: what tells a path that cannot match from one that finds nothing.
//!
//! In comes `r4.types`, a table of facts that `tests/r4_types.py` writes from the specification's own definitions; out
//! come types by name and elements by type. Read once, when the first expression is compiled. Kept: what a type
//! inherits is found like its own, by one search over small numbers, so that walking a tree stays cheap.
//!
//! # Source
//! FHIR R4 (4.0.1) `StructureDefinition`s of all resources and data types.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::LazyLock;

const TABLE: &str = include_str!("r4.types");

const NUMERIC: [&str; 4] = ["decimal", "integer", "positiveInt", "unsignedInt"];

/// A type of FHIR R4: a data type, a resource, or a part of one (`Patient.contact`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TypeId(NonZeroU16);

/// The name of an element, whichever types have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct NameId(u16);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TypeKind {
    Primitive,
    Complex,
    Resource,
}

pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) base: Option<TypeId>,
    pub(super) kind: TypeKind,
    /// Its values are numbers.
    pub(super) numeric: bool,
    /// Sorted by name, with those of the type it specialises; the number is the element's place.
    elements: Vec<(NameId, u16)>,
}

pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) types: Vec<TypeId>,
    /// Written `name[x]` in R4: in JSON the key ends in the type.
    pub(super) choice: bool,
    /// Whether it may stand there several times: in JSON as a list.
    pub(super) repeats: bool,
}

pub(super) struct Model {
    types: Vec<Type>,
    elements: Vec<Element>,
    by_name: HashMap<&'static str, TypeId>,
    names: HashMap<&'static str, NameId>,
    /// `Boolean` of `valueBoolean`.
    suffixes: HashMap<String, TypeId>,
    /// Names that are a choice in some type.
    choices: Vec<&'static str>,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::read(TABLE));

/// The model of FHIR R4.
pub(super) fn model() -> &'static Model {
    &MODEL
}

impl Model {
    fn read(table: &'static str) -> Self {
        let mut model = Model {
            types: Vec::new(),
            elements: Vec::new(),
            by_name: HashMap::new(),
            names: HashMap::new(),
            suffixes: HashMap::new(),
            choices: Vec::new(),
        };
        let lines: Vec<Vec<&'static str>> = table
            .lines()
            .map(|line| line.split(' ').collect())
            .collect();
        for (at, words) in lines.iter().enumerate() {
            if let Some(id) = TypeId::at(at) {
                model.by_name.insert(words[0], id);
                if !words[0].contains('.') {
                    model.suffixes.insert(capitalised(words[0]), id);
                }
            }
        }
        let any = model.open_choice(&lines);
        let mut own = Vec::with_capacity(lines.len());
        for words in &lines {
            own.push(model.own_elements(words.get(2..).unwrap_or_default(), &any));
        }
        for words in &lines {
            let base = model.by_name.get(words[1]).copied();
            let kind = model.kind_of(&lines, words[0]);
            let mut elements = Vec::new();
            let mut at = model.by_name.get(words[0]).copied();
            while let Some(id) = at {
                elements.extend_from_slice(&own[id.place()]);
                at = model.by_name.get(lines[id.place()][1]).copied();
            }
            elements.sort_unstable();
            model.types.push(Type {
                name: words[0],
                base,
                kind,
                numeric: NUMERIC.contains(&words[0]),
                elements,
            });
        }
        model.choices.sort_unstable();
        model.choices.dedup();
        model
    }

    /// The types that `+` stands for: every data type that may be a value of any kind.
    fn open_choice(&self, lines: &[Vec<&'static str>]) -> Vec<TypeId> {
        const CLOSED: [&str; 12] = [
            "BackboneElement",
            "Element",
            "ElementDefinition",
            "Extension",
            "MarketingStatus",
            "Narrative",
            "Population",
            "ProdCharacteristic",
            "ProductShelfLife",
            "SubstanceAmount",
            "xhtml",
            "Resource",
        ];
        let names = lines.iter().map(|words| words[0]);
        names
            .filter(|name| !name.contains('.') && !CLOSED.contains(name))
            .filter(|name| self.kind_of(lines, name) != TypeKind::Resource)
            .filter_map(|name| self.by_name.get(name).copied())
            .collect()
    }

    fn kind_of(&self, lines: &[Vec<&'static str>], name: &str) -> TypeKind {
        if name.starts_with(|first: char| first.is_ascii_lowercase()) {
            return TypeKind::Primitive;
        }
        let mut at = self.by_name.get(name);
        while let Some(id) = at {
            let words = &lines[id.place()];
            if words[0] == "Resource" {
                return TypeKind::Resource;
            }
            at = self.by_name.get(words[1]);
        }
        TypeKind::Complex
    }

    fn own_elements(&mut self, words: &[&'static str], any: &[TypeId]) -> Vec<(NameId, u16)> {
        let mut own = Vec::with_capacity(words.len());
        for word in words {
            let Some((name, kinds)) = word.split_once(':') else {
                continue;
            };
            let repeats = name.ends_with('*');
            let name = name.strip_suffix('*').unwrap_or(name);
            let choice = name.ends_with("[x]");
            let name = name.strip_suffix("[x]").unwrap_or(name);
            if choice {
                self.choices.push(name);
            }
            let types = if kinds == "+" {
                any.to_vec()
            } else {
                let kinds = kinds.split('|');
                kinds
                    .filter_map(|kind| self.by_name.get(kind).copied())
                    .collect()
            };
            let free = NameId(small(self.names.len()));
            let id = *self.names.entry(name).or_insert(free);
            own.push((id, small(self.elements.len())));
            self.elements.push(Element {
                name,
                types,
                choice,
                repeats,
            });
        }
        own
    }

    /// The type of that name, spelled as FHIR spells it.
    pub(super) fn find(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, id: TypeId) -> &Type {
        &self.types[id.place()]
    }

    /// The name as an element's, if any type has one of that name.
    pub(super) fn name(&self, name: &str) -> Option<NameId> {
        self.names.get(name).copied()
    }

    /// The element of that name, own or inherited.
    pub(super) fn element(&self, of: TypeId, name: NameId) -> Option<&Element> {
        let elements = &self.get(of).elements;
        let at = elements
            .binary_search_by_key(&name, |(known, _)| *known)
            .ok()?;
        self.elements.get(usize::from(elements[at].1))
    }

    /// Every element of a type.
    pub(super) fn elements(&self, of: TypeId) -> impl Iterator<Item = &Element> {
        let elements = self.get(of).elements.iter();
        elements.filter_map(|(_, at)| self.elements.get(usize::from(*at)))
    }

    /// Whether a type is another one or specialises it.
    pub(super) fn is_a(&self, own: TypeId, other: TypeId) -> bool {
        let mut at = Some(own);
        while let Some(id) = at {
            if id == other {
                return true;
            }
            at = self.get(id).base;
        }
        false
    }

    /// The type whose capitalised name ends a JSON key: `Boolean` of `valueBoolean`.
    pub(super) fn type_of_suffix(&self, suffix: &str) -> Option<TypeId> {
        self.suffixes.get(suffix).copied()
    }

    /// Whether some type has a choice of that name.
    pub(super) fn is_choice(&self, name: &str) -> bool {
        self.choices.binary_search(&name).is_ok()
    }

    /// For `valueBoolean` written as a path: the element and the type it should have been.
    pub(super) fn split_choice(&self, name: &str) -> Option<(&'static str, &'static str)> {
        if self.names.contains_key(name) {
            return None;
        }
        self.choices.iter().find_map(|choice| {
            let kind = self.type_of_suffix(name.strip_prefix(choice)?)?;
            Some((*choice, self.get(kind).name))
        })
    }

    /// The nearest of all type names, for help.
    pub(super) fn nearest_type(&self, written: &str) -> &'static str {
        let names = self.types.iter().map(|known| known.name);
        nearest(names.filter(|name| !name.contains('.')), written).unwrap_or("string")
    }

    /// The nearest of all element names, for help.
    pub(super) fn nearest_name(&self, written: &str) -> &'static str {
        let mut names: Vec<&'static str> =
            self.elements.iter().map(|element| element.name).collect();
        names.sort_unstable();
        nearest(names.into_iter(), written).unwrap_or("value")
    }
}

/// The word of least distance, for help.
pub(super) fn nearest(
    words: impl Iterator<Item = &'static str>,
    written: &str,
) -> Option<&'static str> {
    words.min_by_key(|word| strsim::osa_distance(word, written))
}

impl TypeId {
    fn at(place: usize) -> Option<Self> {
        NonZeroU16::new(small(place + 1)).map(TypeId)
    }

    fn place(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// The table is ours and far below the limit.
fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(of: &str, name: &str) -> Vec<&'static str> {
        let model = model();
        let Some(element) = model.element(model.find(of).unwrap(), model.name(name).unwrap())
        else {
            return Vec::new();
        };
        let names = element.types.iter().map(|id| model.get(*id).name);
        names.collect()
    }

    #[test]
    fn knows_the_elements_of_r4() {
        assert_eq!(types("Patient", "birthDate"), ["date"]);
        assert_eq!(types("Patient", "id"), ["id"]);
        assert_eq!(types("Patient", "contact"), ["Patient.contact"]);
        assert_eq!(types("Patient.contact", "modifierExtension"), ["Extension"]);
        assert_eq!(types("Age", "code"), ["code"]);
        assert_eq!(types("ResearchStudy", "title"), ["string"]);
        assert_eq!(types("Patient", "deceased"), ["boolean", "dateTime"]);
        assert_eq!(types("Extension", "value").len(), 50);
        assert!(types("Patient", "performer").is_empty());
        assert!(model().name("frist").is_none());
    }

    #[test]
    fn knows_kinds_and_what_specialises_what() {
        let model = model();
        let id = |name| model.find(name).unwrap();
        assert!(model.is_a(id("code"), id("string")) && !model.is_a(id("string"), id("code")));
        assert!(model.is_a(id("Patient"), id("Resource")));
        assert!(model.get(id("Bundle")).kind == TypeKind::Resource);
        assert!(model.get(id("Age")).kind == TypeKind::Complex);
        assert!(model.get(id("uuid")).kind == TypeKind::Primitive);
        assert_eq!(
            model.split_choice("valueCodeableConcept"),
            Some(("value", "CodeableConcept"))
        );
        assert_eq!(model.split_choice("valueSet"), None);
        assert_eq!(model.nearest_type("Pateint"), "Patient");
        assert!(model.is_choice("value") && !model.is_choice("birth"));
    }
}
