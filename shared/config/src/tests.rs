use std::ffi::OsString;
use std::io::Write;

use secrecy::ExposeSecret;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Result<Layers, ConfigError> {
    Layers::default().env(pairs.iter().map(|(name, text)| (OsString::from(name), OsString::from(text))))
}

fn file(text: &str) -> Result<Layers, ConfigError> {
    let mut file = tempfile::NamedTempFile::with_prefix("FILE").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Layers::default().file(file.path())
}

/// The error of a configuration that must be refused, with `FILE` for the path of a file.
fn refused(layers: Result<Layers, ConfigError>) -> String {
    let message = match layers.and_then(|layers| layers.config()) {
        Ok(config) => panic!("an invalid configuration was accepted: {config:?}"),
        Err(error) => error.to_string(),
    };
    let is_path = |word: &str| word.contains("FILE");
    message.split(": ").map(|part| if is_path(part) { "FILE" } else { part }).collect::<Vec<_>>().join(": ")
}

#[test]
fn defaults_equal_the_default_settings_of_flow_and_edge() {
    let config = Layers::default().config().unwrap();
    assert_eq!(config.settings, flow::Settings::default());
    // A program has more connections than the edge has for tests.
    let max_connections = config.server.limits.max_connections;
    let limits = edge::ServeLimits { max_connections, ..edge::ServeLimits::default() };
    assert_eq!(format!("{:?}", config.server.limits), format!("{limits:?}"));
    assert_eq!(format!("{:?}", config.log), format!("{:?}", edge::telemetry::Telemetry::default()));
}

#[test]
fn environment_overrides_file_and_file_overrides_default() {
    let layers = file("[jobs]\nlease_seconds = 30\nmax_attempts = 7\n").unwrap();
    let layers = layers.env([("AFTERWORD_JOBS_LEASE_SECONDS".into(), "1".into())].into_iter()).unwrap();
    let rules = layers.config().unwrap().settings.rules;
    assert_eq!((rules.lease.as_secs(), rules.max_attempts), (1, 7));
    assert_eq!(layers.origin("jobs.lease_seconds"), Origin::Env("AFTERWORD_JOBS_LEASE_SECONDS".to_owned()));
    let layers = layers.flag("jobs.lease_seconds", Some("2".to_owned()), "--lease");
    assert_eq!(layers.config().unwrap().settings.rules.lease.as_secs(), 2);
    assert_eq!(layers.origin("jobs.lease_seconds"), Origin::CommandLine("--lease"));
}

#[test]
fn wrong_value_that_another_layer_overrides_is_not_used() {
    let layers = file("[jobs]\nlease_seconds = 0\n").unwrap();
    assert!(layers.config().is_err());
    assert!(layers.env([("AFTERWORD_JOBS_LEASE_SECONDS".into(), "1".into())].into_iter()).unwrap().config().is_ok());
}

#[test]
fn list_is_comma_separated_in_a_variable_and_an_array_in_a_file() {
    let cors = |layers: Layers| layers.config().unwrap().server.cors;
    let both = edge::Cors::of(&["https://a.example", "http://localhost:3000"].map(str::to_owned));
    let variable = "AFTERWORD_SERVER_CORS_ORIGINS";
    assert_eq!(cors(env(&[(variable, " https://a.example, http://localhost:3000 ")]).unwrap()), both);
    assert_eq!(cors(env(&[(variable, "")]).unwrap()), None);
    let list = "[server]\ncors_origins = [\"https://a.example\", \"http://localhost:3000\"]\n";
    assert_eq!(cors(file(list).unwrap()), both);
    for wrong in ["\"*\"", "[1]", "[[\"*\"]]"] {
        let message = refused(file(&format!("[server]\ncors_origins = {wrong}\n")));
        assert!(message.contains("server.cors_origins must be a list"), "{message}");
        assert!(message.contains("such as [\"https://app.example\"] in a file"), "{message}");
    }
    let shown = env(&[(variable, "*")]).unwrap().show();
    assert!(shown.contains("cors_origins = [\"*\"]  # from AFTERWORD_SERVER_CORS_ORIGINS"), "{shown}");
    for odd in [
        "https://a.example/",
        "https://a.example:443",
        "a.example",
        "https://*.example",
        "*,https://a.example",
        "https://",
        "https://ä.example",
    ] {
        assert!(refused(env(&[(variable, odd)])).contains("server.cors_origins must be"), "{odd}");
    }
}

#[test]
fn public_url_is_an_address_and_loses_its_last_slash() {
    let url = |text| env(&[("AFTERWORD_SERVER_PUBLIC_URL", text)]);
    assert_eq!(
        url("https://a.example/b/").unwrap().config().unwrap().server.public_url.unwrap(),
        "https://a.example/b"
    );
    for odd in ["", "a.example", "https://", "https:///b", "http://:80", "https://a.example/?b"] {
        assert!(refused(url(odd)).contains("server.public_url must be an address"), "{odd}");
    }
}

#[test]
fn error_names_the_source_the_key_what_is_allowed_and_an_example() {
    let of = |name: &str, text: &str| refused(env(&[(name, text)]));
    assert_eq!(
        of("AFTERWORD_JOBS_LEASE_SECONDS", "soon"),
        "configuration: AFTERWORD_JOBS_LEASE_SECONDS: jobs.lease_seconds must be a whole number, 1 to 3600 seconds, \
         not the text \"soon\"; such as 60"
    );
    assert_eq!(
        refused(file("[jobs]\nlease_seconds = 0")),
        "configuration: FILE: jobs.lease_seconds must lie between 1 and 3600, not 0; such as 60"
    );
    assert_eq!(
        of("AFTERWORD_LOG_FORMAT", "xml"),
        "configuration: AFTERWORD_LOG_FORMAT: log.format must be `auto`, `text` or `json`, not `xml`"
    );
    assert_eq!(
        refused(file("[server]\nlisten = \"localhost\"")),
        "configuration: FILE: server.listen must be HOST:PORT with a numeric host, not `localhost`; such as 127.0.0.1:8787"
    );
    assert!(of("AFTERWORD_JOBS_MAX_ATTEMPTS", "-1").contains("must lie between 1 and 1000, not -1"));
    assert!(of("AFTERWORD_JOBS_MAX_ATTEMPTS", "").contains("a whole number, 1 to 1000, not empty"));
    assert!(of("AFTERWORD_CLOUD_CALL_SECONDS", "0").contains("cloud.call_seconds must be at least 1, not 0"));
    assert!(of("AFTERWORD_CLOUD_HTTP2", "yes").contains("cloud.http2 must be true or false, not the text \"yes\""));
    assert!(refused(file("[jobs]\nlease_seconds = 1.5")).contains("not 1.5, which is of type float"));
    assert!(refused(file("[jobs.lease_seconds]\n")).contains("jobs.lease_seconds must be a whole number"));
}

#[test]
fn error_about_two_keys_says_where_both_come_from() {
    assert!(refused(env(&[("AFTERWORD_PROCESS_HANDLER_DEADLINE_SECONDS", "1800")])).ends_with(
        "(process.handler_deadline_seconds = 1800 from AFTERWORD_PROCESS_HANDLER_DEADLINE_SECONDS, \
         queue.dispatch_deadline_seconds = 1800 by default)"
    ));
    for (name, text) in [
        ("AFTERWORD_SERVER_TLS_CERT", "cert.pem"),
        ("AFTERWORD_SERVER_TLS_KEY", "key.pem"),
        ("AFTERWORD_JOBS_BACKOFF_MIN_SECONDS", "80000"),
        ("AFTERWORD_QUEUE_MAX_BACKOFF_SECONDS", "1"),
        ("AFTERWORD_SERVER_INTERNAL_LISTEN", "0.0.0.0:0"),
        ("AFTERWORD_CLOUD_TASK_AUDIENCE", "https://a.example"),
    ] {
        let message = refused(env(&[(name, text)]));
        assert!(message.contains(&format!("{text}\" from {name}")) || message.contains(&format!("{text} from {name}")));
    }
    let simulated = [("AFTERWORD_SIMULATE_REFUSE", "fair_use"), ("AFTERWORD_SERVER_LISTEN", "0.0.0.0:80")];
    assert!(refused(env(&simulated)).contains("simulate.refuse is for developers on one machine"));
}

#[test]
fn unknown_name_is_refused_with_the_nearest_known_one() {
    for (text, wanted) in [
        ("[jobs]\nlease_secs = 1", "FILE: there is no key `jobs.lease_secs`; did you mean `jobs.lease_seconds`?"),
        ("[limits]\nlease_seconds = 1", "did you mean `jobs.lease_seconds`?"),
        ("[engine.http]\naddress = 1", "no key `engine.http.address`; there are engine.http.url, engine.http.api_key"),
        ("[job]\nlease_seconds = 1", "FILE: there is no section [job]; did you mean [jobs]?"),
        ("[engine.parrot]\nurl = 1", "there is no section [engine.parrot]; there are server, log, jobs"),
        ("[engine]\nhttp = 1", "`engine.http` must be a section: [engine.http]"),
        ("jobs = 1", "`jobs` must be a section: [jobs]"),
        ("lease_seconds = 1", "`lease_seconds` stands in no section"),
    ] {
        let message = refused(file(text));
        assert!(message.contains(wanted), "{text}: {message}");
    }
    for (name, wanted) in [
        ("AFTERWORD_JOBS_LEASE_SECS", "no key `jobs.lease_secs`; did you mean AFTERWORD_JOBS_LEASE_SECONDS?"),
        ("AFTERWORD_ENGINE_HTTP_ADDRESS", "no key `engine.http.address`; there are engine.http.url"),
        ("AFTERWORD_JOB_LEASE_SECONDS", "there is no such key; did you mean AFTERWORD_JOBS_LEASE_SECONDS?"),
    ] {
        let message = refused(env(&[(name, "1")]));
        assert!(message.contains(&format!("{name}: ")) && message.contains(wanted), "{message}");
    }
}

#[test]
fn unrelated_environment_variables_are_ignored() {
    let names = ["AFTERWORD_SKIPS", "AFTERWORD", "PATH", "AFTERWORD_MODELS", "AFTERWORD_CONFIG"];
    assert!(env(&names.map(|name| (name, "x"))).is_ok());
}

#[cfg(unix)]
#[test]
fn variable_that_is_not_unicode_is_refused_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![0xff]);
    let message = refused(Layers::default().env([("AFTERWORD_LOG_LEVEL".into(), odd())].into_iter()));
    assert!(message.contains("AFTERWORD_LOG_LEVEL: log.level is not valid Unicode"), "{message}");
    assert!(Layers::default().env([("PATH".into(), odd()), (odd(), "x".into())].into_iter()).is_ok());
}

#[test]
fn syntax_error_names_the_line_and_repeats_nothing_of_the_file() {
    let message = refused(file("[tasks]\nprevious_secret = \"a\"\nsecret = 'very-secret\n"));
    assert!(message.starts_with("configuration: FILE: line 3: ") && message.lines().count() == 1, "{message}");
    assert!(!message.contains("very-secret"), "{message}");
}

#[test]
fn secrets_are_read_but_never_shown() {
    let secret = "0123456789abcdef0123456789abcdef";
    for key in keys().filter(|key| key.is_secret()) {
        let layers = env(&[(&key.variable(), secret)]).unwrap();
        let Config { tasks, engine, .. } = layers.config().unwrap();
        let all = [tasks.secret, tasks.previous_secret, engine.cloud.deepgram.api_key, engine.cloud.http.api_key];
        let given: Vec<_> = all.iter().flatten().map(ExposeSecret::expose_secret).collect();
        assert_eq!(given, [secret], "{}", key.name);
        let shown = layers.show();
        assert!(!shown.contains(secret) && !format!("{:?}", layers.config()).contains(secret));
        let masked = format!("{} = \"********\"  # from {}", key.short_name(), key.variable());
        assert!(shown.contains(&masked), "{shown}");
        let section = format!("[{}]\n{} = [\"{secret}\"]", key.section(), key.short_name());
        let message = refused(file(&section));
        assert!(message.contains(key.name) && !message.contains(secret), "{message}");
    }
}

#[test]
fn nested_section_has_its_own_keys() {
    let layers = file("[engine]\nname = \"http\"\n[engine.http]\nurl = \"http://one\"\nconcurrency = 2\n").unwrap();
    let layers = layers.env([("AFTERWORD_ENGINE_HTTP_URL".into(), "http://two".into())].into_iter()).unwrap();
    let engine = layers.config().unwrap().engine;
    assert_eq!(
        (engine.name.as_str(), engine.cloud.http.url.as_str(), engine.cloud.http.concurrency),
        ("http", "http://two", 2)
    );
    assert_eq!(engine.cloud.deepgram.model, "nova-3");
    assert_eq!(layers.origin("engine.http.url"), Origin::Env("AFTERWORD_ENGINE_HTTP_URL".to_owned()));
    assert!(layers.show().contains("[engine.http]\n"), "{}", layers.show());
}

#[test]
fn shown_configuration_and_default_file_read_back_with_the_same_values() {
    let layers = env(&[("AFTERWORD_LIMITS_MAX_FILES", "3"), ("AFTERWORD_ENGINE_MODELS", "a \"b\" \\ c")]).unwrap();
    let same = |one: &Layers, other: &Layers| {
        assert_eq!(format!("{:?}", one.config().unwrap()), format!("{:?}", other.config().unwrap()));
    };
    same(&layers, &file(&layers.show()).unwrap());
    same(&Layers::default(), &file(&default_file()).unwrap());
}

#[cfg(unix)]
#[test]
fn configuration_that_never_ends_is_refused() {
    let path = std::path::Path::new("/dev/zero");
    let message = Layers::default().file(path).err().unwrap().to_string();
    assert_eq!(message, "the configuration file /dev/zero cannot be read: it has more than 1048576 bytes");
    assert!(Layers::default().file(std::path::Path::new("/dev/null")).is_ok());
}
