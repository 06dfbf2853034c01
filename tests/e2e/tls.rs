//! TLS as `curl` sees it: the printed lines work, wrong files are reported, renewed ones are loaded.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::wait::{PATIENCE, eventually_or};
use tests::{Server, Setup, program};

const LAST: &str = "Logs go to standard error";

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/certificates")).join(name)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn with(certificate: &Path, key: &Path) -> Setup {
    Setup::new().arg("--tls-cert").arg(shown(certificate)).arg("--tls-key").arg(shown(key))
}

fn with_named(name: &str) -> Setup {
    with(&file(&format!("{name}.pem")), &file(&format!("{name}-key.pem")))
}

/// `curl` that trusts the CA of the tests.
async fn curl(server: &Server, path: &str, more: &str) -> String {
    program::shell(&format!("curl -sS {more} --cacert {} {}{path}", shown(&file("ca.pem")), server.url)).await
}

#[tokio::test]
async fn https_is_served_in_both_versions_and_the_worker_stays_on_plain_loopback() {
    let server = with_named("server").start().await;
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    assert!(server.internal_url.starts_with("http://127.0.0.1:"), "{}", server.internal_url);
    for (version, spoken) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let version_used = curl(&server, "/healthz", &format!("{version} -w '%{{http_version}}' -o /dev/null")).await;
        assert_eq!(version_used, spoken);
    }
    let plain = server.url.replace("https:", "http:");
    let found = program::shell(&format!("curl -sS {plain}/healthz 2>&1 || echo failed as it should")).await;
    assert!(found.contains("failed as it should"), "{found}");
    assert!(curl(&server, "/healthz", "").await.contains("ok"), "and no harm was done");
}

#[tokio::test]
async fn printed_curl_works_with_configured_certificates() {
    for (certificate, trust) in [("selfsigned", "--cacert"), ("elsewhere", "-k"), ("server", "")] {
        let setup = with(
            &file(&format!("{certificate}.pem")),
            &match certificate {
                "server" => file("server-key.pem"),
                _ => file("selfsigned-key.pem"),
            },
        );
        let (running, greeting) = setup.start_for_people(LAST).await;
        assert!(greeting.iter().any(|line| line.contains("(TLS, from this machine only)")), "{greeting:#?}");
        let line = greeting.iter().find(|line| line.contains("/v2/sync/upload")).unwrap().trim();
        assert!(line.starts_with(&format!("curl -sS {trust}")) && line.contains(" https://127.0.0.1:"), "{line}");
        let more =
            if certificate == "server" { format!(" --cacert {}", shown(&file("ca.pem"))) } else { String::new() };
        let answer: Value = serde_json::from_str(&program::shell(&format!("{line}{more}")).await).unwrap();
        assert_eq!(answer["file_count"], 1, "{answer}");
        running.kill9().await;
    }
}

#[tokio::test]
async fn early_refusal_of_a_large_upload_arrives_completely() {
    let server = with_named("server").start().await;
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.bin");
    std::fs::write(&large, vec![7; 48 * 1024 * 1024]).unwrap();
    for version in ["--http1.1", "--http2"] {
        let form = format!("{version} -H 'Authorization: Bearer bad' -F files=@{}", large.display());
        let answer: Value = serde_json::from_str(&curl(&server, "/v2/sync/upload", &form).await).unwrap();
        assert_eq!((&answer["status"], &answer["code"]), (&401.into(), &"unauthenticated".into()), "{answer}");
    }
}

#[tokio::test]
async fn invalid_certificate_files_prevent_the_start_with_one_line() {
    let (server, key) = (file("server.pem"), file("server-key.pem"));
    for (certificate, key, wanted) in [
        (file("nowhere.pem"), key.clone(), "cannot read"),
        (server.clone(), file("nowhere.pem"), "cannot read"),
        (key.clone(), key.clone(), "there is no certificate in"),
        (server.clone(), server.clone(), "there is no private key in"),
        (server.clone(), file("encrypted-key.pem"), "is encrypted"),
        (server.clone(), file("renewed-key.pem"), "does not fit"),
    ] {
        let line = with(&certificate, &key).refused().await;
        assert!(line.contains(wanted) && line.contains("server.tls_cert"), "{line}");
    }
    let half = Setup::new().arg("--tls-cert").arg(shown(&server)).refused().await;
    assert!(half.contains("server.tls_key"), "{half}");
}

#[tokio::test]
async fn an_expired_certificate_is_served_with_a_warning() {
    let server = with_named("expired").start().await;
    let message = "the TLS certificate has expired";
    server.log.wait("that it has expired", PATIENCE, |line| line.text.contains(message)).await;
    assert!(curl(&server, "/healthz", "-k").await.contains("ok"));
}

#[tokio::test]
async fn renewed_certificate_is_loaded_without_a_restart_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let put = |name: &str| {
        std::fs::copy(file(&format!("{name}-key.pem")), &key).unwrap();
        std::fs::copy(file(&format!("{name}.pem")), &certificate).unwrap();
    };
    put("server");
    let server = with(&certificate, &key).with("server.tls_renewal_seconds", 1).start().await;
    let subject = async || curl(&server, "/healthz", "-v 2>&1").await;
    assert!(subject().await.contains("Afterword test server"));
    std::fs::write(&certificate, "half a certificate").unwrap();
    eventually_or("the broken renewal is reported", PATIENCE, async || {
        let text = server.log.text();
        if text.contains("the certificate in use is kept") { Ok(()) } else { Err(text) }
    })
    .await;
    assert!(subject().await.contains("Afterword test server"));
    put("renewed");
    eventually_or("the renewed certificate is shown", PATIENCE, async || {
        let found = subject().await;
        if found.contains("Afterword test renewed") { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn expiry_of_the_certificate_is_a_metric() {
    let server = with_named("server").start().await;
    let metrics = curl(&server, "/metrics", "").await;
    // 2120-01-01T00:00:00Z
    assert!(metrics.contains("afterword_tls_certificate_expires_timestamp_seconds 4733510400\n"), "{metrics}");
}

#[tokio::test]
async fn sighup_loads_certificate_and_log_level_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key, config] = ["cert.pem", "key.pem", "afterword.toml"].map(|name| folder.path().join(name));
    let put = |name: &str| {
        std::fs::copy(file(&format!("{name}-key.pem")), &key).unwrap();
        std::fs::copy(file(&format!("{name}.pem")), &certificate).unwrap();
    };
    put("server");
    std::fs::write(&config, "[log]\nlevel = \"info\"\n").unwrap();
    let setup = with(&certificate, &key).with("server.tls_renewal_seconds", 3600).without("log.level");
    let server = setup.arg("--config").arg(shown(&config)).start().await;
    let hangup = async || program::shell(&format!("kill -HUP {}", server.pid().as_raw_nonzero())).await;
    let subject = async || curl(&server, "/healthz", "-v 2>&1").await;
    assert!(subject().await.contains("Afterword test server"));
    let polls = || server.log.count(|line| line.field("message") == "request");
    assert_eq!(polls(), 0, "a poll is not told at info");

    put("renewed");
    std::fs::write(&config, "[log]\nlevel = \"info,edge=debug\"\n").unwrap();
    hangup().await;
    eventually_or("the renewed certificate is shown", PATIENCE, async || {
        let found = subject().await;
        if found.contains("Afterword test renewed") { Ok(()) } else { Err(found) }
    })
    .await;
    eventually_or("polls are logged", PATIENCE, async || {
        subject().await;
        if polls() > 0 { Ok(()) } else { Err(server.log.text()) }
    })
    .await;

    put("expired");
    std::fs::write(&config, "[log]\nlevel = \"inof\"\n").unwrap();
    hangup().await;
    for wanted in ["has expired already; the old certificate is kept", "the configuration cannot be loaded"] {
        server.log.wait(wanted, PATIENCE, |line| line.field("message").contains(wanted)).await;
    }
    assert!(subject().await.contains("Afterword test renewed"), "a valid certificate stays");
}
