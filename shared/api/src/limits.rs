//! The caller's limits: what may be uploaded, and the state of fair use.

use std::sync::Arc;

use axum::extract::State;
use domain::Timestamp;
use edge::{Caller, Json, Problem};
use flow::Settings;
use flow::ports::{Admission, DailyBudget, Stage, Standing, Window};
use flow::settings::UploadLimits;
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::schema::LimitStage;

edge::problems!(LimitsProblems: WITH_TOKEN;);

#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsView {
    #[schema(value_type = LimitStage)]
    stage: Stage,
    /// Null without a restriction, and for one without an end.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    restricted_until: Option<Timestamp>,
    /// The rolling windows of fair use; none where there is no fair use.
    windows: Vec<WindowView>,
    /// What is transcribed of a restricted user in a day; null without a restriction.
    #[schema(required)]
    daily_budget: Option<DailyBudgetView>,
    upload: UploadLimitsView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LimitWindow)]
struct WindowView {
    hours: u32,
    /// Milliseconds of speech that were transcribed in these hours.
    used_ms: u64,
    cap_ms: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DailyBudget)]
struct DailyBudgetView {
    used_ms: u64,
    cap_ms: u64,
    #[schema(value_type = String, format = DateTime)]
    resets_at: Timestamp,
}

/// Batches are best cut by these.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadLimits)]
struct UploadLimitsView {
    max_file_bytes: u64,
    max_batch_bytes: u64,
    max_files: usize,
    resumable_max_file_bytes: u64,
}

impl LimitsView {
    fn of(standing: Standing, upload: &UploadLimits) -> Self {
        let Standing { stage, restricted_until, windows, daily_budget } = standing;
        Self {
            stage,
            restricted_until,
            windows: windows.into_iter().map(WindowView::of).collect(),
            daily_budget: daily_budget.map(DailyBudgetView::of),
            upload: UploadLimitsView {
                max_file_bytes: upload.max_file_bytes,
                max_batch_bytes: upload.max_batch_bytes,
                max_files: upload.max_files,
                resumable_max_file_bytes: upload.resumable_max_file_bytes,
            },
        }
    }
}

impl WindowView {
    fn of(Window { hours, used_ms, cap_ms }: Window) -> Self {
        Self { hours, used_ms, cap_ms }
    }
}

impl DailyBudgetView {
    fn of(DailyBudget { used_ms, cap_ms, resets_at }: DailyBudget) -> Self {
        Self { used_ms, cap_ms, resets_at }
    }
}

/// How large an upload may be, and where the caller stands with fair use
#[utoipa::path(
    get, path = "/v2/limits", operation_id = "get_limits", tag = "usage",
    responses((status = 200, description = "The caller's limits.", body = LimitsView), LimitsProblems)
)]
pub async fn limits(
    State(admission): State<Arc<dyn Admission>>,
    State(settings): State<Arc<Settings>>,
    Caller(uid): Caller,
) -> Result<Json<LimitsView>, Problem> {
    let standing = admission.standing(&uid).await?;
    Ok(Json(LimitsView::of(standing, &settings.upload)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn standing_of_the_caller_is_shown_in_full() {
        let at = Timestamp::from_secs(1_800_000_000);
        let standing = Standing {
            stage: Stage::Restricted,
            restricted_until: Some(at),
            windows: vec![Window { hours: 24, used_ms: 7_200_001, cap_ms: 7_200_000 }],
            daily_budget: Some(DailyBudget { used_ms: 1, cap_ms: 1_800_000, resets_at: at }),
        };
        let shown = serde_json::to_value(LimitsView::of(standing, &UploadLimits::default())).unwrap();
        let expected = json!({
            "stage": "restricted",
            "restricted_until": "2027-01-15T08:00:00.000Z",
            "windows": [{"hours": 24, "used_ms": 7_200_001, "cap_ms": 7_200_000}],
            "daily_budget": {"used_ms": 1, "cap_ms": 1_800_000, "resets_at": "2027-01-15T08:00:00.000Z"},
            "upload": {
                "max_file_bytes": 209_715_200, "max_batch_bytes": 268_435_456, "max_files": 20,
                "resumable_max_file_bytes": 2_147_483_648_u64
            },
        });
        assert_eq!(shown, expected);
    }
}
