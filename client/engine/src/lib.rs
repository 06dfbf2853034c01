//! Records on a device, and brings every recording to an Afterword backend, as durably as a database commits.
//!
//! An [`Engine`] is a library without a user interface and without global state. An app on a phone, a companion of a wearable or a
//! program on a laptop opens one for a folder, feeds it frames or files, and runs its [`Driver`] under whatever runtime it has.
//! No recording is lost when the app is killed, the network fails, the disk is full, the device restarts, the server says "later",
//! or the user signs out.
//!
//! Everything outside comes in through the traits of [`ports`]: clock, files, HTTP, credentials, device, randomness. Most of them
//! have an implementation over the standard library in [`std_ports`].
//!
//! # What it promises
//!
//! - A frame that [`Recorder::record`] took survives the end of the process. It survives a power failure if it is older than
//!   [`Config::at_risk`], or if [`Recorder::finalize`] has returned.
//! - A recording is `synced`, and its file may be deleted, only when its job is over and its own outcome says so. An accepted
//!   upload is no confirmation.
//! - Nothing counts against a recording but what the server blames on its content. Being offline, an outage, a cooldown or a
//!   sign-out costs no attempt.
//! - Recordings of an account are not seen and not sent by another account on the same device.
//! - The token goes to the configured origin only, and never along a redirect.
//!
//! # Example
//!
//! The example records a second of audio and brings it to a server. Its HTTP is a stand-in that accepts everything.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use engine::domain::{FrameFormat, Uid};
//! use engine::ports::{Answer, Credentials, Http, HttpError, Method, NoToken, Ports, Request, Token, UnknownDevice};
//! use engine::std_ports::{SystemClock, SystemDisk, SystemRandom, block_on};
//! use engine::{Config, Engine, Server, State, Stream};
//!
//! struct AcceptsEverything;
//!
//! #[async_trait]
//! impl Http for AcceptsEverything {
//!     async fn send(&self, mut request: Request) -> Result<Answer, HttpError> {
//!         while request.body.source.next().map_err(HttpError::Source)?.is_some() {}
//!         let body = match request.method {
//!             Method::Post => r#"{"job_id":"6f0c0000-0000-4000-8000-000000000001","status":"queued"}"#,
//!             _ => r#"{"upload":{"max_file_bytes":1000000,"max_batch_bytes":1000000,"max_files":5,
//!                      "resumable_max_file_bytes":1000000}}"#,
//!         };
//!         let status = if request.method == Method::Post { 202 } else { 200 };
//!         Ok(Answer { status, headers: Vec::new(), body: body.into() })
//!     }
//! }
//!
//! struct KeptInTheApp;
//!
//! #[async_trait]
//! impl Credentials for KeptInTheApp {
//!     async fn token(&self, _account: &Uid, _refresh: bool) -> Result<Token, NoToken> {
//!         Ok(Token::new("the ID token of the account"))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let mut config = Config::new(folder.path(), Server::parse("https://afterword.example")?);
//! config.reserve_bytes = 0;
//! let (engine, driver) = Engine::open(
//!     config,
//!     Ports {
//!         clock: Arc::new(SystemClock::new()),
//!         disk: Arc::new(SystemDisk),
//!         http: Arc::new(AcceptsEverything),
//!         credentials: Arc::new(KeptInTheApp),
//!         device: Arc::new(UnknownDevice),
//!         random: Arc::new(SystemRandom),
//!     },
//! )?;
//! engine.sign_in(Uid::new("anna")?)?;
//!
//! // Opus frames of 10 ms, as a microphone would give them.
//! let stream = Stream { format: FrameFormat::BARE, device: "phonemic".into(), session: "walk".into() };
//! let mut recorder = engine.record(stream)?;
//! for _ in 0..100 {
//!     recorder.record(&[0x08, 0x0a], false)?;
//! }
//! recorder.finalize()?;
//!
//! // An app spawns the driver and goes on. Here it ends with the upload.
//! let watched = engine.clone();
//! let _observer = engine.observe_change(move || {
//!     let uploaded = watched.list(Some(State::Uploaded), None, 1);
//!     if uploaded.is_ok_and(|page| !page.is_empty()) {
//!         watched.close();
//!     }
//! });
//! block_on(driver.run());
//!
//! let (recording, shown) = engine.list(None, None, 1)?.remove(0);
//! assert!(recording.name.starts_with("audio_phonemic_opus_16000_1_fs160_"));
//! assert_eq!(shown.message(recording.captured_at).english(), "processing");
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod add;
mod chunk;
mod completed;
mod coordinator;
mod core;
mod digest;
mod driver;
mod engine;
mod events;
mod folders;
mod housekeeping;
mod import;
mod index;
mod index_files;
mod journal;
mod lock;
pub mod messages;
pub mod mistakes;
mod observers;
mod opening;
pub mod ports;
mod reader;
mod rebuild;
mod recorder;
mod rules;
mod server;
mod settings;
mod signal;
mod status;
pub mod std_ports;
#[cfg(test)]
mod testing;

pub use add::{AddError, AddOptions, Added};
pub use chunk::{Chunk, ChunkId, LastError, Place, State, Transfer};
pub use completed::{Completed, File};
pub use coordinator::Blocked;
pub use domain;
pub use engine::{Driver, Engine, Error};
pub use events::{Event, EventKind, PollOutcome};
pub use import::{ImportError, Imported};
pub use index::IndexError;
pub use observers::Observer;
pub use opening::OpenError;
pub use reader::Reader;
pub use rebuild::Rebuilt;
pub use recorder::{RecordError, Recorder, Stream};
pub use rules::cooldown::{Cooldown, Reason};
pub use server::{Server, ServerError};
pub use settings::{Config, Retention, Settings};
pub use signal::Given;
pub use status::{CooldownStatus, Shown, Status};
