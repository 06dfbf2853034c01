//! Tells the server the push token of this device, and has it forgotten at sign-out (R40).

use serde_json::json;

use super::api::{Api, ApiError};
use super::multipart::query_value;
use crate::coordinator::{Event, Purpose};
use crate::core::WorkError;
use crate::index::{PushKind, PushTask};
use crate::ports::{Body, Method};
use crate::rules::backoff;

/// Does what is due. A failure is tried again later.
pub async fn tell(api: &Api<'_>) -> Result<(), WorkError> {
    let core = api.core;
    let tasks = core.index().push_tasks(&api.account)?;
    for task in tasks {
        let is_due = task.next_attempt_at.is_none_or(|at| core.now().has_reached(at));
        if task.kind == PushKind::Registered || !is_due {
            continue;
        }
        if !api.is_farewell && core.with_state(|state| state.may_tell(core.now())).is_err() {
            return Ok(());
        }
        tell_one(api, task).await?;
    }
    Ok(())
}

async fn tell_one(api: &Api<'_>, task: PushTask) -> Result<(), WorkError> {
    let core = api.core;
    let path = format!("/v2/devices/{}", query_value(&task.device_id));
    let text = json!({ "push_token": task.token, "platform": task.platform }).to_string();
    let body = || Ok(Body::of(text.clone()));
    let mut call = api.call(if task.kind == PushKind::Remove { Method::Delete } else { Method::Put }, &path);
    if task.kind == PushKind::Register {
        call.headers.push(("content-type", "application/json".to_owned()));
        call.body = &body;
    }
    let answer = match api.send(&call).await {
        Ok(answer) => answer,
        Err(ApiError::Work(error)) => return Err(error),
        Err(error) => {
            api.report(Purpose::PushToken, &error);
            return later(api, task);
        }
    };
    core.ports.clock.breathe().await;
    match answer.status {
        401 => api.post(Event::TokenRefused),
        // The server refuses it for good: asking again would change nothing.
        200..300 | 400 | 404 | 422 => return done(api, task),
        _ => {}
    }
    later(api, task)
}

fn done(api: &Api<'_>, task: PushTask) -> Result<(), WorkError> {
    let mut index = api.core.index();
    // The app may have set another token meanwhile, or signed out.
    let is_same = index.push_tasks(&task.owner)?.contains(&task);
    if is_same && task.kind == PushKind::Remove {
        index.drop_push_task(&task.owner, &task.device_id)?;
    } else if is_same {
        index.put_push_task(&PushTask { kind: PushKind::Registered, attempts: 0, next_attempt_at: None, ..task })?;
    }
    Ok(())
}

fn later(api: &Api<'_>, task: PushTask) -> Result<(), WorkError> {
    let core = api.core;
    let mut index = core.index();
    let is_same = index.push_tasks(&task.owner)?.contains(&task);
    if is_same {
        let attempts = task.attempts.saturating_add(1);
        let next_attempt_at = Some(core.now() + backoff::delay(attempts, core.unit()));
        index.put_push_task(&PushTask { attempts, next_attempt_at, ..task })?;
    }
    Ok(())
}
