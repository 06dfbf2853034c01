//! The caller's devices, to which silent pushes are sent.

use std::sync::Arc;

use axum::extract::State;
use domain::{Code, DeviceId};
use edge::{Caller, Json, Path, Problem};
use flow::ports::{Clock, Device, DeviceStore, Platform};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::schema::DevicePlatform;

/// The longest push token: longer than those of any push service.
const MAX_TOKEN_BYTES: usize = 4096;

edge::problems!(RegisterProblems: WITH_TOKEN, WITH_JSON; InvalidParameter);
edge::problems!(ForgetProblems: WITH_TOKEN; InvalidParameter);

#[derive(Deserialize, ToSchema)]
pub struct Registration {
    /// As the push service gave it.
    #[schema(min_length = 1, max_length = 4096, pattern = r"^[!-~]+$")]
    push_token: String,
    #[schema(value_type = DevicePlatform)]
    platform: Platform,
}

/// Register a device for silent pushes
///
/// A token belongs to one user: registering it takes it from any other. Of more than 20 devices, the one unused longest
/// gives way.
#[utoipa::path(
    put, path = "/v2/devices/{device_id}", operation_id = "register_device", tag = "devices",
    params(("device_id" = String, Path, description = "Any name that the app gives its installation.",
        min_length = 1, max_length = 128, pattern = r"^[^\u0000-\u001F\u007F-\u009F/]+$")),
    request_body = Registration,
    responses((status = 204, description = "Registered."), RegisterProblems)
)]
pub async fn register(
    State(devices): State<Arc<dyn DeviceStore>>,
    State(clock): State<Arc<dyn Clock>>,
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
    let now = clock.now();
    devices.put_device(&Device { uid, id, platform, token, registered_at: now, used_at: now }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a device
#[utoipa::path(
    delete, path = "/v2/devices/{device_id}", operation_id = "forget_device", tag = "devices",
    params(("device_id" = String, Path, min_length = 1, max_length = 128, pattern = r"^[^\u0000-\u001F\u007F-\u009F/]+$")),
    responses((status = 204, description = "There is no such device, or no longer."), ForgetProblems)
)]
pub async fn forget(
    State(devices): State<Arc<dyn DeviceStore>>,
    Caller(uid): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    devices.delete_device(&uid, &device_id(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn device_id(text: String) -> Result<DeviceId, Problem> {
    DeviceId::new(text).map_err(|why| Problem::new(Code::InvalidParameter, format!("device_id: {why}.")))
}
