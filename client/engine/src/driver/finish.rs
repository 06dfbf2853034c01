//! The last step of a pass, and what is due next.

use domain::Uid;

use super::api::Api;
use crate::coordinator::Dues;
use crate::core::{Core, WorkError};
use crate::housekeeping::delete_due;
use crate::index::{IndexError, PushKind};

/// Deletes what the policy allows, and forgets what was handled long ago.
pub async fn finish(api: &Api<'_>) -> Result<(), WorkError> {
    while delete_due(api.core)? {
        // There may be a million of them: the engine can be closed, and others may use the index meanwhile.
        api.core.ports.clock.breathe().await;
    }
    api.core.index().forget_handled(api.core.now())?;
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
