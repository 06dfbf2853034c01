//! Where silent pushes go: the caller's devices.

use axum::extract::State;
use domain::{Code, DeviceId};
use edge::{Caller, Json, Path, Problem};
use flow::World;
use flow::ports::{Device, Platform};
use http::StatusCode;
use serde::Deserialize;

/// Longer than any push service gives.
const MAX_TOKEN_BYTES: usize = 4096;

#[derive(Deserialize)]
pub struct Registration {
    push_token: String,
    platform: Platform,
}

pub async fn register(
    State(world): State<World>,
    Caller(uid): Caller,
    Path(id): Path<String>,
    Json(registration): Json<Registration>,
) -> Result<StatusCode, Problem> {
    let id = device_id(id)?;
    let Registration { push_token: token, platform } = registration;
    if token.trim().is_empty() || token.len() > MAX_TOKEN_BYTES || token.chars().any(char::is_control) {
        let detail = format!("push_token must have 1 to {MAX_TOKEN_BYTES} bytes and no control characters.");
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    let now = world.now();
    world.store.put_device(&Device { uid, id, platform, token, registered_at: now, used_at: now }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn forget(
    State(world): State<World>,
    Caller(uid): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    world.store.delete_device(&uid, &device_id(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn device_id(text: String) -> Result<DeviceId, Problem> {
    DeviceId::new(text).map_err(|why| Problem::new(Code::InvalidParameter, format!("device_id: {why}.")))
}
