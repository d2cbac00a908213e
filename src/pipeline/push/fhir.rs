//! Writing by FHIR: conditional creates, a few at once, each identifier in one place at a time.

use std::sync::Arc;

use super::{Ended, Write, begin, end, load, refusals, server_id_spot};
use crate::diagnostics::{Code, Diagnostic, Place};
use crate::domain::entropy::Stream;
use crate::domain::{Disposition, LegState, Reason, limits};
use crate::fhir::client::Client;
use crate::fhir::create::{Created, WriteFailure};
use crate::fhir::{observation, task};
use crate::pipeline::env::Env;
use crate::pipeline::{StageOutcome, gp};
use crate::store::rows::{PushRow, PushState};

/// What a batch of writes came to.
struct Sent {
    ended: Vec<Ended>,
    /// The server could not be reached: no use in going on in this run.
    stop: Option<Diagnostic>,
}

/// Sends everything queued for a source.
///
/// # Errors
/// The store failed.
pub(super) async fn push(
    env: &Arc<Env>,
    place: usize,
    run: i64,
    base_url: &str,
) -> anyhow::Result<StageOutcome> {
    let mut outcome = StageOutcome::default();
    let strand = env.sources[place].strand;
    let here = || Place::detail(format!("source {}", env.sources[place].config.id));
    let client = match gp::client(env, place, base_url) {
        Ok(client) => client,
        Err(error) => {
            let wrong = gp::diagnostic(&error, Code::WriteUnreachable, here());
            outcome.unreachable.push(wrong);
            return Ok(outcome);
        }
    };
    // What may have arrived comes first: it is looked up before anything is sent again.
    for state in [PushState::Sending, PushState::AnswerLost, PushState::Queued] {
        let mut after = 0;
        loop {
            let rows = env
                .store
                .pushes(
                    strand,
                    state,
                    after,
                    i64::try_from(limits::PUSH_BATCH).unwrap_or(100),
                )
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.event;
            let (mut writes, refused) = load(env, rows).await?;
            end(env, strand, run, refusals(refused), &mut outcome).await?;
            begin(env, strand, &mut writes).await?;
            let mut stream = env.stream();
            let sent = send(
                env,
                &client,
                writes,
                state != PushState::Queued,
                &mut stream,
                here(),
            )
            .await;
            end(env, strand, run, sent.ended, &mut outcome).await?;
            if let Some(stop) = sent.stop {
                outcome.unreachable.push(stop);
                return Ok(outcome);
            }
        }
    }
    Ok(outcome)
}

/// Sends writes a few at a time, in order; after the server is lost the rest go back to the queue unsent.
async fn send(
    env: &Env,
    client: &Client,
    writes: Vec<Write>,
    look_first: bool,
    stream: &mut Stream,
    here: Place,
) -> Sent {
    let mut sent = Sent {
        ended: Vec::with_capacity(writes.len()),
        stop: None,
    };
    let mut writes = writes.into_iter();
    loop {
        let few: Vec<Write> = writes.by_ref().take(limits::WRITES_AT_ONCE).collect();
        if few.is_empty() {
            return sent;
        }
        if sent.stop.is_some() {
            sent.ended
                .extend(few.into_iter().map(|write| unsent(write.row)));
            continue;
        }
        let answers = futures_of(env, client, &few, look_first).await;
        for (write, answer) in few.into_iter().zip(answers) {
            let ended = ending(write, answer, stream);
            if ended.reason == Some(Reason::Unreachable) {
                let place = here.clone();
                sent.stop = Some(Diagnostic::new(
                    Code::WriteUnreachable,
                    "a GP system could not be reached for writing",
                    place,
                ));
            } else if ended.reason == Some(Reason::AnswerLost) {
                let place = here.clone().and("one entry");
                sent.stop = Some(Diagnostic::new(
                    Code::WriteLost,
                    "the answer to a write was lost",
                    place,
                ));
            }
            sent.ended.push(ended);
        }
    }
}

/// The answers to a few writes made at once, in their order.
async fn futures_of(
    env: &Env,
    client: &Client,
    few: &[Write],
    look_first: bool,
) -> Vec<Result<Created, WriteFailure>> {
    let mut one = few.iter().map(|write| one(env, client, write, look_first));
    let empty = || async { None };
    let next = |future: Option<_>| async move {
        match future {
            Some(future) => Some(std::future::IntoFuture::into_future(future).await),
            None => empty().await,
        }
    };
    // Four at once, as limits::WRITES_AT_ONCE says.
    let (a, b, c, d) = tokio::join!(
        next(one.next()),
        next(one.next()),
        next(one.next()),
        next(one.next())
    );
    [a, b, c, d].into_iter().flatten().collect()
}

/// Makes sure that an event's Observation, and its Task where one is due, are on the server.
async fn one(
    env: &Env,
    client: &Client,
    write: &Write,
    look_first: bool,
) -> Result<Created, WriteFailure> {
    let system = observation::identifier_system(&env.config.namespace);
    let created = ensure(
        client,
        "Observation",
        &write.body,
        &system,
        &write.event.identifier,
        look_first,
    )
    .await?;
    if let Some((identifier, body)) = ending_task(env, write, &created.id) {
        let system = task::identifier_system(&env.config.namespace);
        ensure(client, "Task", &body, &system, &identifier, look_first).await?;
    }
    Ok(created)
}

async fn ensure(
    client: &Client,
    kind: &str,
    body: &[u8],
    system: &str,
    value: &str,
    look_first: bool,
) -> Result<Created, WriteFailure> {
    if look_first {
        let found = client
            .find_by_identifier(kind, system, value)
            .await
            .map_err(|_| WriteFailure::AnswerLost)?;
        if let Some(first) = found.first() {
            let head = crate::fhir::bundle::Head::of(first);
            return Ok(Created {
                id: head
                    .id
                    .map(std::borrow::Cow::into_owned)
                    .unwrap_or_default(),
                version: None,
                new: false,
            });
        }
    }
    client.create_once(kind, body, system, value).await
}

/// The Task of a leg that has ended, where the source wants one: written once, when nothing can follow.
fn ending_task(env: &Env, write: &Write, observation: &str) -> Option<(String, Vec<u8>)> {
    let source = &env.sources[env.source_at(write.leg.source)?].config;
    let ended = match write.event.state()? {
        LegState::Completed => task::Ended::Completed,
        LegState::Rejected => task::Ended::Rejected,
        LegState::ClosedUnsuccessful => task::Ended::ClosedUnsuccessful,
        _ => return None,
    };
    if !source.push.write_task {
        return None;
    }
    let partner = &env.rules.partners[write.partner];
    let name = [
        env.config.namespace.as_str(),
        &partner.id,
        &write.leg.reference.to_string(),
        "task",
    ]
    .join("|");
    let identifier = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
    let input = task::TaskInput {
        namespace: env.config.namespace.clone(),
        identifier: identifier.clone(),
        service_request_id: write.about.service_request.clone(),
        patient_id: write.about.patient.clone(),
        ended,
        authored_on: crate::domain::Instant(write.leg.born).utc_text(),
        last_modified: write.event.taken_at.clone(),
        requester_ods: source.ods_code.clone(),
        owner: (
            partner.identifier.system.clone(),
            partner.identifier.value.clone(),
        ),
        owner_display: partner.name.clone(),
        observation_ids: vec![observation.to_owned()],
    };
    Some((identifier, task::build(&input)))
}

fn ending(write: Write, answer: Result<Created, WriteFailure>, stream: &mut Stream) -> Ended {
    let mut row = write.row;
    let (state, disposition, reason) = match answer {
        Ok(created) => {
            let spot = server_id_spot(row.event, write.leg.now.person);
            row.server_id = Some(write.key.seal(spot, stream.bytes(), created.id.as_bytes()));
            if created.new {
                (PushState::Confirmed, Disposition::Accepted, None)
            } else {
                (
                    PushState::Confirmed,
                    Disposition::Repeated,
                    Some(Reason::AlreadyKnown),
                )
            }
        }
        Err(WriteFailure::AnswerLost) => (
            PushState::AnswerLost,
            Disposition::Held,
            Some(Reason::AnswerLost),
        ),
        Err(WriteFailure::Transient { .. }) => return unsent(row),
        Err(WriteFailure::Refused { .. } | WriteFailure::Duplicate) => (
            PushState::Refused,
            Disposition::Rejected,
            Some(Reason::Refused),
        ),
    };
    (row.state, row.reason) = (state, reason.map_or(0, Reason::number));
    Ended {
        row,
        disposition,
        reason,
    }
}

/// It never left: it waits as before.
fn unsent(mut row: PushRow) -> Ended {
    (row.state, row.reason) = (PushState::Queued, Reason::Unreachable.number());
    Ended {
        row,
        disposition: Disposition::Held,
        reason: Some(Reason::Unreachable),
    }
}
