//! What was transcribed, by the hour of processing.

use std::time::Duration;

use axum::extract::State;
use domain::{Bucket, Code, Timestamp};
use edge::{Caller, Json, Problem, Query};
use flow::World;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::conversations::moment;

const DAY: Duration = Duration::from_secs(86_400);
/// Without `from`, the last 31 days.
const DEFAULT_RANGE: Duration = Duration::from_secs(31 * 86_400);
const MAX_RANGE: Duration = Duration::from_secs(400 * 86_400);
/// More than the hours of the longest range.
const MAX_BUCKETS: usize = 10_000;

edge::problems!(UsageProblems: WITH_TOKEN; InvalidParameter);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Range {
    /// Without it, 31 days before `to`. The range may span 400 days.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Without it, everything until now.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct UsageView {
    /// Hours in which something was processed, in order.
    buckets: Vec<UsageBucket>,
}

#[derive(Serialize, ToSchema)]
pub struct UsageBucket {
    #[schema(value_type = String, format = DateTime)]
    hour: Timestamp,
    /// Milliseconds of speech whose text came back.
    transcribed_ms: u64,
    words: u64,
    segments: u64,
}

impl UsageBucket {
    fn of(bucket: &Bucket) -> Self {
        let usage = bucket.usage;
        let (transcribed_ms, words, segments) = (usage.transcribed_ms, usage.words, usage.segments);
        Self { hour: bucket.hour, transcribed_ms, words, segments }
    }
}

/// What was transcribed, by the hour of processing
#[utoipa::path(
    get, path = "/v2/usage", operation_id = "get_usage", tag = "usage", params(Range),
    responses((status = 200, description = "The caller's usage.", body = UsageView), UsageProblems)
)]
pub async fn usage(
    State(world): State<World>,
    Caller(uid): Caller,
    Query(range): Query<Range>,
) -> Result<Json<UsageView>, Problem> {
    let to = moment("to", range.to.as_deref())?.unwrap_or(world.now() + DAY);
    let from = moment("from", range.from.as_deref())?.unwrap_or(to - DEFAULT_RANGE);
    check(from, to)?;
    let buckets = world.store.usage(&uid, from, to, MAX_BUCKETS).await?;
    Ok(Json(UsageView { buckets: buckets.iter().map(UsageBucket::of).collect() }))
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
