//! What is sent after a write that may still arrive, or is still to be sent: corrections of its entry, and the Task.

use super::Unit;
use super::send::Outcome;
use super::send_tests::{
    BASE, CREATE, SEARCH, Server, answer, entries, found, made, new, observation, sent, stored,
    unit,
};
use super::task_sync::Task;
use crate::domain::{EventId, LegState, Reason};
use crate::fhir::resources::task::{self, TaskInput};
use crate::store::rows::{MirrorKind, MirrorRow, PushKind, PushRow, PushState, Unanswered};

/// Writes of one entry, in this order.
fn entry(kinds: &[PushKind]) -> Unit {
    let mut unit = unit(&vec!["a"; kinds.len()], PushKind::Create, false);
    for (write, kind) in unit.writes.iter_mut().zip(kinds) {
        write.row.kind = *kind;
    }
    unit
}

/// The Task of a unit, as it has been told once.
pub(super) fn told(unit: &Unit) -> Task {
    Task {
        row: MirrorRow {
            leg: unit.leg.id,
            kind: MirrorKind::Task,
            source: unit.leg.source,
            state: PushState::Sending,
            attempts: 1,
            unanswered: Unanswered::default(),
            last_status: 0,
            server_id: None,
        },
        kind: MirrorKind::Task,
        input: TaskInput {
            namespace: String::new(),
            identifier: "t".to_owned(),
            service_request_id: "r".to_owned(),
            patient_id: "p".to_owned(),
            status: task::status_of(LegState::Sent, false, None).unwrap(),
            authored_on: String::new(),
            last_modified: String::new(),
            requester_ods: String::new(),
            owner: (String::new(), String::new()),
            owner_display: String::new(),
            outputs: Vec::new(),
        },
        server_id: None,
    }
}

/// How often something was asked for that begins so.
fn asked(server: &Server, begins: &str) -> usize {
    let asked = server.asked();
    asked.iter().filter(|line| line.starts_with(begins)).count()
}

/// A server that answers a new entry with this status, and finds none.
fn refusing(status: u16) -> Server {
    Server::new(move |asked, _| {
        if asked.is(SEARCH) {
            return found(&[]);
        }
        assert!(asked.is(CREATE), "{}", asked.line);
        answer(status, "retry-after: 3600\r\n", "")
    })
}

#[tokio::test]
async fn an_entry_whose_answer_was_lost_is_not_made_again_by_its_correction() {
    for (status, first, second) in [
        (504, Outcome::Lost, Outcome::Lost),
        (408, Outcome::TimedOut, Outcome::Lost),
        // It never left: the correction goes with it, in the next run.
        (429, Outcome::Later, Outcome::Later),
        (403, Outcome::Barred, Outcome::Later),
    ] {
        for kind in [PushKind::Amend, PushKind::Withdraw] {
            let server = refusing(status);
            let mut both = entry(&[PushKind::Create, kind]);
            // Sent before, so that neither cancels the other out.
            both.writes[0].row.attempts = 2;
            let wanted = [first.clone(), second.clone()];
            assert_eq!(sent(&server, &both).await, wanted, "{status} {kind:?}");
            let posts = server.asked();
            let posts = posts.iter().filter(|line| *line == "POST /Observation");
            assert_eq!(posts.count(), 1, "{status} {kind:?}");
        }
    }
}

#[tokio::test]
async fn an_entry_that_no_search_shows_yet_is_corrected_where_its_answer_says() {
    let server = Server::new(|asked, _| {
        if asked.is(CREATE) {
            return stored("7", "a");
        }
        if asked.is("GET /fhir/Observation/7") {
            return answer(200, "", &observation("7", "a", "1", "attended").to_string());
        }
        assert!(asked.is("PUT /fhir/Observation/7"), "{}", asked.line);
        answer(200, "", "")
    });
    let both = entry(&[PushKind::Create, PushKind::Amend]);
    assert_eq!(sent(&server, &both).await, [new("7"), new("7")]);
}

#[tokio::test]
async fn what_was_refused_as_anothers_is_not_made_again_by_its_correction() {
    let server = Server::new(|asked, _| {
        assert!(asked.is(CREATE), "{}", asked.line);
        let other = observation("7", "a", "1", "attended").to_string();
        let other = other.replace("Patient/p", "Patient/q");
        answer(201, "location: Observation/7\r\n", &other)
    });
    let both = entry(&[PushKind::Create, PushKind::Amend]);
    let refused = Outcome::Refused(Reason::IdentityChanged);
    assert_eq!(sent(&server, &both).await, [refused.clone(), refused]);
    assert_eq!(asked(&server, "POST"), 1);
}

#[tokio::test]
async fn a_newer_word_never_goes_before_an_older_one() {
    for (status, first) in [(504, Outcome::Lost), (429, Outcome::Later)] {
        for kind in [PushKind::Amend, PushKind::Withdraw] {
            let server = Server::new(move |asked, _| {
                if asked.is("GET") {
                    return answer(200, "", &observation("7", "a", "1", "attended").to_string());
                }
                answer(status, "retry-after: 3600\r\n", "")
            });
            let mut both = entry(&[PushKind::Amend, kind]);
            for write in &mut both.writes {
                write.server_id = Some("7".to_owned());
            }
            assert_eq!(sent(&server, &both).await, [first.clone(), Outcome::Later]);
            assert_eq!(asked(&server, "PUT"), 1);
        }
    }
}

#[tokio::test]
async fn an_earlier_write_that_is_not_in_hand_counts_as_well() {
    for (earlier, state, wanted, searches) in [
        (PushKind::Create, PushState::AnswerLost, Outcome::Lost, 1),
        (PushKind::Create, PushState::Sending, Outcome::Lost, 1),
        (PushKind::Create, PushState::Queued, Outcome::Later, 0),
        (PushKind::Create, PushState::Waiting, Outcome::Later, 0),
        (PushKind::Amend, PushState::AnswerLost, Outcome::Later, 0),
    ] {
        for kind in [PushKind::Amend, PushKind::Withdraw] {
            let server = Server::new(|asked, _| {
                assert!(asked.is(SEARCH), "nothing is written");
                found(&[])
            });
            let mut one = entry(&[kind]);
            let before = PushRow {
                event: EventId::new(0),
                kind: earlier,
                state,
                ..one.writes[0].row.clone()
            };
            one.writes[0].before.push(before);
            let outcomes = sent(&server, &one).await;
            assert_eq!(outcomes, std::slice::from_ref(&wanted), "{state:?}");
            assert_eq!(server.asked().len(), searches, "{state:?}");
        }
    }
}

#[tokio::test]
async fn a_task_that_may_have_arrived_in_a_transaction_is_not_made_once_more() {
    let one = made("1", "a");
    let given_up = r#"{"response":{"status":"503"}}"#;
    let anothers = r#"{"resource":{"resourceType":"Task","for":{"reference":"Patient/q"}},"response":{"status":"201","location":"Task/1"}}"#;
    let nothing_said = r#"{"response":{"status":"201","location":"Elsewhere/1"}}"#;
    for (answered, wanted) in [
        (None, [Outcome::Lost, Outcome::Lost]),
        (answer(504, "", ""), [Outcome::Lost, Outcome::Lost]),
        (answer(408, "", ""), [Outcome::TimedOut, Outcome::Lost]),
        (
            answer(200, "", &entries(&[&one, given_up])),
            [new("1"), Outcome::Lost],
        ),
        (
            answer(200, "", &entries(&[&one, nothing_said])),
            [new("1"), Outcome::Lost],
        ),
        (
            answer(200, "", &entries(&[&one, anothers])),
            [new("1"), Outcome::Refused(Reason::IdentityChanged)],
        ),
    ] {
        let answered = answered.clone();
        let server = Server::new(move |asked, _| {
            if asked.is(BASE) {
                return answered.clone();
            }
            assert!(asked.line.contains("/_search "), "{}", asked.line);
            found(&[])
        });
        let mut with_task = entry(&[PushKind::Create]);
        with_task.task = Some(told(&with_task));
        let answers = server.session(true).send(&with_task).await;
        let outcomes = [answers.writes[0].clone(), answers.task.unwrap()];
        assert_eq!(outcomes, wanted);
    }
}
