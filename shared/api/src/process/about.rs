//! `GET /v2/sync/process`: tells whoever knows the secret of the tasks that they reach the right program. `doctor` asks.

use std::sync::Arc;

use axum::extract::State;
use edge::Json;
use flow::ports::TaskIdentity;
use serde_json::{Value, json};

pub async fn about(State(identity): State<Option<Arc<dyn TaskIdentity>>>) -> Json<Value> {
    Json(json!({"function": "process", "needs_token": identity.is_some()}))
}
