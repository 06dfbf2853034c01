//! Another stand-in that somebody has running, such as Google's testbench.

use serde_json::json;

const REST: &str = "STORAGE_EMULATOR_HOST";
const GRPC: &str = "STORAGE_EMULATOR_GRPC_HOST";

pub struct Elsewhere {
    pub endpoint: String,
    pub grpc_endpoint: String,
    /// Made for this test alone.
    pub bucket: String,
}

/// The one that the environment names, with a bucket of this test's own.
pub async fn elsewhere() -> Option<Elsewhere> {
    let endpoint = address(&std::env::var(REST).ok()?);
    let grpc_endpoint = std::env::var(GRPC).map_or_else(|_| endpoint.clone(), |host| address(&host));
    #[expect(clippy::disallowed_methods, reason = "runs beside each other must not meet")]
    let bucket = format!("afterword-{}", uuid::Uuid::new_v4().simple());
    let url = format!("{endpoint}/storage/v1/b?project=test");
    let made = reqwest::Client::new().post(url).json(&json!({ "name": bucket })).send().await;
    let made = made.unwrap_or_else(|why| panic!("{REST} does not answer: {why}"));
    assert!(made.status().is_success(), "{REST} makes no bucket: {}", made.status());
    Some(Elsewhere { endpoint, grpc_endpoint, bucket })
}

/// Both are known with and without the scheme.
fn address(host: &str) -> String {
    let host = host.trim_end_matches('/');
    if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
}
