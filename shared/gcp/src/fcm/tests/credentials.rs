use std::process::Command;

use emulators::receiver::Receiver;
use secrecy::ExposeSecret;

use super::*;
use crate::fcm::GoogleToken;

/// Set in a process of its own, because the environment belongs to the whole process.
const ALONE: &str = "AFTERWORD_ALONE";
const KEY: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Google's library never retries a key that was once refused.
#[test]
fn revoked_and_replaced_key_works_without_restart() {
    if std::env::var_os(ALONE).is_none() {
        let folder = tempfile::tempdir().unwrap();
        let test = "fcm::tests::credentials::revoked_and_replaced_key_works_without_restart";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env(ALONE, "1").env(KEY, folder.path().join("key.json"));
        let output = command.output().unwrap();
        let output_text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut google = Receiver::start().await;
        let key = serde_json::json!({
            "type": "authorized_user", "client_id": "id", "client_secret": "secret", "refresh_token": "refresh",
            "token_uri": format!("{}/token", google.url),
        });
        std::fs::write(std::env::var_os(KEY).unwrap(), key.to_string()).unwrap();
        let token = Arc::new(GoogleToken::default());
        let ask = || {
            let token = token.clone();
            tokio::spawn(async move { token.bearer().await })
        };
        let asked = ask();
        google.call().await.answer_with(400, &[JSON], r#"{"error":"invalid_grant"}"#);
        let refused = emulators::soon("the refusal", asked).await.unwrap().unwrap_err();
        assert_eq!(refused.kind, Kind::Misconfigured, "{refused}");
        let asked = ask();
        let call = emulators::soon("another question", google.call()).await;
        call.answer_with(200, &[JSON], r#"{"access_token":"new","token_type":"Bearer","expires_in":3600}"#);
        let given = emulators::soon("a token", asked).await.unwrap().unwrap();
        assert_eq!(given.expose_secret(), "new");
    });
}
