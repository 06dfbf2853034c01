//! The caller's usage: what was transcribed, by the hour of processing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use domain::{Bucket, Timestamp};
use edge::{Caller, Json, Problem, Query};
use flow::ports::{Clock, LibraryStore};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::conversations::moment;

const DAY: Duration = Duration::from_secs(86_400);
/// The range of an answer without `from`: the last 31 days.
const DEFAULT_RANGE: Duration = Duration::from_secs(31 * 86_400);
/// The number of buckets in one answer: more than a year of hours.
const MAX_BUCKETS: usize = 10_000;

edge::problems!(UsageProblems: WITH_TOKEN; InvalidParameter);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Range {
    /// Without it, 31 days before `to`.
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
    /// Where the rest begins, to be passed as `from`; null when this is all.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    next_from: Option<Timestamp>,
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
    State(library): State<Arc<dyn LibraryStore>>,
    State(clock): State<Arc<dyn Clock>>,
    Caller(uid): Caller,
    Query(range): Query<Range>,
) -> Result<Json<UsageView>, Problem> {
    let to = moment("to", range.to.as_deref())?.unwrap_or(clock.now() + DAY);
    let from = moment("from", range.from.as_deref())?.unwrap_or(to - DEFAULT_RANGE);
    let mut buckets = library.usage(&uid, from, to, MAX_BUCKETS + 1).await?;
    let next_from = buckets.get(MAX_BUCKETS).map(|bucket| bucket.hour);
    buckets.truncate(MAX_BUCKETS);
    Ok(Json(UsageView { buckets: buckets.iter().map(UsageBucket::of).collect(), next_from }))
}
