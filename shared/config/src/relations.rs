//! The rules about several keys together, or about more than the range of one. Each is a function with a name.

use crate::settings::Config;

/// Whether the settings obey a rule, and the error if they do not. The error names the keys that the rule is about.
type Relation = (fn(&Config) -> bool, &'static str);

/// The rules that the settings have to obey.
pub const RELATIONS: &[Relation] = &[
    (
        handler_ends_before_dispatch,
        "process.handler_deadline_seconds must be below queue.dispatch_deadline_seconds: a worker has to put its job back \
         before the queue gives the delivery up",
    ),
    (queue_backoffs_are_in_order, "queue.min_backoff_seconds must not be above queue.max_backoff_seconds"),
    (job_backoffs_are_in_order, "jobs.backoff_min_seconds must not be above jobs.backoff_max_seconds"),
    (
        file_fits_into_a_batch,
        "limits.max_file_bytes must not be above limits.max_batch_bytes: a file of that size could never be sent",
    ),
    (
        resumable_file_fits_into_a_batch,
        "limits.resumable_max_file_bytes must not be above limits.resumable_max_batch_bytes: a file of that size could never \
         be sent",
    ),
    (certificate_has_its_key, "server.tls_cert and server.tls_key belong together, and one is set without the other"),
    (
        internal_listener_is_on_loopback,
        "server.internal_listen must be a loopback address: it is for the queue in this process only",
    ),
    (
        refusals_are_simulated_on_loopback,
        "simulate.refuse is for developers on one machine: server.listen must be a loopback address with it",
    ),
    (
        account_has_its_audience,
        "cloud.task_service_account and cloud.task_audience belong together, and one is set without the other",
    ),
];

fn handler_ends_before_dispatch(config: &Config) -> bool {
    config.settings.worker.handler_deadline < config.queue.dispatch_deadline
}

fn queue_backoffs_are_in_order(config: &Config) -> bool {
    config.queue.min_backoff <= config.queue.max_backoff
}

fn job_backoffs_are_in_order(config: &Config) -> bool {
    config.settings.rules.backoff_min <= config.settings.rules.backoff_max
}

fn file_fits_into_a_batch(config: &Config) -> bool {
    config.settings.upload.max_file_bytes <= config.settings.upload.max_batch_bytes
}

fn resumable_file_fits_into_a_batch(config: &Config) -> bool {
    config.settings.upload.resumable_max_file_bytes <= config.settings.upload.resumable_max_batch_bytes
}

fn certificate_has_its_key(config: &Config) -> bool {
    config.server.tls_cert.is_some() == config.server.tls_key.is_some()
}

fn internal_listener_is_on_loopback(config: &Config) -> bool {
    config.server.internal_listen.ip().is_loopback()
}

fn refusals_are_simulated_on_loopback(config: &Config) -> bool {
    config.simulate.refuse.is_none() || config.server.listen.ip().is_loopback()
}

fn account_has_its_audience(config: &Config) -> bool {
    config.cloud.task_service_account.is_empty() == config.cloud.task_audience.is_empty()
}
