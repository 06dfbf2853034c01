//! The first step of a pass: what the index has to forget before anything is due.

use crate::chunk::ChunkId;
use crate::coordinator::{Event, Prepare};
use crate::core::WorkError;
use crate::recorder::recover_chunk;
use crate::rules::backoff;

use super::api::Api;
use super::push_tokens;

/// The journals that are read from the index together.
const JOURNALS: usize = 100;

/// Prepares a pass.
pub async fn prepare(api: &Api<'_>, prepare: Prepare) -> Result<(), WorkError> {
    let core = api.core;
    core.check_clock();
    let conditions = core.ports.device.conditions();
    if core.with_state(|state| state.conditions != conditions) {
        core.post(Event::Conditions(conditions));
    }
    recover_left_over(api).await?;
    core.fenced(api.fence, |index| {
        index.correct_times(core.now(), core.now() + backoff::FURTHEST)?;
        if prepare.rearm {
            index.rearm(&api.account)?;
        }
        if prepare.forget_delays {
            index.forget_delays(&api.account)?;
        }
        if prepare.reset_polls {
            index.reset_polls(&api.account, None, core.now())?;
            index.read_again(&api.account)?;
        }
        Ok(())
    })?;
    core.ports.clock.breathe().await;
    push_tokens::tell(api).await
}

/// Journals that could not be read at the start, because the phone was locked.
async fn recover_left_over(api: &Api<'_>) -> Result<(), WorkError> {
    let core = api.core;
    let mut after = ChunkId(0);
    // The index is locked for this statement only: recovering a chunk uses it again.
    while let (left_over, Some(last)) = core.left_over(after, JOURNALS)? {
        for chunk in left_over {
            // It is tried again with the next pass.
            let _ = recover_chunk(core, &chunk);
        }
        after = last;
        core.ports.clock.breathe().await;
    }
    Ok(())
}
