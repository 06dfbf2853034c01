//! Combines configuration, environment and platform into the options of a function, with one clear line for each
//! mistake: a function that would fail its first request must not start.

use std::sync::Arc;
use std::time::Duration;

use crate::hosting::Platform;
use anyhow::{Result, anyhow};
use config::{Config, Key};
use edge::TaskSecret;
use flow::Settings;

use crate::environment::Environment;

/// The pause between placements: Firestore accepts about one write a second to a document.
const PLACEMENT_PACE: Duration = Duration::from_secs(1);

/// The longest segment. Its text is one Firestore document of at most one MiB, and fifty of them are written in one
/// commit of at most ten MiB: fast speech with the time of each word takes 270 bytes a second.
const LONGEST_SPAN: Duration = Duration::from_secs(600);

pub struct Options {
    pub config: Config,
    pub environment: Environment,
    pub platform: Platform,
    pub project: String,
    pub settings: Settings,
    pub secret: Arc<TaskSecret>,
}

/// Names keys with their variables, `cloud.queue and cloud.location (environment: …)`, and with valid examples.
fn named(names: &[&str]) -> (String, String) {
    let keys = || names.iter().filter_map(|name| config::key(name));
    let variables = keys().map(|key| match key.name {
        "cloud.project" => "GOOGLE_CLOUD_PROJECT".to_owned(),
        _ => key.variable(),
    });
    let variables: Vec<_> = variables.collect();
    let examples: Vec<_> = keys().map(Key::valid_example).collect();
    (format!("{} (environment: {})", names.join(" and "), variables.join(" and ")), examples.join(" and "))
}

/// The error for invalid values: their keys, what is wrong, and valid examples.
pub fn wrong(keys: &[&str], why: &str) -> anyhow::Error {
    let (keys, example) = named(keys);
    anyhow!("configuration: {keys}: {why}; such as {example}")
}

fn not_set(key: &str) -> anyhow::Error {
    let (key, example) = named(&[key]);
    anyhow!("configuration: {key} is not set, such as {example}")
}

/// The project as configured, otherwise as the environment says.
pub fn project(config: &Config, environment: &Environment) -> Result<String> {
    let configured = Some(config.cloud.project.clone()).filter(|project| !project.is_empty());
    let Some(project) = configured.or_else(|| environment.project.clone()) else {
        return Err(not_set("cloud.project"));
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    if !project.bytes().all(named) {
        return Err(wrong(&["cloud.project"], &format!("`{project}` is no project id")));
    }
    Ok(project)
}

impl Options {
    pub fn new(mut config: Config, environment: Environment, platform: Platform) -> Result<Self> {
        let engines = &mut config.engine.cloud;
        for span in [&mut engines.deepgram.max_span, &mut engines.http.max_span] {
            *span = (*span).min(LONGEST_SPAN);
        }
        let cloud = &config.cloud;
        let project = project(&config, &environment)?;
        if cloud.bucket.contains("://") {
            let why = format!("`{}` is an address, and the name of the bucket is needed", cloud.bucket);
            return Err(wrong(&["cloud.bucket"], &why));
        }
        for (key, value) in [
            ("cloud.database", &cloud.database),
            ("cloud.bucket", &cloud.bucket),
            ("cloud.location", &cloud.location),
            ("cloud.queue", &cloud.queue),
            ("cloud.process_url", &cloud.process_url),
        ] {
            if value.is_empty() {
                return Err(not_set(key));
            }
        }
        let tasks = &config.tasks;
        let secret = TaskSecret::new(tasks.secret.clone(), tasks.previous_secret.clone());
        let (_, example) = named(&["tasks.secret"]);
        let secret = Arc::new(secret.map_err(|why| anyhow!("configuration: {why}, such as {example}"))?);
        let settings = settings(&config, platform)?;
        Ok(Self { environment, platform, project, settings, secret, config })
    }

    /// The full name of the queue.
    pub fn queue(&self) -> String {
        let cloud = &self.config.cloud;
        format!("projects/{}/locations/{}/queues/{}", self.project, cloud.location, cloud.queue)
    }
}

fn settings(config: &Config, platform: Platform) -> Result<Settings> {
    let mut settings = config.settings.clone();
    // Here the bucket's lifecycle deletes audio, and every wait has to end before that.
    settings.rules.audio_lifecycle = config.cloud.bucket_lifecycle;
    settings.rules.check().map_err(|why| wrong(&["cloud.bucket_lifecycle_days"], why))?;
    settings.worker.place_pace = PLACEMENT_PACE;
    if let Some(most) = platform.max_body() {
        let upload = &mut settings.upload;
        upload.max_batch_bytes = upload.max_batch_bytes.min(most);
        upload.max_file_bytes = upload.max_file_bytes.min(most);
    }
    if let Some(time) = platform.ends_requests_after(config.cloud.request_timeout) {
        let most = flow::process::time_for_work(time);
        settings.worker.handler_deadline = settings.worker.handler_deadline.min(most);
        settings.upload.synchronous_wait = settings.upload.synchronous_wait.min(most);
    }
    if !platform.streams() {
        // A stream without a permit sends what is known, and ends.
        settings.streams.total = 0;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

    fn of(platform: Platform, keys: &[(&str, &str)]) -> Result<Options> {
        let whole = [
            ("AFTERWORD_CLOUD_BUCKET", "audio"),
            ("AFTERWORD_CLOUD_LOCATION", "europe-west1"),
            ("AFTERWORD_CLOUD_PROCESS_URL", "https://process.example.com"),
            ("AFTERWORD_TASKS_SECRET", SECRET),
        ];
        let mut variables: Vec<(String, String)> = Vec::new();
        for (name, value) in whole.iter().chain(keys) {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        let config =
            config::Layers::default().env(variables.into_iter().map(|(k, v)| (k.into(), v.into())))?.config()?;
        let environment = Environment { project: Some("demo".to_owned()), ..Environment::default() };
        Options::new(config, environment, platform)
    }

    fn refusal(keys: &[(&str, &str)]) -> String {
        format!("{:#}", of(Platform::Port(1), keys).err().unwrap())
    }

    #[test]
    fn missing_setting_is_refused_at_start_and_named_with_its_variable() {
        let message = refusal(&[("AFTERWORD_CLOUD_BUCKET", "")]);
        assert_eq!(
            message,
            "configuration: cloud.bucket (environment: AFTERWORD_CLOUD_BUCKET) is not set, such as my-project-audio"
        );
        assert!(refusal(&[("AFTERWORD_CLOUD_DATABASE", "")]).contains("cloud.database"));
        let address = refusal(&[("AFTERWORD_CLOUD_BUCKET", "gs://audio")]);
        assert!(address.contains("cloud.bucket") && address.contains("`gs://audio` is an address"), "{address}");
        assert!(refusal(&[("AFTERWORD_CLOUD_LOCATION", "")]).contains("cloud.location"));
        assert!(refusal(&[("AFTERWORD_CLOUD_PROCESS_URL", "")]).contains("cloud.process_url"));
        assert!(refusal(&[("AFTERWORD_TASKS_SECRET", "short")]).contains("at least 32 are needed"));
        assert!(refusal(&[("AFTERWORD_CLOUD_TASK_AUDIENCE", "https://x")]).contains("belong together"));
        assert!(refusal(&[("AFTERWORD_QUEUE_DISPATCH_DEADLINE_SECONDS", "900")]).contains("handler_deadline"));
        assert!(refusal(&[("AFTERWORD_CLOUD_BUCKET_LIFECYCLE_DAYS", "15")]).contains("bucket_lifecycle_days"));
    }

    #[test]
    fn limits_of_the_platform_lower_those_of_the_configuration() {
        let here = of(Platform::Port(1), &[]).unwrap().settings;
        let lambda = of(Platform::Lambda, &[]).unwrap().settings;
        assert!(lambda.upload.max_batch_bytes < 4_500_000 && lambda.upload.max_file_bytes < 4_500_000);
        assert_eq!(here.upload.max_batch_bytes, 268_435_456);
        assert_eq!(lambda.upload.resumable_max_file_bytes, here.upload.resumable_max_file_bytes);
        assert_eq!(lambda.worker.handler_deadline, Duration::from_secs(880));
        let run = Platform::CloudRun { port: 1, http2: false };
        for (timeout, time) in [("300", 280), ("1800", 1500), ("40", 30)] {
            let run = of(run, &[("AFTERWORD_CLOUD_REQUEST_TIMEOUT_SECONDS", timeout)]).unwrap().settings;
            assert_eq!(run.worker.handler_deadline, Duration::from_secs(time), "{timeout}");
            assert!(run.upload.synchronous_wait <= Duration::from_secs(time));
        }
        assert_eq!(
            of(run, &[]).unwrap().settings.worker.handler_deadline,
            Duration::from_secs(280),
            "as Cloud Run has it"
        );
        assert_eq!((lambda.streams.total, here.streams.total), (0, 256));
        assert_eq!(here.worker.place_pace, PLACEMENT_PACE);
    }

    #[test]
    fn segment_length_is_bounded_so_that_texts_fit_into_documents() {
        let spans = |seconds: &str| {
            let keys = ["DEEPGRAM", "HTTP"].map(|engine| format!("AFTERWORD_ENGINE_{engine}_MAX_SPAN_SECONDS"));
            let engine =
                of(Platform::Port(1), &[(&keys[0], seconds), (&keys[1], seconds)]).unwrap().config.engine.cloud;
            [engine.deepgram.max_span.as_secs(), engine.http.max_span.as_secs()]
        };
        assert_eq!((spans("3600"), spans("120")), ([600, 600], [120, 120]));
    }

    #[test]
    fn queue_is_named_by_its_full_name() {
        assert_eq!(
            of(Platform::Port(1), &[]).unwrap().queue(),
            "projects/demo/locations/europe-west1/queues/afterword"
        );
    }
}
