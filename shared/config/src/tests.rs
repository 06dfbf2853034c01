use std::io::Write;

use secrecy::ExposeSecret;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Result<Layers, ConfigError> {
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Layers::defaults().unwrap().env(pairs.into_iter())
}

#[test]
fn the_defaults_are_the_rules_that_the_domain_was_decided_by() {
    let settings = Layers::defaults().unwrap().config().unwrap().settings().unwrap();
    assert_eq!(settings, flow::Settings::default());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[jobs]\nlease_seconds = 30\nmax_attempts = 7\n").unwrap();
    let layers = Layers::defaults().unwrap().file(file.path()).unwrap();
    let layers = layers.env([("AFTERWORD_JOBS_LEASE_SECONDS".to_owned(), "1".to_owned())].into_iter()).unwrap();
    let config = layers.config().unwrap();
    assert_eq!((config.jobs.lease_seconds, config.jobs.max_attempts), (1, 7));
    assert_eq!(layers.origin("jobs.lease_seconds"), Origin::Env("AFTERWORD_JOBS_LEASE_SECONDS".to_owned()));
}

#[test]
fn every_key_can_be_set_by_the_environment() {
    let defaults: toml::Table = DEFAULT.parse().unwrap();
    for (section, keys) in &defaults {
        for (key, value) in keys.as_table().unwrap() {
            let name = format!("{ENV_PREFIX}{}_{}", section.to_uppercase(), key.to_uppercase());
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let layers = env(&[(&name, &text)]).unwrap();
            assert_eq!(layers.origin(&format!("{section}.{key}")), Origin::Env(name));
            layers.config().unwrap();
        }
    }
}

#[test]
fn mistakes_name_the_key_and_where_it_came_from() {
    let said = |pairs| match env(pairs).and_then(|l| l.config()).and_then(|c| c.settings()) {
        Ok(_) => panic!("a mistake went through: {pairs:?}"),
        Err(error) => error.to_string(),
    };
    assert!(said(&[("AFTERWORD_JOBS_LEASE_SECONDS", "soon")]).contains("AFTERWORD_JOBS_LEASE_SECONDS"));
    assert!(said(&[("AFTERWORD_JOBS_LEASE_SECS", "1")]).contains("no key `jobs.lease_secs`"));
    assert!(said(&[("AFTERWORD_JOBS_LEASE_SECONDS", "0")]).contains("jobs.lease_seconds must lie between"));
    assert!(said(&[("AFTERWORD_JOBS_MAX_ATTEMPTS", "-1")]).contains("must not be negative"));
    assert!(said(&[("AFTERWORD_LOG_FORMAT", "xml")]).contains("xml"));
    assert!(said(&[("AFTERWORD_PROCESS_HANDLER_DEADLINE_SECONDS", "1800")]).contains("dispatch_deadline"));
}

#[test]
fn variables_of_other_things_are_left_alone() {
    assert!(env(&[("AFTERWORD_SKIPS", "x"), ("AFTERWORD", "x"), ("PATH", "x")]).is_ok());
}

#[test]
fn secrets_are_read_but_never_shown() {
    let secret = "0123456789abcdef0123456789abcdef";
    let layers = env(&[("AFTERWORD_TASKS_SECRET", secret)]).unwrap();
    let config = layers.config().unwrap();
    assert_eq!(config.tasks.secret.as_ref().unwrap().expose_secret(), secret);
    assert!(!layers.show().contains(secret));
    assert!(layers.show().contains("secret = \"********\"  # from AFTERWORD_TASKS_SECRET"));
    assert!(!format!("{config:?}").contains(secret));
}

#[test]
fn what_is_shown_reads_back_as_the_same_configuration() {
    let shown = env(&[("AFTERWORD_LIMITS_MAX_FILES", "3")]).unwrap().show();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(shown.as_bytes()).unwrap();
    let read = Layers::defaults().unwrap().file(file.path()).unwrap().config().unwrap();
    assert_eq!(read.limits.max_files, 3);
}
