//! `GET /v2/limits`: clients size their batches by it, and show users their remaining allowance.

use serde_json::{Value, json};
use tests::Setup;

#[tokio::test]
async fn limits_of_an_unrestricted_user_describe_an_upload() {
    let setup = Setup::new().with("limits.max_files", 7).with("limits.resumable_max_file_bytes", 1_000_000_000);
    let server = setup.start().await;
    server.client_without_token().get("/v2/limits").await.problem(401, "unauthenticated");
    let limits = server.client().get("/v2/limits").await.ok();
    let upload = json!({"max_file_bytes": 209_715_200, "max_batch_bytes": 268_435_456, "max_files": 7,
        "resumable_max_file_bytes": 1_000_000_000});
    let expected = json!({"stage": "none", "restricted_until": null, "windows": [], "daily_budget": null,
        "upload": upload});
    assert_eq!(limits, expected);
}

#[tokio::test]
async fn limits_of_a_restricted_user_say_until_when() {
    for (refuse, stage) in [("fair_use", "restricted"), ("rate_limit", "none"), ("backend_busy", "none")] {
        let server = Setup::new().with("simulate.refuse", refuse).start().await;
        let limits = server.client().get("/v2/limits").await.ok();
        assert_eq!(limits["stage"], stage, "{limits}");
        assert_eq!(limits["restricted_until"] == Value::Null, stage == "none", "{limits}");
    }
}
