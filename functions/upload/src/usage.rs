//! What was transcribed, by the hour of processing.

use std::time::Duration;

use axum::extract::State;
use domain::{Code, Timestamp};
use edge::{Caller, Json, Problem, Query};
use flow::World;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversations::moment;

const DAY: Duration = Duration::from_secs(86_400);
/// Without `from`, the last 31 days.
const DEFAULT_RANGE: Duration = Duration::from_secs(31 * 86_400);
const MAX_RANGE: Duration = Duration::from_secs(400 * 86_400);
/// More than the hours of the longest range.
const MAX_BUCKETS: usize = 10_000;

#[derive(Deserialize)]
pub struct Range {
    from: Option<String>,
    to: Option<String>,
}

pub async fn usage(
    State(world): State<World>,
    edge::Caller(uid): Caller,
    Query(range): Query<Range>,
) -> Result<Json<Value>, Problem> {
    let to = moment("to", range.to.as_deref())?.unwrap_or(world.now() + DAY);
    let from = moment("from", range.from.as_deref())?.unwrap_or(to - DEFAULT_RANGE);
    check(from, to)?;
    let buckets = world.store.usage(&uid, from, to, MAX_BUCKETS).await?;
    Ok(Json(json!({"buckets": buckets})))
}

fn check(from: Timestamp, to: Timestamp) -> Result<(), Problem> {
    let wrong = |detail: &str| Err(Problem::new(Code::InvalidParameter, detail));
    if from > to {
        return wrong("The parameter from must not lie behind to.");
    }
    if from.until(to) > MAX_RANGE {
        return wrong("The range from..to may span 400 days.");
    }
    Ok(())
}
