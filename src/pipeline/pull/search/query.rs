//! What a search asks for, and what the store and earlier pulls know beforehand.

use crate::config::Reading;
use crate::diagnostics::Place;
use crate::domain::{Instant, LegId, Reason};
use crate::pipeline::pull::Pulling;
use crate::pipeline::pull::certificate::{Evidence, Sweep};
use crate::pipeline::referral::Bytes;
use crate::pipeline::sealed_inputs;

/// Requests without their person that are looked for again in one pull.
const AGAIN_MAX: usize = 200;

/// What is asked of a server, and what was known before.
pub(in crate::pipeline::pull) struct Asked {
    pub(super) base: String,
    pub(super) codes: Vec<String>,
    pub(super) reading: Reading,
    /// Where the last pull that could be relied on ended.
    pub(super) high: Option<Instant>,
    /// Our time, and whether somebody set it.
    pub(super) now: Instant,
    pub(super) clock_fixed: bool,
    /// The last sweep.
    pub(super) sweep: Option<Sweep>,
    /// Requests of earlier pulls whose person was not found.
    pub(super) again: Vec<Bytes>,
    pub(super) place: Place,
}

impl Asked {
    /// What to ask for a source in this run.
    ///
    /// # Errors
    /// The store failed, or a sealed value does not open.
    pub(in crate::pipeline::pull) async fn of(
        at: &Pulling<'_>,
        base_url: &str,
        reading: Reading,
    ) -> anyhow::Result<Self> {
        let env = at.run;
        let codes = env.source_rules(&env.sources[at.source].config).codes();
        Ok(Self {
            base: base_url.to_owned(),
            codes: codes.into_iter().map(str::to_owned).collect(),
            reading,
            high: at.high(),
            now: env.now(),
            clock_fixed: env.clock.fixed(),
            sweep: at
                .before
                .as_ref()
                .and_then(|before| Evidence::of(before).sweep),
            again: without_person(at).await?,
            place: at.place(),
        })
    }
}

/// The requests of this source that wait because their person was not found.
///
/// # Errors
/// The store failed, or a sealed value does not open.
pub(in crate::pipeline::pull) async fn without_person(
    at: &Pulling<'_>,
) -> anyhow::Result<Vec<Bytes>> {
    let env = at.run;
    let strand = env.sources[at.source].strand;
    let mut legs: Vec<LegId> = Vec::new();
    env.each_open_hold(|hold| {
        let waits =
            hold.source == strand && !hold.return_id.is_some() && hold.reason == Reason::NoPatient;
        if waits && hold.leg.is_some() && legs.len() < AGAIN_MAX {
            legs.push(hold.leg);
        }
    })
    .await?;
    let legs = env.store.legs(legs).await?;
    let raws: Vec<_> = legs
        .iter()
        .map(|leg| leg.now.raws)
        .filter(|raws| !raws.patient.is_some())
        .collect();
    let referrals = sealed_inputs::referrals(env, &raws).await?;
    Ok(referrals
        .into_iter()
        .flatten()
        .map(|referral| referral.request)
        .collect())
}
