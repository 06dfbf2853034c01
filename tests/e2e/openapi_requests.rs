//! Checks the API document against the server: thousands of requests are generated from it, valid and invalid, and
//! every answer must be documented.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tests::recordings::T0;
use tests::{Client, Recording, Server, Setup, figures};
use tokio::process::Command;

/// Installed by `scripts/setup-python`.
const PROGRAM: &str = "target/python/bin/st";
const LIMIT: Duration = Duration::from_secs(300);
/// A fixed number, so that a failure can be reproduced. Raise it for a longer search.
const EXAMPLES: &str = "40";
const SEED: &str = "1";

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(PROGRAM)
}

#[tokio::test]
async fn every_answer_to_a_generated_request_is_documented() {
    if !program().exists() {
        testkit::skip!("schemathesis is not installed (scripts/setup-python)");
    }
    // Streams end when they have sent what is known.
    let server = Setup::new().with("limits.event_streams", 0).start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("schemathesis.toml");
    std::fs::write(&settings, settings_for(&server).await).unwrap();
    let mut command = Command::new(program());
    command.arg("--config-file").arg(&settings).arg("run").arg(format!("{}/openapi.json", server.url));
    command.args(["--checks", "all", "--continue-on-failure", "--suppress-health-check", "all"]);
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--request-timeout", "30"]);
    command.args(["--warnings", "off", "--header", &format!("Authorization: Bearer {}", server.token)]);
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the program does not end").unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    let cases = report.lines().find(|line| line.contains(" generated")).unwrap_or_else(|| panic!("{report}"));
    figures::report_figure(&format!("schemathesis: {}, seed {SEED}", cases.trim()));
    // Otherwise the test would also pass without a single request.
    let count: u32 = cases.trim().split(' ').next().unwrap().replace(',', "").parse().unwrap();
    assert!(count > 800, "{cases}");
    server.client().get("/readyz").await.ok();
}

#[tokio::test]
async fn served_document_equals_the_checked_in_one() {
    let server = Setup::new().start().await;
    let checked_in: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    assert_eq!(server.client_without_token().get("/openapi.json").await.ok(), checked_in);
}

/// Ids and cursors that exist, and the refusals that no schema can describe.
async fn settings_for(server: &Server) -> String {
    let client = server.client();
    let mut jobs = Vec::new();
    for at in [T0, T0 + 1000, T0 + 2000] {
        jobs.push(client.done(&[Recording::short(at)]).await);
    }
    let job_id = jobs[0]["job_id"].as_str().unwrap();
    let conversation_id = jobs[0]["result"]["new_conversation_ids"][0].as_str().unwrap();
    let (jobs_cursor, conversations_cursor) =
        (cursor(&client, "/v2/sync/jobs").await, cursor(&client, "/v2/conversations").await);
    include_str!("openapi_requests/schemathesis.toml")
        .replace("$JOB_ID", job_id)
        .replace("$CONVERSATION_ID", conversation_id)
        .replace("$JOBS_CURSOR", &jobs_cursor)
        .replace("$CONVERSATIONS_CURSOR", &conversations_cursor)
}

async fn cursor(client: &Client, path: &str) -> String {
    let page = client.get(&format!("{path}?limit=1")).await.ok();
    page["next_cursor"].as_str().unwrap().to_owned()
}
