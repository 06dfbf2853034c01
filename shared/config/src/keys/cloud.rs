//! The keys of the functions on Google Cloud.

use crate::key::{Key, NO_LIMIT, Unit};

pub const CLOUD: &[Key] = &[
    Key::text("cloud.project", "", |c, id| c.cloud.project = id.to_owned())
        .comment("The project. If it is empty, GOOGLE_CLOUD_PROJECT names it.")
        .example("my-project"),
    Key::text("cloud.database", "(default)", |c, name| c.cloud.database = name.to_owned())
        .comment("The database of Firestore."),
    Key::text("cloud.bucket", "", |c, name| c.cloud.bucket = name.to_owned())
        .comment("Recordings wait for their transcript in this bucket.")
        .example("my-project-audio"),
    Key::time("cloud.bucket_lifecycle_days", 30, 0..=NO_LIMIT, Unit::Days, |c, time| c.cloud.bucket_lifecycle = time)
        .comment("The lifecycle rule of the bucket deletes at this age what is left there. The rule has to say the same."),
    Key::text("cloud.location", "", |c, name| c.cloud.location = name.to_owned())
        .comment("The region of the queue.")
        .example("europe-west1"),
    Key::text("cloud.queue", "afterword", |c, name| c.cloud.queue = name.to_owned())
        .comment("The queue that wakes the process function."),
    Key::text("cloud.process_url", "", |c, url| c.cloud.process_url = url.to_owned())
        .comment("The address of the process function.")
        .example("https://afterword-process-abc.a.run.app"),
    Key::text("cloud.task_service_account", "", |c, name| c.cloud.task_service_account = name.to_owned())
        .comment(
            "With this key and `task_audience`, the queue also sends a token of this service account, and the process \
             function requires it.",
        )
        .example("tasks@my-project.iam.gserviceaccount.com"),
    Key::text("cloud.task_audience", "", |c, audience| c.cloud.task_audience = audience.to_owned())
        .comment("The audience of that token.")
        .example("https://afterword-process-abc.a.run.app"),
    Key::switch("cloud.http2", false, |c, on| c.cloud.http2 = on)
        .comment("On Cloud Run: requests come over HTTP/2 (h2c), where a request has no limit of 32 MiB."),
    Key::seconds("cloud.call_seconds", 60, 1..=NO_LIMIT, |c, time| c.cloud.call_limit = time).comment(
        "A call of a Google service takes at most this long, with all its retries, and a request of a client waits at most \
         this long for services that do not answer. Lower it behind a gateway that waits for less, such as the 30 s of AWS's API Gateway.",
    ),
    Key::seconds("cloud.request_timeout_seconds", 300, 1..=3600, |c, time| c.cloud.request_timeout = time).comment(
        "On Cloud Run: the request timeout of the service, as it is configured there. A delivery puts its job back before \
         that, and keeps its progress. Calls of the speech engine get no more audio than fits into it: 150 s with the \
         default.",
    ),
    Key::text("cloud.fcm_url", "https://fcm.googleapis.com", |c, url| c.cloud.fcm_url = url.to_owned())
        .comment("The address of Firebase Cloud Messaging, if it is not Google's."),
    Key::text(
        "cloud.firebase_keys_url",
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        |c, url| c.cloud.firebase_keys_url = url.to_owned(),
    )
    .comment("The address of the keys that verify the tokens of users, if it is not Google's."),
    Key::text("cloud.google_keys_url", "https://www.googleapis.com/oauth2/v3/certs", |c, url| {
        c.cloud.google_keys_url = url.to_owned();
    })
    .comment("The address of the keys that verify the tokens of the queue, if it is not Google's."),
];
