//! Converts the configuration to the settings of the use cases, and checks ranges and the relations between values.

use domain::{Code, Rules};
use flow::settings::{MOST_AT_ONCE, Settings, StreamLimits, UploadLimits, WorkerLimits};

use crate::ConfigError;
use crate::sections::{Config, secs};

/// A year. A longer duration is taken for a mistake in the unit.
const LONGEST_SECONDS: u64 = 366 * 86_400;
const DAY_SECONDS: u64 = 86_400;

impl Config {
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        self.check_ranges()?;
        self.check_server()?;
        self.refusal()?;
        self.public_url()?;
        let rules = self.rules();
        rules.check().map_err(|why| ConfigError(why.to_owned()))?;
        let limits = &self.limits;
        Ok(Settings {
            rules,
            upload: UploadLimits {
                max_file_bytes: limits.max_file_bytes,
                max_batch_bytes: limits.max_batch_bytes,
                max_files: limits.max_files,
                resumable_max_file_bytes: limits.resumable_max_file_bytes,
                resumable_max_batch_bytes: limits.resumable_max_batch_bytes,
                max_future: secs(limits.max_future_seconds),
                recovery_window: (limits.recovery_window_seconds > 0).then(|| secs(limits.recovery_window_seconds)),
                inline_audio: secs(limits.inline_audio_seconds),
                inline_search: secs(limits.inline_search_seconds),
                synchronous_wait: secs(limits.synchronous_wait_seconds),
                synchronous_waits: limits.synchronous_waits,
            },
            worker: WorkerLimits {
                max_jobs: self.process.max_jobs,
                parallelism: self.engine.parallelism,
                handler_deadline: secs(self.process.handler_deadline_seconds),
                ..WorkerLimits::default()
            },
            streams: StreamLimits {
                lasts: secs(limits.event_stream_seconds),
                per_user: limits.event_streams_per_user,
                in_all: limits.event_streams,
            },
            enqueue_behind_answers: false,
            max_span: None,
        })
    }

    fn rules(&self) -> Rules {
        let jobs = &self.jobs;
        let lease = secs(jobs.lease_seconds);
        let defaults = Rules::default();
        let (max_wait, retention) = (secs(jobs.max_wait_seconds), secs(jobs.retention_seconds));
        let upload_session = secs(jobs.upload_session_seconds);
        let longest = upload_session + max_wait + retention;
        Rules {
            lease,
            renew_after: lease / 3,
            max_attempts: jobs.max_attempts,
            backoff_min: secs(jobs.backoff_min_seconds),
            backoff_max: secs(jobs.backoff_max_seconds),
            max_wait,
            retention,
            expire_after_cleanup: secs(jobs.expire_after_cleanup_seconds),
            keep_audio: secs(self.blobs.keep_days.saturating_mul(DAY_SECONDS)),
            enqueued_per_user: self.limits.enqueued_per_user,
            upload_session,
            open_sessions_per_user: self.limits.open_sessions_per_user,
            // A disk has no lifecycle rule that deletes audio, so this bound only has to exceed every wait.
            audio_lifecycle: defaults.audio_lifecycle.max(longest + 2 * defaults.lifecycle_margin),
            ..defaults
        }
    }

    /// The public address without a slash at its end, if one is set.
    pub fn public_url(&self) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.server.public_url.as_deref() else { return Ok(None) };
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
        let host = host.strip_suffix('/').unwrap_or(host);
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/%[]".contains(c);
        if host.is_empty() || host.starts_with(['/', ':']) || !host.chars().all(fits) {
            let why = format!("server.public_url must be an address such as https://audio.example.com, not `{url}`");
            return Err(ConfigError(why));
        }
        Ok(Some(url.strip_suffix('/').unwrap_or(url).to_owned()))
    }

    /// The languages that the null engine accepts. If the list is empty, it accepts any.
    pub fn null_languages(&self) -> Vec<String> {
        let tags = self.engine.null_languages.split(',').map(str::trim);
        tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let (jobs, sweep, limits, queue) = (&self.jobs, &self.sweep, &self.limits, &self.queue);
        let server = &self.server;
        let ranges: &[(&str, u64, u64, u64)] = &[
            ("server.max_connections", server.max_connections as u64, 1, 1_000_000),
            ("server.tls_renewal_seconds", server.tls_renewal_seconds, 1, DAY_SECONDS),
            // When others wait for a connection, idle ones are closed after two seconds: the ordinary limit is not lower.
            ("server.idle_seconds", server.idle_seconds, 2, DAY_SECONDS),
            ("server.body_silence_seconds", server.body_silence_seconds, 1, DAY_SECONDS),
            ("server.write_stall_seconds", server.write_stall_seconds, 1, DAY_SECONDS),
            // Below these minima, an ordinary request with a token would already be refused.
            ("server.max_headers", server.max_headers as u64, 20, 1000),
            ("server.max_header_bytes", server.max_header_bytes as u64, 4096, 1 << 20),
            ("server.max_uri_bytes", server.max_uri_bytes as u64, 1024, 1 << 16),
            ("server.max_json_bytes", server.max_json_bytes as u64, 1024, 1 << 24),
            ("server.h2_streams", u64::from(server.h2_streams), 1, 1000),
            ("jobs.lease_seconds", jobs.lease_seconds, 1, 3600),
            ("jobs.max_attempts", u64::from(jobs.max_attempts), 1, 1000),
            ("jobs.backoff_min_seconds", jobs.backoff_min_seconds, 0, DAY_SECONDS),
            ("jobs.backoff_max_seconds", jobs.backoff_max_seconds, 0, DAY_SECONDS),
            ("jobs.max_wait_seconds", jobs.max_wait_seconds, 1, LONGEST_SECONDS),
            ("jobs.retention_seconds", jobs.retention_seconds, 1, LONGEST_SECONDS),
            ("jobs.expire_after_cleanup_seconds", jobs.expire_after_cleanup_seconds, 0, LONGEST_SECONDS),
            ("jobs.upload_session_seconds", jobs.upload_session_seconds, 1, LONGEST_SECONDS),
            ("sweep.interval_seconds", sweep.interval_seconds, 1, DAY_SECONDS),
            ("sweep.limit", sweep.limit as u64, 1, 1_000_000),
            ("sweep.orphan_blob_seconds", sweep.orphan_blob_seconds, 0, LONGEST_SECONDS),
            ("engine.deepgram.max_span_seconds", self.engine.deepgram.max_span_seconds, 1, 3600),
            ("engine.deepgram.concurrency", self.engine.deepgram.concurrency as u64, 1, 64),
            ("engine.http.max_span_seconds", self.engine.http.max_span_seconds, 1, 3600),
            ("engine.http.concurrency", self.engine.http.concurrency as u64, 1, 64),
            // Each job holds threads of the blocking pool, which has 512.
            ("process.max_jobs", self.process.max_jobs as u64, 1, 128),
            ("process.handler_deadline_seconds", self.process.handler_deadline_seconds, 1, DAY_SECONDS),
            ("engine.parallelism", self.engine.parallelism as u64, 0, MOST_AT_ONCE as u64),
            ("limits.enqueued_per_user", u64::from(limits.enqueued_per_user), 1, 100_000),
            ("limits.max_file_bytes", limits.max_file_bytes, 1, 1 << 40),
            ("limits.max_batch_bytes", limits.max_batch_bytes, 1, 1 << 40),
            ("limits.max_files", limits.max_files as u64, 1, 1000),
            ("limits.resumable_max_file_bytes", limits.resumable_max_file_bytes, 1, 1 << 40),
            ("limits.resumable_max_batch_bytes", limits.resumable_max_batch_bytes, 1, 1 << 40),
            ("limits.open_sessions_per_user", u64::from(limits.open_sessions_per_user), 1, 1000),
            ("limits.max_future_seconds", limits.max_future_seconds, 0, LONGEST_SECONDS),
            ("limits.recovery_window_seconds", limits.recovery_window_seconds, 0, 100 * LONGEST_SECONDS),
            ("limits.inline_audio_seconds", limits.inline_audio_seconds, 0, DAY_SECONDS),
            ("limits.inline_search_seconds", limits.inline_search_seconds, 1, 60),
            // Clients that wait for the response give up after a minute.
            ("limits.synchronous_wait_seconds", limits.synchronous_wait_seconds, 1, 55),
            ("limits.synchronous_waits", limits.synchronous_waits as u64, 0, 1_000_000),
            ("limits.event_stream_seconds", limits.event_stream_seconds, 1, DAY_SECONDS),
            ("limits.event_streams_per_user", limits.event_streams_per_user as u64, 1, 1000),
            ("limits.event_streams", limits.event_streams as u64, 0, 1_000_000),
            ("queue.max_attempts", u64::from(queue.max_attempts), 1, 1_000_000),
            ("queue.min_backoff_seconds", queue.min_backoff_seconds, 1, DAY_SECONDS),
            ("queue.max_backoff_seconds", queue.max_backoff_seconds, 1, DAY_SECONDS),
            ("queue.dispatch_deadline_seconds", queue.dispatch_deadline_seconds, 1, DAY_SECONDS),
            ("queue.max_per_second", u64::from(queue.max_per_second), 1, 1_000_000),
            ("blobs.keep_days", self.blobs.keep_days, 0, 36_600),
            ("identity.token_ttl_seconds", self.identity.token_ttl_seconds, 1, LONGEST_SECONDS),
            ("simulate.retry_after_seconds", self.simulate.retry_after_seconds, 1, LONGEST_SECONDS),
        ];
        for &(key, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(ConfigError(format!("{key} must lie between {min} and {max}, not {value}")));
            }
        }
        if self.process.handler_deadline_seconds >= queue.dispatch_deadline_seconds {
            let why = "process.handler_deadline_seconds must be below queue.dispatch_deadline_seconds: a worker has to \
                       put its job back before the queue gives the delivery up";
            return Err(ConfigError(why.to_owned()));
        }
        if queue.min_backoff_seconds > queue.max_backoff_seconds {
            let why = "queue.min_backoff_seconds must not be above queue.max_backoff_seconds";
            return Err(ConfigError(why.to_owned()));
        }
        Ok(())
    }

    fn check_server(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        match (server.tls_cert.is_empty(), server.tls_key.is_empty()) {
            (false, true) => return Err(ConfigError("server.tls_cert is set without server.tls_key".to_owned())),
            (true, false) => return Err(ConfigError("server.tls_key is set without server.tls_cert".to_owned())),
            _ => {}
        }
        let any = server.cors_origins.iter().any(|origin| origin == "*");
        if any && server.cors_origins.len() > 1 {
            return Err(ConfigError("server.cors_origins: `*` is any origin, and stands alone".to_owned()));
        }
        match server.cors_origins.iter().find(|origin| !any && !is_origin(origin)) {
            None => Ok(()),
            Some(odd) => Err(ConfigError(format!(
                "server.cors_origins: `{odd}` is no origin such as https://app.example (a scheme, a host, maybe a port, \
                 and nothing after them)"
            ))),
        }
    }

    /// The code that every upload is refused with, if `simulate.refuse` is set.
    pub fn refusal(&self) -> Result<Option<Code>, ConfigError> {
        match self.simulate.refuse.as_str() {
            "" => Ok(None),
            "fair_use" => Ok(Some(Code::FairUseRestricted)),
            "rate_limit" => Ok(Some(Code::RateLimited)),
            "backend_busy" => Ok(Some(Code::BackendBusy)),
            odd => Err(ConfigError(format!(
                "simulate.refuse must be `fair_use`, `rate_limit`, `backend_busy` or nothing, not `{odd}`"
            ))),
        }
    }
}

/// Whether the text is an origin exactly as browsers send it (RFC 6454), because origins are compared byte by byte.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let in_scheme = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let in_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
    !scheme.is_empty() && scheme.chars().all(in_scheme) && !host.is_empty() && host.chars().all(in_host)
}
