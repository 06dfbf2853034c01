use std::io::Write;

use secrecy::ExposeSecret;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Result<Layers, ConfigError> {
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Layers::defaults().unwrap().env(pairs.into_iter())
}

#[test]
fn defaults_equal_the_default_settings_of_flow() {
    let settings = Layers::defaults().unwrap().config().unwrap().settings().unwrap();
    assert_eq!(settings, flow::Settings::default());
}

#[test]
fn environment_overrides_file_and_file_overrides_default() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[jobs]\nlease_seconds = 30\nmax_attempts = 7\n").unwrap();
    let layers = Layers::defaults().unwrap().file(file.path()).unwrap();
    let layers = layers.env([("AFTERWORD_JOBS_LEASE_SECONDS".to_owned(), "1".to_owned())].into_iter()).unwrap();
    let config = layers.config().unwrap();
    assert_eq!((config.jobs.lease_seconds, config.jobs.max_attempts), (1, 7));
    assert_eq!(layers.origin("jobs.lease_seconds"), Origin::Env("AFTERWORD_JOBS_LEASE_SECONDS".to_owned()));
}

#[test]
fn every_key_can_be_set_by_an_environment_variable() {
    let defaults: toml::Table = DEFAULT.parse().unwrap();
    let mut sections: Vec<(String, toml::Table)> =
        defaults.into_iter().map(|(name, keys)| (name, keys.as_table().unwrap().clone())).collect();
    while let Some((section, keys)) = sections.pop() {
        for (key, value) in &keys {
            if let toml::Value::Table(keys) = value {
                sections.push((format!("{section}.{key}"), keys.clone()));
                continue;
            }
            let name = format!("{ENV_PREFIX}{}_{}", section.replace('.', "_").to_uppercase(), key.to_uppercase());
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(list) => list.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            let layers = env(&[(&name, &text)]).unwrap();
            assert_eq!(layers.origin(&format!("{section}.{key}")), Origin::Env(name));
            layers.config().unwrap();
        }
    }
}

#[test]
fn list_is_comma_separated_in_a_variable_and_an_array_in_a_file() {
    let of = |layers: Layers| layers.config().unwrap().server.cors_origins;
    let both = ["https://a.example", "http://localhost:3000"];
    assert_eq!(
        of(env(&[("AFTERWORD_SERVER_CORS_ORIGINS", " https://a.example, http://localhost:3000 ")]).unwrap()),
        both
    );
    assert_eq!(of(env(&[("AFTERWORD_SERVER_CORS_ORIGINS", "")]).unwrap()), [] as [String; 0]);
    let read = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Layers::defaults().unwrap().file(file.path()).unwrap().config().map(|config| config.server.cors_origins)
    };
    assert_eq!(read("[server]\ncors_origins = [\"https://a.example\", \"http://localhost:3000\"]\n").unwrap(), both);
    for wrong in ["\"*\"", "[1]", "[[\"*\"]]"] {
        let message = read(&format!("[server]\ncors_origins = {wrong}\n")).unwrap_err().to_string();
        assert!(message.contains("`server.cors_origins` must be"), "{message}");
    }
    let shown = env(&[("AFTERWORD_SERVER_CORS_ORIGINS", "*")]).unwrap().show();
    assert!(shown.contains("cors_origins = [\"*\"]  # from AFTERWORD_SERVER_CORS_ORIGINS"), "{shown}");
}

#[test]
fn errors_name_the_key_and_the_origin_of_its_value() {
    let message = |pairs: &[(&str, &str)]| match env(pairs).and_then(|l| l.config()).and_then(|c| c.settings()) {
        Ok(_) => panic!("an invalid setting was accepted: {pairs:?}"),
        Err(error) => error.to_string(),
    };
    assert!(message(&[("AFTERWORD_JOBS_LEASE_SECONDS", "soon")]).contains("AFTERWORD_JOBS_LEASE_SECONDS"));
    assert!(message(&[("AFTERWORD_JOBS_LEASE_SECS", "1")]).contains("no key `jobs.lease_secs`"));
    assert!(message(&[("AFTERWORD_JOBS_LEASE_SECONDS", "0")]).contains("jobs.lease_seconds must lie between"));
    assert!(message(&[("AFTERWORD_JOBS_MAX_ATTEMPTS", "-1")]).contains("must not be negative"));
    assert!(message(&[("AFTERWORD_LOG_FORMAT", "xml")]).contains("xml"));
    for odd in
        ["https://a.example/", "a.example", "https://*.example", "*,https://a.example", "https://", "https://ä.example"]
    {
        assert!(message(&[("AFTERWORD_SERVER_CORS_ORIGINS", odd)]).contains("server.cors_origins"), "{odd}");
    }
    assert!(message(&[("AFTERWORD_SERVER_TLS_CERT", "cert.pem")]).contains("server.tls_key"));
    assert!(message(&[("AFTERWORD_SERVER_TLS_KEY", "key.pem")]).contains("server.tls_cert"));
    assert!(message(&[("AFTERWORD_SERVER_IDLE_SECONDS", "0")]).contains("server.idle_seconds"));
    assert!(message(&[("AFTERWORD_SERVER_MAX_URI_BYTES", "100")]).contains("server.max_uri_bytes"));
    assert!(
        message(&[("AFTERWORD_ENGINE_HTTP_MAX_SPAN_SECONDS", "0")]).contains("engine.http.max_span_seconds must lie")
    );
    assert!(
        message(&[("AFTERWORD_ENGINE_DEEPGRAM_CONCURRENCY", "65")]).contains("engine.deepgram.concurrency must lie")
    );
    assert!(message(&[("AFTERWORD_SIMULATE_REFUSE", "maybe")]).contains("simulate.refuse"));
    assert!(message(&[("AFTERWORD_SIMULATE_RETRY_AFTER_SECONDS", "0")]).contains("simulate.retry_after_seconds"));
    assert!(message(&[("AFTERWORD_PROCESS_HANDLER_DEADLINE_SECONDS", "1800")]).contains("dispatch_deadline"));
}

#[test]
fn unrelated_environment_variables_are_ignored() {
    assert!(env(&[("AFTERWORD_SKIPS", "x"), ("AFTERWORD", "x"), ("PATH", "x")]).is_ok());
}

#[test]
fn secrets_are_read_but_never_shown() {
    let secret = "0123456789abcdef0123456789abcdef";
    for (name, key) in [
        ("AFTERWORD_TASKS_SECRET", "secret"),
        ("AFTERWORD_ENGINE_DEEPGRAM_API_KEY", "api_key"),
        ("AFTERWORD_ENGINE_HTTP_API_KEY", "api_key"),
    ] {
        let layers = env(&[(name, secret)]).unwrap();
        let config = layers.config().unwrap();
        let given = [&config.tasks.secret, &config.engine.deepgram.api_key, &config.engine.http.api_key];
        let given: Vec<_> = given.into_iter().flatten().map(ExposeSecret::expose_secret).collect();
        assert_eq!(given, [secret]);
        assert!(!layers.show().contains(secret));
        assert!(layers.show().contains(&format!("{key} = \"********\"  # from {name}")));
        assert!(!format!("{config:?}").contains(secret));
    }
}

#[test]
fn nested_section_has_its_own_keys() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[engine]\nname = \"http\"\n[engine.http]\nurl = \"http://one\"\nconcurrency = 2\n").unwrap();
    let layers = Layers::defaults().unwrap().file(file.path()).unwrap();
    let layers = layers.env([("AFTERWORD_ENGINE_HTTP_URL".to_owned(), "http://two".to_owned())].into_iter()).unwrap();
    let engine = layers.config().unwrap().engine;
    assert_eq!((engine.name.as_str(), engine.http.url.as_str(), engine.http.concurrency), ("http", "http://two", 2));
    assert_eq!(engine.deepgram.model, "nova-3");
    assert_eq!(layers.origin("engine.http.url"), Origin::Env("AFTERWORD_ENGINE_HTTP_URL".to_owned()));
    assert!(layers.show().contains("[engine.http]\n"), "{}", layers.show());

    let message = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Layers::defaults().unwrap().file(file.path()).and_then(|layers| layers.config()).unwrap_err().to_string()
    };
    assert!(
        message("[engine.http]\nkey = \"x\"").contains("no key `engine.http.key`; there are engine.http.concurrency")
    );
    assert!(message("[engine.parrot]\nurl = \"x\"").contains("no key `engine.parrot`"));
    assert!(message("[engine]\nhttp = 1").contains("no key `engine.http`"));
    assert!(message("[engine.http]\nurl = 1").contains("`engine.http.url` must be of type string"));
    let message = env(&[("AFTERWORD_ENGINE_HTTP_ADDRESS", "x")]).unwrap_err().to_string();
    assert!(message.contains("no key `engine.http.address`"), "{message}");
}

#[test]
fn shown_configuration_reads_back_with_the_same_values() {
    let shown = env(&[("AFTERWORD_LIMITS_MAX_FILES", "3")]).unwrap().show();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(shown.as_bytes()).unwrap();
    let read = Layers::defaults().unwrap().file(file.path()).unwrap().config().unwrap();
    assert_eq!(read.limits.max_files, 3);
}
