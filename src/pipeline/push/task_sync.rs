//! What a GP system is told of a leg: its Task, and by the practice's own choice the request's status (`fhir.md` §2.2).
//!
//! In: a leg that stands elsewhere than was last told. Out: the Task that says so. Keeps: what is told follows the leg and
//! never leads it; a Task that the practice has ended otherwise is left as it is.

use super::observation::performer;
use super::{Unit, load_writes, server_id_spot};
use crate::domain::entropy::Stream;
use crate::domain::{Instant, LegState, Reason};
use crate::fhir::resources::task;
use crate::fhir::resources::task::TaskInput;
use crate::pipeline::run::{Env, LedgerAccess};
use crate::store::rows::{Leg, MirrorKind, MirrorRow, PushState, Unanswered};

/// A Task that should say something else than it does.
pub(super) struct Task {
    pub(super) row: MirrorRow,
    pub(super) kind: MirrorKind,
    /// What it should say, with the Observations that were there before.
    pub(super) input: TaskInput,
    /// Where the server has it, if we know.
    pub(super) server_id: Option<String>,
}

/// How telling ended.
pub(super) struct Told {
    pub(super) row: MirrorRow,
    pub(super) refused: Option<Reason>,
}

/// Whether the Task of a leg should say something else than it does; a Task begins when a partner was sent something.
fn due(leg: &Leg, row: Option<&MirrorRow>) -> bool {
    let begun = leg.now.state.after_sending()
        || matches!(
            leg.now.state,
            LegState::Rejected | LegState::Completed | LegState::ClosedUnsuccessful
        );
    (begun || row.is_some()) && row.is_none_or(|row| row.last_status != leg.status_code())
}

/// Gives each unit the Task that it needs.
pub(super) async fn add_tasks(env: &Env, units: &mut [Unit]) -> anyhow::Result<()> {
    let rows = env
        .store
        .mirrors(units.iter().map(|unit| unit.leg.id).collect())
        .await?;
    for unit in units {
        let row = rows
            .iter()
            .find(|row| row.leg == unit.leg.id && row.kind == MirrorKind::Task);
        if due(&unit.leg, row) {
            let row = row.cloned();
            unit.task = of(env, unit, MirrorKind::Task, row).await?;
        }
    }
    Ok(())
}

/// Gives each unit its request's status to tell.
pub(super) async fn add_requests(env: &Env, units: &mut [Unit]) -> anyhow::Result<()> {
    for unit in units {
        unit.task = of(env, unit, MirrorKind::Request, None).await?;
    }
    Ok(())
}

async fn of(
    env: &Env,
    unit: &Unit,
    kind: MirrorKind,
    row: Option<MirrorRow>,
) -> anyhow::Result<Option<Task>> {
    let leg = &unit.leg;
    let stopping = leg.status_code() % 2 == 1;
    let (Some(status), Some(source)) = (
        task::status_of(leg.now.state, stopping, leg.now.why),
        env.source_at(leg.source),
    ) else {
        return Ok(None);
    };
    let partner = &env.rules.partners[unit.partner];
    let row = row.unwrap_or(MirrorRow {
        leg: leg.id,
        kind,
        source: leg.source,
        state: PushState::Queued,
        attempts: 0,
        unanswered: Unanswered::default(),
        last_status: 0,
        server_id: None,
    });
    let server_id = match row.server_id.as_deref() {
        Some(sealed) => {
            let plain = unit
                .key
                .open(server_id_spot(leg.id, leg.now.person), sealed)?;
            String::from_utf8(plain).ok()
        }
        None => None,
    };
    let name = [
        env.config.namespace.as_str(),
        &partner.id,
        &leg.reference.to_string(),
        "task",
    ]
    .join("|");
    let owner = performer(env, partner);
    let input = TaskInput {
        namespace: env.config.namespace.clone(),
        identifier: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
        service_request_id: unit.about.service_request.clone(),
        patient_id: unit.about.patient.clone(),
        status,
        authored_on: Instant(leg.born).utc_text(),
        last_modified: Instant(leg.since).utc_text(),
        requester_ods: env.sources[source].config.ods_code.clone(),
        owner: (owner.system, owner.value),
        owner_display: owner.display,
        outputs: outputs(env, unit).await?,
    };
    Ok(Some(Task {
        row,
        kind,
        input,
        server_id,
    }))
}

/// The Observations of a completed leg that are on the server.
async fn outputs(ledger: &LedgerAccess, unit: &Unit) -> anyhow::Result<Vec<String>> {
    let mut outputs: Vec<String> = Vec::new();
    if unit.leg.now.state != LegState::Completed {
        return Ok(outputs);
    }
    let events = ledger.store.events_of_legs(vec![unit.leg.id]).await?;
    let ids = events.iter().map(|event| event.id).collect();
    for row in ledger.store.pushes_of_events(ids).await? {
        if let Some(id) = load_writes::server_id(&unit.key, &unit.leg, &row)? {
            let name = format!("Observation/{id}");
            if !outputs.contains(&name) {
                outputs.push(name);
            }
        }
    }
    Ok(outputs)
}

/// What became of telling.
pub(super) enum TellingEnded<'a> {
    /// The server has it under this id.
    Stands(&'a str),
    Refused(Reason),
    /// It may be there, or not.
    Lost,
    /// It was not looked at.
    Unsent,
}

/// What a run that died was telling: it may be there, or not.
pub(super) fn lost(task: &Task) -> Told {
    let mut row = task.row.clone();
    row.state = PushState::AnswerLost;
    Told { row, refused: None }
}

/// How telling of a leg ended, from what became of it: sealed where it is, or why not.
pub(super) fn ended(
    unit: &Unit,
    task: &Task,
    answer: &TellingEnded<'_>,
    unanswered: Unanswered,
    stream: &mut Stream,
) -> Told {
    let mut row = task.row.clone();
    row.unanswered = unanswered;
    let refused = match answer {
        TellingEnded::Stands(id) => {
            let spot = server_id_spot(row.leg, unit.leg.now.person);
            row.server_id = Some(unit.key.seal(spot, stream.bytes(), id.as_bytes()));
            (row.state, row.last_status) = (PushState::Confirmed, unit.leg.status_code());
            None
        }
        // Told once more when the leg moves, not every night.
        TellingEnded::Refused(reason) => {
            (row.state, row.last_status) = (PushState::Refused, unit.leg.status_code());
            Some(*reason)
        }
        TellingEnded::Lost => {
            row.state = PushState::AnswerLost;
            None
        }
        TellingEnded::Unsent => {
            row.state = PushState::Queued;
            None
        }
    };
    Told { row, refused }
}
