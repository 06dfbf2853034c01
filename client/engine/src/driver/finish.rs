//! The last step of a pass, and what is due next.

use domain::Uid;

use super::api::Api;
use crate::coordinator::Dues;
use crate::core::{Core, WorkError};
use crate::housekeeping::delete_due;
use crate::index::{IndexError, PushKind};

/// Deletes what the policy allows, and forgets what was handled long ago.
pub async fn finish(api: &Api<'_>) -> Result<(), WorkError> {
    let core = api.core;
    // The time is read before the look at the clock: if the clock is set in between, too little is deleted, not too much.
    while let Some(now) = Some(core.now()).filter(|_| core.check_clock())
        && delete_due(core, now)?
    {
        // There may be a million of them: the engine can be closed, and others may use the index meanwhile.
        core.ports.clock.breathe().await;
    }
    let now = core.now();
    if core.check_clock() {
        core.index().forget_handled(now)?;
    }
    Ok(())
}

/// When something is due for the account.
pub fn dues(core: &Core, account: &Uid) -> Result<Dues, IndexError> {
    let index = core.index();
    let open = |kind| kind != PushKind::Registered;
    let tasks = index.push_tasks(account)?;
    let task = tasks.iter().filter(|task| open(task.kind)).map(|task| task.next_attempt_at.unwrap_or(core.now())).min();
    Ok(Dues { upload: index.upload_due(account, core.now())?, poll: index.poll_due(account)?, task })
}
