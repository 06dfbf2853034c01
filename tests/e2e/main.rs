//! End-to-end tests of the real program: started as users start it, called over HTTP, killed, starved, fed with wrong
//! data.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod alerts;
mod api_page;
mod attacks;
mod backup_folder;
mod backups;
mod broken_uploads;
mod cancel_retry;
mod clock;
mod commands;
mod compat;
mod configuration;
mod damage;
mod databases;
mod deepgram;
mod deliveries;
mod disks;
mod earlier_versions;
mod embedded_engine;
mod events;
mod examples;
mod forgetting;
mod formats;
mod http_engine;
mod kills;
mod languages;
mod limits;
mod load;
mod log;
mod long_upload;
mod metrics;
mod moving;
mod moving_signals;
mod older_client;
mod openapi_requests;
mod outcomes;
mod partly;
mod pushes;
mod quickstart;
mod reading;
mod restores;
mod same_audio;
mod server;
mod session_answers;
mod sessions;
mod shutdown;
mod sizes;
mod task_answers;
mod tls;
mod transcription;
mod upload_answers;
mod user_commands;
mod waiting;
mod write_ahead_log;

use tokio::sync::{Mutex, MutexGuard};

/// A lock for tests that load the whole machine: two of them at once would only measure each other.
async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}
