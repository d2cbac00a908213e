//! Reads a FHIR R4 `Patient` for the fields of the contract.
//!
//! In comes the resource's tree, and today where a period decides; out come texts, borrowed where nothing had
//! to be changed. Kept: an old, maiden or nick name, an old address or number, and a relative's number are
//! never given out as the person's own (protective moves, changes of gender).
//!
//! # Source
//! FHIR R4 `Patient`; UK Core `UKCore-Patient` 2.6.1 and its extensions; the contract's rules for names and telecoms.

use std::fmt;

use jiff::civil::Date;

pub(crate) use super::patient_number::{
    NHS_NUMBER_SYSTEM, every_nhs_number, is_nhs_number_system, nhs_number, nhs_numbers,
    nhs_numbers_of, normal_nhs_number, verification_status,
};
use super::reference::{Reference, strip_prefix_of_any_case, text_of, trimmed};
use super::resource::is_test_data;
pub(crate) use super::resource::{has_modifier_extension, security_labels};
use crate::domain::recorded_days;
use crate::json::{Json, items};

const ETHNIC_CATEGORY: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory";
const NHS_COMMUNICATION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSCommunication";
const CONTACT_PREFERENCE: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactPreference";
const INTERPRETER_REQUIRED: &str =
    "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired";

/// The parts of the one name a person goes by.
#[derive(Clone, Copy)]
pub(crate) struct HumanName<'t> {
    prefix: Option<&'t Json<'t>>,
    given: Option<&'t Json<'t>>,
    pub(crate) family: Option<&'t str>,
    text: Option<&'t str>,
}

impl fmt::Debug for HumanName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HumanName(masked)")
    }
}

impl HumanName<'_> {
    /// Prefix, given names, family name, with single spaces; the name's own text only if it has no such part.
    pub(crate) fn full(&self) -> String {
        if texts(self.given).next().is_none() && self.family.is_none() {
            return single_spaces(self.text);
        }
        single_spaces(
            texts(self.prefix)
                .chain(texts(self.given))
                .chain(self.family),
        )
    }

    /// Whether it is one text, without its parts.
    pub(crate) fn is_text_only(&self) -> bool {
        self.family.is_none() && texts(self.given).next().is_none()
    }

    /// All given names with single spaces.
    pub(crate) fn all_given(&self) -> String {
        single_spaces(texts(self.given))
    }

    /// All prefixes with single spaces.
    pub(crate) fn all_prefixes(&self) -> String {
        single_spaces(texts(self.prefix))
    }
}

/// The one address a letter would go to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address<'t> {
    pub(crate) lines: Vec<&'t str>,
    pub(crate) city: Option<&'t str>,
    /// Normalised: upper case, one space before the last three.
    pub(crate) postcode: Option<String>,
    text: Option<&'t str>,
    /// Whether nobody lives there: it tells no area.
    pub(crate) for_letters: bool,
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(masked)")
    }
}

impl Address<'_> {
    /// Lines, city and postcode, joined by a comma; the address's own text only if it has none of them.
    pub(crate) fn full(&self) -> String {
        let mut parts: Vec<&str> = self.lines.clone();
        parts.extend(self.city);
        parts.extend(self.postcode.as_deref());
        if parts.is_empty() {
            parts.extend(self.text);
        }
        parts.join(", ")
    }
}

/// The first contact person in force.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ContactPerson<'t> {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) relationship: Option<&'t str>,
}

impl fmt::Debug for ContactPerson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContactPerson(masked)")
    }
}

/// The record that takes the place of this one, where it was merged into another.
pub(crate) fn replaced_by<'t>(patient: &'t Json<'_>, base: Option<&str>) -> Reference<'t> {
    let link = items(patient.get("link"))
        .iter()
        .find(|link| text_of(link, "type") == Some("replaced-by"));
    Reference::of(link.and_then(|link| link.get("other")), base)
}

/// The name a person goes by.
pub(crate) fn name<'t>(patient: &'t Json<'t>, today: Date) -> Option<HumanName<'t>> {
    human_name(patient.get("name"), today)
}

/// Chooses among `HumanName` elements: `usual` if it has a family name, else `official`, else the first that is
/// not old, maiden, nickname or anonymous; only names whose period covers today.
pub(super) fn human_name<'t>(names: Option<&'t Json<'t>>, today: Date) -> Option<HumanName<'t>> {
    let current = || {
        items(names)
            .iter()
            .filter(|name| name.is_object() && covers(name.get("period"), today))
    };
    let used_as = |word: &'static str| move |name: &&Json<'_>| text_of(name, "use") == Some(word);
    let chosen = current()
        .filter(used_as("usual"))
        .find(|name| text_of(name, "family").is_some())
        .or_else(|| current().find(used_as("official")))
        .or_else(|| {
            current().find(|name| {
                !matches!(
                    text_of(name, "use"),
                    Some("old" | "maiden" | "nickname" | "anonymous")
                )
            })
        })?;
    let parsed = HumanName {
        prefix: chosen.get("prefix"),
        given: chosen.get("given"),
        family: text_of(chosen, "family"),
        text: text_of(chosen, "text"),
    };
    let blank =
        texts(parsed.given).next().is_none() && parsed.family.is_none() && parsed.text.is_none();
    (!blank).then_some(parsed)
}

/// The number to ring: by rank, then mobile, home, work; current, never old, never a contact person's.
pub(crate) fn phone(patient: &Json<'_>, today: Date) -> Option<String> {
    best_telecom(patient.get("telecom"), "phone", today).map(national_form)
}

/// The number at home.
pub(crate) fn phone_home(patient: &Json<'_>, today: Date) -> Option<String> {
    live_telecoms(patient.get("telecom"), "phone", today)
        .filter(|telecom| text_of(telecom, "use") == Some("home"))
        .min_by_key(|telecom| rank(telecom))
        .and_then(|telecom| text_of(telecom, "value"))
        .map(national_form)
}

pub(crate) fn email<'t>(patient: &'t Json<'_>, today: Date) -> Option<&'t str> {
    best_telecom(patient.get("telecom"), "email", today)
}

/// The best `ContactPoint` of a system, by rank and use.
pub(super) fn best_telecom<'t>(
    telecoms: Option<&'t Json<'_>>,
    system: &'static str,
    today: Date,
) -> Option<&'t str> {
    live_telecoms(telecoms, system, today)
        .min_by_key(|telecom| {
            let by_use = match text_of(telecom, "use") {
                Some("mobile") => 0,
                Some("home") => 1,
                Some("work") => 2,
                _ => 3,
            };
            (rank(telecom), by_use)
        })
        .and_then(|telecom| text_of(telecom, "value"))
}

fn live_telecoms<'t, 'a>(
    telecoms: Option<&'t Json<'a>>,
    system: &'static str,
    today: Date,
) -> impl Iterator<Item = &'t Json<'a>> {
    items(telecoms).iter().filter(move |telecom| {
        text_of(telecom, "system") == Some(system)
            && text_of(telecom, "use") != Some("old")
            && text_of(telecom, "value").is_some()
            && covers(telecom.get("period"), today)
    })
}

/// FHIR: 1 is the most preferred; without a rank, last.
fn rank(telecom: &Json<'_>) -> u32 {
    match telecom.get("rank") {
        Some(Json::Number(text) | Json::String(text)) => text.trim().parse().unwrap_or(u32::MAX),
        _ => u32::MAX,
    }
}

/// A UK number in national form, with a space so that a spreadsheet keeps its zero; others keep `+cc`.
pub(super) fn national_form(number: &str) -> String {
    let number = single_spaces([number.strip_prefix("tel:").unwrap_or(number)]);
    let international = number
        .strip_prefix("+44")
        .or_else(|| number.strip_prefix("0044"));
    let national = match international {
        Some(rest) => {
            let rest = rest.trim_start_matches([' ', '-', '.']);
            let rest = rest.strip_prefix("(0)").unwrap_or(rest).trim_start();
            ["0", rest.strip_prefix('0').unwrap_or(rest)].concat()
        }
        None => number,
    };
    let plain = national.len() > 5 && national.bytes().all(|byte| byte.is_ascii_digit());
    if plain && national.starts_with('0') && !national.starts_with("00") {
        let (area, rest) = national.split_at(5);
        return [area, " ", rest].concat();
    }
    national
}

/// The address in force: home, else one of no stated use, else temporary, else work; never old or for bills. Where the person
/// lives comes before where their letters go. The order is our decision: the contract names none.
pub(crate) fn address<'t>(patient: &'t Json<'_>, today: Date) -> Option<Address<'t>> {
    let chosen = items(patient.get("address"))
        .iter()
        .filter(|address| address.is_object() && covers(address.get("period"), today))
        .filter_map(|address| {
            let order = match text_of(address, "use") {
                Some("home") => 0,
                None => 1,
                Some("temp") => 2,
                Some("work") => 3,
                Some(_) => return None,
            };
            Some(((for_letters(address), order), address))
        })
        .min_by_key(|(order, _)| *order)?
        .1;
    Some(Address {
        lines: texts(chosen.get("line")).collect(),
        city: text_of(chosen, "city"),
        postcode: text_of(chosen, "postalCode").map(normal_postcode),
        text: text_of(chosen, "text"),
        for_letters: for_letters(chosen),
    })
}

/// Whether nobody lives at an address: one for letters, or a box at a post office.
fn for_letters(address: &Json<'_>) -> bool {
    let boxed = |line: &str| {
        let letters: String = line
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .flat_map(char::to_lowercase)
            .take(6)
            .collect();
        letters.starts_with("pobox") || letters.starts_with("postof")
    };
    text_of(address, "type") == Some("postal")
        || (text_of(address, "type").is_none() && texts(address.get("line")).any(boxed))
}

/// Upper case, one space before the last three; a code that is not of the UK's shape keeps its own spaces.
pub(crate) fn normal_postcode(text: &str) -> String {
    if is_normal_postcode(text) {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_uppercase)
        .collect();
    let british = matches!(letters.as_slice(),
        [area, .., digit, first, second]
            if (5..=7).contains(&letters.len())
                && area.is_ascii_alphabetic()
                && digit.is_ascii_digit()
                && first.is_ascii_alphabetic()
                && second.is_ascii_alphabetic());
    if !british {
        return single_spaces([text.to_uppercase().as_str()]);
    }
    letters.insert(letters.len() - 3, ' ');
    letters.into_iter().collect()
}

/// Whether a postcode is as [`normal_postcode`] writes the British ones; nearly all are.
fn is_normal_postcode(text: &str) -> bool {
    let [outward @ .., b' ', digit, first, second] = text.as_bytes() else {
        return false;
    };
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (2..=4).contains(&outward.len())
        && outward.iter().all(plain)
        && outward[0].is_ascii_uppercase()
        && digit.is_ascii_digit()
        && first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
}

/// As written, possibly only a year or a month.
pub(crate) fn birth_date<'t>(patient: &'t Json<'_>) -> Option<&'t str> {
    text_of(patient, "birthDate")
}

pub(crate) fn gender<'t>(patient: &'t Json<'_>) -> Option<&'t str> {
    text_of(patient, "gender")
}

/// The preferred language, else the first: its text, else display, else code.
pub(crate) fn language<'t>(patient: &'t Json<'_>) -> Option<&'t str> {
    let spoken = items(patient.get("communication"));
    let preferred = spoken
        .iter()
        .find(|entry| entry.get("preferred").and_then(Json::as_bool) == Some(true));
    words(preferred.or(spoken.first())?.get("language"))
}

/// Said by the international extension or by UK Core's NHS communication extension; absent is not "no".
pub(crate) fn interpreter_required(patient: &Json<'_>) -> Option<bool> {
    let direct = extension(patient, INTERPRETER_REQUIRED);
    let nested = || {
        extension(patient, NHS_COMMUNICATION)
            .and_then(|communication| extension(communication, "interpreterRequired"))
    };
    direct
        .or_else(nested)?
        .get("valueBoolean")
        .and_then(Json::as_bool)
}

/// Whether an extension that should say so bears nothing that can be read: silence in its place would be a guess.
pub(crate) fn unread_extension(patient: &Json<'_>, about: ReadExtension) -> bool {
    match about {
        ReadExtension::Interpreter => {
            let nested = extension(patient, NHS_COMMUNICATION)
                .and_then(|communication| extension(communication, "interpreterRequired"));
            let said = extension(patient, INTERPRETER_REQUIRED).or(nested);
            said.is_some() && interpreter_required(patient).is_none()
        }
        ReadExtension::Ethnicity => {
            extension(patient, ETHNIC_CATEGORY).is_some() && ethnicity_code(patient).is_none()
        }
    }
}

/// What an extension is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadExtension {
    Interpreter,
    Ethnicity,
}

/// The code of the UK Core ethnic category.
pub(crate) fn ethnicity_code<'t>(patient: &'t Json<'_>) -> Option<&'t str> {
    let concept = extension(patient, ETHNIC_CATEGORY)?.get("valueCodeableConcept")?;
    items(concept.get("coding"))
        .iter()
        .find_map(|coding| text_of(coding, "code"))
}

pub(crate) fn contact_person<'t>(patient: &'t Json<'_>, today: Date) -> Option<ContactPerson<'t>> {
    let contact = items(patient.get("contact"))
        .iter()
        .find(|contact| contact.is_object() && covers(contact.get("period"), today))?;
    Some(ContactPerson {
        name: human_name(contact.get("name"), today).map(|name| name.full()),
        phone: best_telecom(contact.get("telecom"), "phone", today).map(national_form),
        relationship: items(contact.get("relationship"))
            .iter()
            .find_map(|concept| words(Some(concept))),
    })
}

/// Whether the record is marked as made up for tests: by its label, or by a name that only test records bear.
pub(crate) fn is_test_person(patient: &Json<'_>) -> bool {
    let test_name = |text: &str| {
        ["XXTEST", "ZZTEST"]
            .iter()
            .any(|mark| strip_prefix_of_any_case(text, mark).is_some())
    };
    let named = items(patient.get("name")).iter().any(|name| {
        let parts = texts(name.get("given")).chain(text_of(name, "family"));
        parts
            .chain(text_of(name, "text"))
            .flat_map(str::split_whitespace)
            .any(test_name)
    });
    named || is_test_data(patient)
}

/// Whether the person is recorded as dead. `deceasedBoolean: false` is alive; anything else that stands there,
/// even a date whose value is withheld, is taken for dead: in doubt nothing goes out.
pub(crate) fn deceased(patient: &Json<'_>) -> bool {
    let said = |key| patient.get(key).filter(|value| !value.is_null());
    let by_flag = said("deceasedBoolean").is_some_and(|value| value.as_bool() != Some(false));
    by_flag || said("deceasedDateTime").is_some() || said("_deceasedDateTime").is_some()
}

/// Whether the practice still keeps the record. Absent is active; anything there but `true` is not.
pub(crate) fn active(patient: &Json<'_>) -> bool {
    patient
        .get("active")
        .is_none_or(|said| said.is_null() || said.as_bool() == Some(true))
}

/// Whether another record took this one's place; a link that names nothing is one all the same.
pub(crate) fn is_replaced(patient: &Json<'_>) -> bool {
    items(patient.get("link"))
        .iter()
        .any(|link| text_of(link, "type") == Some("replaced-by"))
}

/// Whether the record says when contact is safe (UK Core contact preference).
pub(crate) fn has_contact_instructions(patient: &Json<'_>) -> bool {
    extension(patient, CONTACT_PREFERENCE)
        .and_then(|preference| extension(preference, "PreferredContactTimes"))
        .is_some()
}

/// The first extension of that URL.
fn extension<'t, 'a>(element: &'t Json<'a>, url: &str) -> Option<&'t Json<'a>> {
    items(element.get("extension"))
        .iter()
        .find(|extension| text_of(extension, "url") == Some(url))
}

/// A `CodeableConcept` in words: its text, else a display, else a code.
pub(super) fn words<'t>(concept: Option<&'t Json<'_>>) -> Option<&'t str> {
    let concept = concept?;
    let codings = items(concept.get("coding"));
    let first = |key| codings.iter().find_map(|coding| text_of(coding, key));
    text_of(concept, "text")
        .or_else(|| first("display"))
        .or_else(|| first("code"))
}

fn texts<'t>(list: Option<&'t Json<'_>>) -> impl Iterator<Item = &'t str> {
    items(list)
        .iter()
        .filter_map(Json::as_str)
        .map(trimmed)
        .filter(|text| !text.is_empty())
}

/// Bytes that most names and numbers have at most.
const USUAL_TEXT: usize = 32;

/// The words of these texts with one space between them.
fn single_spaces<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut joined = String::with_capacity(USUAL_TEXT);
    let mut push = |words: &str| {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(words);
    };
    for text in texts {
        if is_single_spaced(text) {
            push(text);
        } else {
            text.split_whitespace().for_each(&mut push);
        }
    }
    joined
}

/// Whether a text is words of ASCII with one space between them; nearly all are.
fn is_single_spaced(text: &str) -> bool {
    let mut before = b' ';
    let spaced = text.bytes().all(|byte| {
        let fits = byte.is_ascii_graphic() || (byte == b' ' && before != b' ');
        before = byte;
        fits
    });
    spaced && before != b' '
}

/// Whether a `Period` covers the day; an end that cannot be read covers nothing, for in doubt nothing goes out. A partial date
/// covers the whole of its year or month, an instant its London day.
pub(super) fn covers(period: Option<&Json<'_>>, today: Date) -> bool {
    let Some(period) = period.filter(|period| !period.is_null()) else {
        return true;
    };
    let bound = |key| match period.get(key) {
        None | Some(Json::Null) => Some(None),
        Some(value) => recorded_days(value.as_str()?).map(Some),
    };
    let (Some(start), Some(end)) = (bound("start"), bound("end")) else {
        return false;
    };
    start.is_none_or(|(first, _)| first <= today) && end.is_none_or(|(_, last)| today <= last)
}

#[cfg(test)]
#[path = "patient_tests.rs"]
mod tests;
