//! Made-up expressions on made-up resources: type by type, so that most of them mean something.

use serde_json::{Value, json};

/// Numbers that look random and are the same for a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn of<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.roll(choices.len())]
    }
}

/// What can be asked of one type of resource.
struct Paths {
    texts: &'static [&'static str],
    numbers: &'static [&'static str],
    booleans: &'static [&'static str],
    dates: &'static [&'static str],
    parts: &'static [&'static str],
}

const PATHS: [Paths; 3] = [
    Paths {
        texts: &[
            "name.given",
            "name.family",
            "gender",
            "telecom.value",
            "telecom.where(use = 'home').system",
            "address.line",
            "id",
        ],
        numbers: &["telecom.rank", "multipleBirth.ofType(integer)"],
        booleans: &["active", "deceased.ofType(boolean)"],
        dates: &["birthDate", "name.period.start", "meta.lastUpdated"],
        parts: &["name", "telecom", "address", "contact", "identifier.period"],
    },
    Paths {
        texts: &[
            "status",
            "code.coding.code",
            "category.coding.display",
            "note.text",
            "reasonCode.text",
            "subject.reference",
        ],
        numbers: &["quantity.ofType(Quantity).value"],
        booleans: &["doNotPerform"],
        dates: &["authoredOn", "occurrence.ofType(dateTime)"],
        parts: &["code", "code.coding", "category", "note", "subject"],
    },
    Paths {
        texts: &[
            "status",
            "code.coding.display",
            "component.value.ofType(string)",
            "value.ofType(Quantity).unit",
        ],
        numbers: &[
            "value.ofType(Quantity).value",
            "component.value.ofType(Quantity).value",
            "component.value.ofType(integer)",
        ],
        booleans: &["component.value.ofType(boolean)"],
        dates: &[
            "effective.ofType(dateTime)",
            "issued",
            "effective.ofType(Period).start",
        ],
        parts: &["code", "component", "component.code", "value"],
    },
];

/// A resource of one of the three types, some of its elements left out; and its type.
pub(crate) fn resource(dice: &mut Dice) -> (usize, Value) {
    let kind = dice.roll(PATHS.len());
    let mut resource = whole(kind);
    thin(dice, &mut resource, true);
    (kind, resource)
}

fn whole(kind: usize) -> Value {
    match kind {
        0 => json!({
            "resourceType": "Patient", "id": "p1", "meta": {"lastUpdated": "2026-11-20T09:15:00.250Z"}, "active": true,
            "name": [
                {"use": "official", "family": "Marlow", "given": ["Petra", "June"], "period": {"start": "1990-02"}},
                {"use": "usual", "given": ["Pet"]},
                {"use": "maiden", "family": "Arden", "given": ["Petra", "June"], "period": {"start": "1951-04-09"}},
            ],
            "telecom": [
                {"system": "phone", "value": "01632 960473", "use": "home", "rank": 1},
                {"system": "email", "value": "a.b@example.org", "use": "home", "rank": 3},
                {"system": "phone", "value": "", "rank": 2},
            ],
            "gender": "female", "birthDate": "1951-04-09", "deceasedBoolean": false, "multipleBirthInteger": 2,
            "address": [{"line": ["1 High Street", "Hilltop"], "city": "Leeds", "postalCode": "LS1 1AA"}],
            "contact": [{"name": {"family": "Marlow"}, "telecom": [{"system": "phone", "value": "1"}]}],
            "identifier": [{"system": "urn:a", "value": "12", "period": {"start": "2020", "end": "2021-06-30"}}],
        }),
        1 => json!({
            "resourceType": "ServiceRequest", "id": "s1", "status": "active", "intent": "order", "doNotPerform": false,
            "code": {"coding": [
                {"system": "http://snomed.info/sct", "code": "871731000000106", "display": "Referral"},
                {"system": "urn:local", "code": "SP1", "display": "Social"},
            ], "text": "social prescribing"},
            "category": [{"coding": [{"code": "x", "display": "Social care"}]}],
            "quantityQuantity": {"value": 2.50, "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"},
            "subject": {"reference": "Patient/p1", "display": "P M"},
            "occurrenceDateTime": "2026-12", "authoredOn": "2026-11-20T10:00:00+01:00",
            "reasonCode": [{"text": "lonely"}, {"text": "Debt  advice"}],
            "note": [{"text": "prefers mornings"}, {"text": "has a dog", "time": "2026-11-01"}],
        }),
        _ => json!({
            "resourceType": "Observation", "id": "o1", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
            "effectiveDateTime": "2026-11-20", "issued": "2026-11-20T09:00:00Z",
            "valueQuantity": {"value": 72.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
            "component": [
                {"code": {"text": "a"}, "valueQuantity": {"value": 5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}},
                {"code": {"text": "b"}, "valueString": "Often"},
                {"code": {"text": "c"}, "valueInteger": 4},
                {"code": {"text": "d"}, "valueBoolean": true},
            ],
        }),
    }
}

/// Leaves some elements out, at any depth.
fn thin(dice: &mut Dice, value: &mut Value, top: bool) {
    match value {
        Value::Object(members) => {
            members
                .retain(|key, _| key == "resourceType" || dice.roll(if top { 5 } else { 8 }) > 0);
            for member in members.values_mut() {
                thin(dice, member, false);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                thin(dice, element, false);
            }
        }
        _ => {}
    }
}

/// An expression on a resource of that type.
pub(crate) fn expression(dice: &mut Dice, kind: usize) -> String {
    let mut maker = Maker {
        dice,
        paths: &PATHS[kind],
    };
    match maker.dice.roll(7) {
        0 => maker.number(3),
        1 => maker.text(3),
        2 => maker.texts(3),
        3 => maker.date(2),
        4 => maker.parts(2),
        _ => maker.boolean(3),
    }
}

struct Maker<'d> {
    dice: &'d mut Dice,
    paths: &'static Paths,
}

impl Maker<'_> {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind of criterion: a table that formatting makes long"
    )]
    fn boolean(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.dice.roll(4) {
                0 => self.dice.of(&["true", "false", "{}"]).to_owned(),
                1 => format!("{}.exists()", self.dice.of(self.paths.parts)),
                _ => format!("{}.first()", self.dice.of(self.paths.booleans)),
            };
        }
        let less = depth - 1;
        match self.dice.roll(14) {
            0 => format!(
                "({} {} {})",
                self.boolean(less),
                self.dice.of(&["and", "or", "xor", "implies"]),
                self.boolean(less)
            ),
            1 => format!("({}).not()", self.boolean(less)),
            2 => format!(
                "({} {} {})",
                self.number(less),
                self.dice.of(&["<", "<=", ">", ">=", "=", "!="]),
                self.number(less)
            ),
            3 => format!(
                "({} {} {})",
                self.text(less),
                self.dice.of(&["=", "!=", "~", "!~", "<", ">="]),
                self.text(less)
            ),
            4 => format!(
                "({} {} {})",
                self.date(less),
                self.dice.of(&["<", "<=", ">", ">="]),
                self.date(less)
            ),
            5 => format!(
                "{}.{}()",
                self.texts(less),
                self.dice.of(&["exists", "empty", "isDistinct"])
            ),
            6 => format!("({} in {})", self.text(less), self.texts(less)),
            7 => format!("({} contains {})", self.texts(less), self.text(less)),
            8 => format!(
                "{}.{}({})",
                self.text(less),
                self.dice.of(&["startsWith", "endsWith", "contains"]),
                self.text(less)
            ),
            9 => format!(
                "{}.matches('{}')",
                self.text(less),
                self.dice.of(&["^[A-Z]", "e", "[0-9]+", ".*a.*"])
            ),
            10 => format!("{}.all({})", self.texts(less), self.each()),
            11 => format!(
                "({} {} {})",
                self.texts(less),
                self.dice.of(&["=", "!=", "~"]),
                self.texts(less)
            ),
            12 => format!(
                "{}.first() is {}",
                self.dice.of(self.paths.texts),
                self.dice
                    .of(&["string", "code", "uri", "boolean", "Patient"])
            ),
            _ => format!(
                "{}.{}({})",
                self.texts(less),
                self.dice.of(&["subsetOf", "supersetOf"]),
                self.texts(less)
            ),
        }
    }

    /// A criterion on one text.
    fn each(&mut self) -> &'static str {
        self.dice.of(&[
            "$this.length() > 4",
            "$this = 'Petra'",
            "startsWith('P')",
            "$index > 0",
            "upper() = $this",
            "contains('e')",
        ])
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.dice.roll(3) {
                0 => self
                    .dice
                    .of(&[
                        "0", "1", "2", "7", "12", "-3", "0.5", "1.50", "2.75", "-0.25",
                    ])
                    .to_owned(),
                1 => format!("{}.first()", self.dice.of(self.paths.numbers)),
                _ => format!("{}.count()", self.dice.of(self.paths.parts)),
            };
        }
        let less = depth - 1;
        match self.dice.roll(10) {
            0 | 1 => format!(
                "({} {} {})",
                self.number(less),
                self.dice.of(&["+", "-", "*"]),
                self.number(less)
            ),
            2 => format!(
                "({} {} {})",
                self.number(less),
                self.dice.of(&["/", "div", "mod"]),
                self.number(less)
            ),
            3 => format!(
                "({}).{}()",
                self.number(less),
                self.dice.of(&["abs", "ceiling", "floor", "truncate"])
            ),
            4 => format!("({}).round({})", self.number(less), self.dice.roll(3)),
            5 => format!("{}.length()", self.text(less)),
            6 => format!("{}.indexOf({})", self.text(less), self.text(0)),
            7 => format!("{}.count()", self.texts(less)),
            8 => format!(
                "iif({}, {}, {})",
                self.boolean(less),
                self.number(less),
                self.number(less)
            ),
            _ => format!(
                "{}.select(length()).aggregate($this + $total, 0)",
                self.texts(less)
            ),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.dice.roll(3) {
                0 => self
                    .dice
                    .of(&[
                        "'Petra'", "'e'", "''", "'a,b,c'", "' x Y '", "'12'", "'home'",
                    ])
                    .to_owned(),
                _ => format!("{}.first()", self.dice.of(self.paths.texts)),
            };
        }
        let less = depth - 1;
        match self.dice.roll(11) {
            0 => format!(
                "{}.{}()",
                self.text(less),
                self.dice.of(&["upper", "lower", "trim", "toString"])
            ),
            1 => format!("{}.substring({})", self.text(less), self.dice.roll(4)),
            2 => format!(
                "{}.substring({}, {})",
                self.text(less),
                self.dice.roll(3),
                self.dice.roll(4)
            ),
            3 => format!(
                "{}.replace('{}', '{}')",
                self.text(less),
                self.dice.of(&["e", "tr", "1"]),
                self.dice.of(&["", "x", "yy"])
            ),
            4 => format!(
                "{}.join('{}')",
                self.texts(less),
                self.dice.of(&["", ", ", "-"])
            ),
            5 => format!(
                "({} {} {})",
                self.text(less),
                self.dice.of(&["&", "+"]),
                self.text(less)
            ),
            6 => format!("({}).toString()", self.boolean(less)),
            7 => format!(
                "{}.split(',').{}",
                self.text(less),
                self.dice.of(&["first()", "last()", "skip(1).first()"])
            ),
            8 => format!(
                "iif({}, {}, {})",
                self.boolean(less),
                self.text(less),
                self.text(less)
            ),
            9 => format!(
                "{}.replaceMatches('[a-e]', '{}')",
                self.text(less),
                self.dice.of(&["", "_"])
            ),
            _ => format!("{}[{}]", self.texts(less), self.dice.roll(3)),
        }
    }

    fn texts(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.dice.of(self.paths.texts).to_owned();
        }
        let less = depth - 1;
        match self.dice.roll(11) {
            0 => format!("({} | {})", self.texts(less), self.texts(less)),
            1 => format!("{}.distinct()", self.texts(less)),
            2 => format!("{}.where({})", self.texts(less), self.each()),
            3 => format!(
                "{}.{}({})",
                self.texts(less),
                self.dice.of(&["skip", "take"]),
                self.dice.roll(3)
            ),
            4 => format!(
                "{}.{}()",
                self.texts(less),
                self.dice.of(&["first", "last", "tail"])
            ),
            5 => format!(
                "{}.{}({})",
                self.texts(less),
                self.dice.of(&["intersect", "exclude", "combine", "union"]),
                self.texts(less)
            ),
            6 => format!(
                "{}.select({})",
                self.texts(less),
                self.dice.of(&[
                    "upper()",
                    "$this & '!'",
                    "substring(1)",
                    "toChars().first()"
                ])
            ),
            7 => format!("{}.toChars()", self.text(less)),
            8 => format!(
                "{}.split('{}')",
                self.text(less),
                self.dice.of(&[",", "e", " "])
            ),
            9 => format!(
                "{}.ofType({})",
                self.texts(less),
                self.dice.of(&["string", "code", "uri"])
            ),
            _ => self.dice.of(self.paths.texts).to_owned(),
        }
    }

    fn date(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.dice.roll(3) {
                0 => self
                    .dice
                    .of(&[
                        "@1951-04-09",
                        "@2020",
                        "@2026-11",
                        "@2026-11-20",
                        "@2026-11-20T09:00:00Z",
                        "@1990-02-01",
                    ])
                    .to_owned(),
                _ => format!("{}.first()", self.dice.of(self.paths.dates)),
            };
        }
        format!(
            "({} {} {} {})",
            self.date(depth - 1),
            self.dice.of(&["+", "-"]),
            self.dice.roll(40),
            self.dice
                .of(&["days", "weeks", "months", "years", "day", "year"])
        )
    }

    fn parts(&mut self, depth: usize) -> String {
        let parts = self.dice.of(self.paths.parts);
        match self.dice.roll(if depth == 0 { 1 } else { 8 }) {
            0 => parts.to_owned(),
            1 => format!(
                "{parts}.{}()",
                self.dice
                    .of(&["first", "last", "tail", "distinct", "exists", "count"])
            ),
            2 => format!("{parts}.where({})", self.boolean(1)),
            3 => format!("({parts} | {})", self.parts(depth - 1)),
            4 => format!("{parts}.children().count()"),
            5 => format!("{parts}.descendants().where($this is string)"),
            6 => format!("{parts}.select({})", self.text(1)),
            _ => format!(
                "{parts}.first() {} {parts}.last()",
                self.dice.of(&["=", "~", "!="])
            ),
        }
    }
}
