//! A wrong configuration prevents the start with one line that names the key; secrets are never shown.

use tests::{Setup, afterword};

const FIT_SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn invalid_secret_prevents_the_start() {
    let long_but_odd = format!(" {FIT_SECRET}");
    for secret in ["", "short", &FIT_SECRET[1..], &long_but_odd] {
        let line = Setup::new().with("tasks.secret", secret).refused().await;
        assert!(line.contains("tasks.secret") && line.contains("AFTERWORD_TASKS_SECRET"), "{line}");
        assert!(secret.is_empty() || !line.contains(secret), "{line}");
        let previous = Setup::new().with("tasks.secret", FIT_SECRET).with("tasks.previous_secret", secret);
        let line = previous.refused().await;
        assert!(line.contains("tasks.previous_secret"), "{line}");
    }
    let alone = Setup::new().with("tasks.previous_secret", FIT_SECRET).refused().await;
    assert!(alone.contains("tasks.previous_secret"), "{alone}");
}

#[tokio::test]
async fn server_without_a_secret_generates_a_private_one() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new();
    let server = setup.start().await;
    let secret = server.folder().task_secret();
    assert!(secret.len() >= 32, "{} bytes", secret.len());
    let file = setup.folder().task_secret_file();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    server.kill9().await;
    let server = setup.start().await;
    assert_eq!(server.folder().task_secret(), secret, "and keeps it");
    assert!(!server.log.text().contains(&secret));
}

#[tokio::test]
async fn configuration_error_names_its_key_and_source() {
    for (key, value, wanted) in [
        ("jobs.lease_seconds", "soon", "AFTERWORD_JOBS_LEASE_SECONDS"),
        ("jobs.lease_seconds", "0", "jobs.lease_seconds"),
        ("jobs.leese_seconds", "1", "jobs.leese_seconds"),
        ("jobs.backoff_min_seconds", "80000", "jobs.backoff_min_seconds"),
        ("queue.min_backoff_seconds", "0", "queue.min_backoff_seconds"),
        ("queue.max_backoff_seconds", "1", "queue.max_backoff_seconds"),
        ("identity.token_ttl_seconds", "0", "identity.token_ttl_seconds"),
        ("engine.name", "parrot", "parrot"),
        ("audio.detector", "parrot", "audio.detector"),
        ("engine.null_fail", "sometimes", "engine.null_fail"),
        ("log.format", "xml", "xml"),
        ("log.level", "a=b=c", "log.level"),
        ("log.level", "warning", "`warning` is no level; the levels are off, error, warn, info, debug, trace"),
        ("limits.max_batch_bytes", "1000", "limits.max_file_bytes must not be above limits.max_batch_bytes"),
        ("server.internal_listen", "0.0.0.0:0", "server.internal_listen"),
        ("process.handler_deadline_seconds", "1800", "process.handler_deadline_seconds"),
    ] {
        let line = Setup::new().with(key, value).refused().await;
        assert!(line.contains(wanted), "{key}={value}: {line}");
    }
}

#[tokio::test]
async fn configuration_file_with_an_error_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("afterword.toml");
    let path = file.display().to_string();
    let with_file = || Setup::new().arg("--config").arg(&path);
    assert!(with_file().refused().await.contains(&path), "a file that is not there");
    for (text, wanted) in [
        ("[jobs]\nlease_secs = 1\n", "jobs.lease_secs"),
        ("[jobs]\nlease_seconds = \"1\"\n", "jobs.lease_seconds"),
        ("[work]\nhours = 8\n", "work"),
        ("lease = 1\n", "lease"),
    ] {
        std::fs::write(&file, text).unwrap();
        let line = with_file().refused().await;
        assert!(line.contains(wanted) && line.contains(&path), "{text}: {line}");
    }
    std::fs::write(&file, "[limits]\nmax_files = 1\n").unwrap();
    let server = with_file().start().await;
    let two = [tests::Recording::short(1_748_300_000), tests::Recording::short(1_748_301_000)];
    server.client().upload(&two).await.problem(413, "too_many_files");
}

#[tokio::test]
async fn the_effective_configuration_is_shown_with_secrets_masked() {
    let shown =
        Setup::new().with("tasks.secret", FIT_SECRET).with("limits.max_files", 7).run(&["config", "show"]).await.ok();
    assert!(!shown.contains(FIT_SECRET), "{shown}");
    assert!(shown.contains("max_files = 7  # from AFTERWORD_LIMITS_MAX_FILES"), "{shown}");
    assert!(shown.contains("secret = \"********\"  # from AFTERWORD_TASKS_SECRET"), "{shown}");
    let default = afterword(&["config", "default"]).await.ok();
    assert!(default.contains("[jobs]") && default.contains("lease_seconds = 60"), "{default}");
}

#[tokio::test]
async fn credentials_in_addresses_are_masked() {
    let with_credentials = "https://ann:hidden@speech.example/v1?api_key=hidden";
    let setup = || Setup::new().with("engine.http.url", with_credentials).with("engine.name", "http");
    let shown = setup().run(&["config", "show"]).await.ok();
    assert!(shown.contains("url = \"https://********@speech.example/v1?api_key=********\""), "{shown}");
    let line = Setup::new().with("server.public_url", with_credentials).refused().await;
    assert!(line.contains("https://********@speech.example"), "{line}");
    for text in [shown, line, setup().refused().await] {
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[tokio::test]
async fn address_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data").display().to_string();
    let output = afterword(&["serve", "--listen", &address, "--data-dir", &data_dir]).await;
    assert!(output.refused().contains(&address), "{output:?}");
    let output = afterword(&["serve", "--listen", "everywhere", "--data-dir", &data_dir]).await;
    assert!(output.refused().contains("server.listen"), "{output:?}");
}
