//! What lies in a partner's `in/` and is not taken: counted for `kith status`, and left as it is.

use crate::domain::clock::SystemClock;
use crate::domain::{Clock as _, Instant};
use crate::pipeline::run::Env;
use crate::transport::{ListingTerms, TransportError};

/// Files of one partner that nobody takes; their names may be a person's and are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untaken {
    /// Of a partner with whom no return is agreed.
    pub(crate) foreign: usize,
    /// Without a byte.
    pub(crate) empty: usize,
    /// That stood still before the last run of *collect* began, and are still there.
    pub(crate) left: usize,
}

/// Looks into a partner's `in/`; `collected`: when the last run of *collect* began.
///
/// # Errors
/// The folder is there and cannot be looked into.
pub(crate) async fn untaken(
    env: &Env,
    partner: usize,
    collected: Option<Instant>,
) -> Result<Untaken, TransportError> {
    let transport = &env.partners[partner].transport;
    if !transport.capabilities().returns || collected.is_none() {
        return Ok(Untaken::default());
    }
    // How old a file is goes by the machine's clock, whatever time the run was given.
    let now_micros = SystemClock.now().0;
    let look = |settle_seconds| ListingTerms {
        now_micros,
        settle_seconds,
        files_max: env.config.limits.return_files_max,
    };
    let all = transport.list(look(0)).await?;
    let Some(collect) = &env.rules.partners[partner].collect else {
        return Ok(Untaken {
            foreign: all.candidates.len() + all.waiting.len(),
            ..Untaken::default()
        });
    };
    let since = now_micros.saturating_sub(collected.map_or(now_micros, |at| at.0));
    let since = u32::try_from(since / 1_000_000).unwrap_or(u32::MAX);
    let settled = since.saturating_add(collect.settle_seconds);
    let old = transport.list(look(settled)).await?;
    Ok(Untaken {
        foreign: 0,
        empty: all.waiting.len(),
        left: old.candidates.len(),
    })
}
