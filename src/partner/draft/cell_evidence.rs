//! Weighs what the cells of a column say for or against a meaning.
//!
//! A meaning and a [`CellShape`] come in, points for or against go out. Invariant: cells that are plainly of one kind speak against every
//! meaning of another, so that no number or name goes out under a header that only sounds alike.

use super::columns::is_day;
use super::heading::Subject;
use super::shape::CellShape;

/// How well the cells go with a meaning.
pub(super) fn fit(means: &str, shape: &CellShape) -> i32 {
    if shape.filled == 0 {
        return 0;
    }
    let day = shape.date().is_some();
    match means {
        "own" | "leg.check" => 0,
        "patient.birth_date" if shape.jotted => 0,
        "patient.birth_date" => either(day && shape.year_min < 2020, 10, -45),
        _ if is_day(means) || means == "referral.authored_on" => either(shape.day_of_now(), 8, -45),
        _ if day || shape.jotted => -60,
        "patient.phone"
        | "patient.phone_home"
        | "patient.contact_phone"
        | "requester.phone"
        | "practice.phone"
        | "practice.safeguarding_phone" => either(shape.phones, 10, -45),
        _ if shape.phones => -50,
        "patient.email" | "requester.email" => either(shape.emails, 10, -45),
        _ if shape.emails => -60,
        "patient.postcode" if shape.outcodes => 4,
        "patient.postcode" => either(shape.postcodes, 10, -45),
        _ if shape.postcodes => -50,
        "patient.nhs_number" => either(shape.nhs_numbers, 10, -45),
        _ if shape.nhs_numbers => -60,
        "patient.age_years" => either(shape.ages, 10, -45),
        "patient.prefix" => either(shape.titles, 10, -45),
        _ if shape.titles => -50,
        "practice.ods_code" => either(shape.ods_codes, 10, -45),
        "leg.reference" => either(shape.serial, -45, 0),
        _ if means.starts_with("measure.") && means != "measure.occasion" => {
            either(shape.scores, 8, -45)
        }
        "attendance" | "attendance.missed" if shape.counts => -45,
        "attendance" | "attendance.missed" | "acknowledged" | "measure.occasion" => {
            either(shape.codes, 0, -30)
        }
        _ => words(means, shape),
    }
}

/// The same for cells of words.
fn words(means: &str, shape: &CellShape) -> i32 {
    match means {
        "practice.name"
        | "requester.name"
        | "requester.role"
        | "patient.name"
        | "patient.family"
        | "patient.given"
        | "patient.contact_name"
        | "patient.contact_relationship"
        | "patient.language"
        | "patient.city"
        | "patient.address"
        | "patient.address_line_1"
        | "patient.address_line_2"
        | "referral.reason"
        | "referral.note"
        | "referral.activity"
            if shape.yes_no =>
        {
            -45
        }
        "practice.name" if shape.practices => 10,
        "practice.name" => either(shape.ods_codes || shape.sentences, -40, 0),
        "requester.name" | "patient.name" | "patient.family" | "patient.given"
            if shape.practices =>
        {
            -40
        }
        // A number is nobody's name.
        "patient.name"
        | "patient.family"
        | "patient.given"
        | "patient.contact_name"
        | "requester.name"
            if shape.counts || shape.scores || shape.ages =>
        {
            -45
        }
        "patient.contact_relationship" => either(shape.relations, 10, -15),
        "patient.name" | "patient.family" | "patient.given" if shape.relations => -40,
        "patient.name"
        | "patient.family"
        | "patient.given"
        | "patient.contact_name"
        | "requester.name" => either(shape.names, 4, -30),
        "patient.gender" | "patient.language" | "patient.ethnicity" | "patient.city"
        | "requester.role" | "referral.priority" | "leg.action" => either(shape.sentences, -45, 0),
        "note" | "referral.note" | "status.reason" | "patient.address" => {
            either(shape.sentences, 4, 0)
        }
        // Free text says nothing by a yes, a number or a code.
        "referral.reason" | "patient.address_line_1" => either(shape.scores || shape.ages, -40, 0),
        _ => 0,
    }
}

fn either(fits: bool, good: i32, bad: i32) -> i32 {
    if fits { good } else { bad }
}

/// A meaning that the cells alone give, where the header is about nobody else.
pub(super) fn by_look(shape: &CellShape, subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Person => {}
        Subject::Contact if shape.phones => return Some("patient.contact_phone"),
        Subject::Requester if shape.phones => return Some("requester.phone"),
        Subject::Requester if shape.emails => return Some("requester.email"),
        Subject::Practice if shape.phones => return Some("practice.phone"),
        _ => return None,
    }
    if shape.emails {
        Some("patient.email")
    } else if shape.postcodes {
        Some("patient.postcode")
    } else if shape.nhs_numbers {
        Some("patient.nhs_number")
    } else if shape.phones {
        Some("patient.phone")
    } else if shape.titles {
        Some("patient.prefix")
    } else if shape.date().is_some() && shape.year_min < 2000 {
        Some("patient.birth_date")
    } else {
        None
    }
}
