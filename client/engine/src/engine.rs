//! The handle of an engine: what an app calls.

mod accounts;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{ConversationId, JobId, Timestamp, Uid};

use crate::add;
use crate::chunk::{Chunk, ChunkId, State};
use crate::completed::Completed;
use crate::coordinator::{Event, State as Coordinator};
use crate::core::Core;
use crate::driver;
use crate::events;
use crate::import::{self, ImportError, Imported};
use crate::index::{Index, IndexError};
use crate::observers::Observer;
use crate::opening::{self, OpenError};
use crate::ports::{Lock, Ports};
use crate::rebuild::{Rebuilt, rebuild};
use crate::recorder::{RecordError, Recorder, Stream};
use crate::rules::cooldown::{Cooldown, Cooldowns};
use crate::settings::{Config, Settings};
use crate::status::{self, Shown, Status, Sums};

/// The account that was signed in when the process ended.
pub(crate) const ACCOUNT: &str = "account";
const SETTINGS: &str = "settings";
/// The results that are handed out together.
pub(crate) const RESULTS: usize = 100;

/// Why a call cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// An engine. Clones are handles of the same engine. There is no handle before the index is loaded and recordings that were
/// cut off are recovered (R9).
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
}

/// Performs what the engine decides. Its future runs until the engine is closed; dropping it is like ending the process.
#[must_use = "nothing is uploaded unless the driver runs"]
pub struct Driver {
    core: Arc<Core>,
    _lock: Box<dyn Lock>,
}

impl Driver {
    /// Runs. The future blocks its thread for the moments that files and the index take.
    pub async fn run(self) {
        driver::run(Arc::clone(&self.core)).await;
    }
}

impl Engine {
    /// Opens the engine of a folder. No other process may have it open.
    pub fn open(config: Config, ports: Ports) -> Result<(Self, Driver), OpenError> {
        let (lock, index) = opening::open(&config, &ports)?;
        let now = ports.clock.now();
        let (account, settings, cooldowns) = remembered(&index, now)?;
        let core = Core::new(config, ports.clone(), index, Coordinator::new(ports.device.conditions(), settings, now));
        opening::recover(&core)?;
        if let Some(account) = account {
            core.post(Event::SignedIn { account, cooldowns });
        }
        Ok((Self { core: Arc::clone(&core) }, Driver { core, _lock: lock }))
    }

    /// Makes a new index from the recordings that are on the disk, and puts the old one aside. Only a person decides this:
    /// everything is uploaded again, and the server recognises what it has.
    pub fn rebuild(config: &Config, ports: &Ports) -> Result<Rebuilt, OpenError> {
        rebuild(config, ports)
    }

    /// Ends the driver after what it is doing at this moment.
    pub fn close(&self) {
        self.core.is_closed.store(true, Ordering::Release);
        self.core.waker.wake();
    }

    fn account(&self) -> Result<Uid, Error> {
        self.core.account().ok_or(Error::SignedOut)
    }

    // Recording.

    /// Begins to record for the account that is signed in.
    pub fn record(&self, stream: Stream) -> Result<Recorder, Error> {
        Ok(Recorder::new(&self.core, self.account()?, stream))
    }

    /// Takes a file of the user: it is uploaded from where it is, and never changed or deleted.
    pub fn add_file(&self, file: &Path, options: add::AddOptions) -> Result<add::Added, add::AddError> {
        let account = self.core.account().ok_or(add::AddError::SignedOut)?;
        let added = add::add_file(&self.core, account, file, options)?;
        self.core.changed();
        self.core.post(Event::Recorded);
        Ok(added)
    }

    /// Takes over the recordings of an older app whose `wals.json` is in this folder (R12).
    pub fn import_wals(&self, folder: &Path) -> Result<Imported, ImportError> {
        let account = self.core.account().ok_or(ImportError::SignedOut)?;
        let imported = import::import(&self.core, &account, folder)?;
        self.core.changed();
        self.core.post(Event::Retry);
        Ok(imported)
    }

    /// Marks the session's recordings that belong to no conversation yet (R13). How many there were.
    pub fn stamp(&self, session: &str, conversation: ConversationId) -> Result<usize, Error> {
        let account = self.account()?;
        Ok(self.core.index().stamp(&account, session, conversation)?)
    }

    /// The backend has begun to process the session: its last chunk is finalised, and its upload waits for
    /// [`conversation_created`](Self::conversation_created), at most for [`Config::conversation_wait`], and once (R14).
    pub fn processing_started(&self, session: &str, recorder: Option<&mut Recorder>) -> Result<(), RecordError> {
        if let Some(account) = self.core.account() {
            let until = self.core.now() + self.core.config.conversation_wait;
            self.core.index().hold(&account, session, until)?;
        }
        let finalised = recorder.map_or(Ok(()), Recorder::finalize);
        self.core.post(Event::Recorded);
        finalised
    }

    /// The backend has created the conversation of a session: its recordings are stamped, and may be uploaded.
    pub fn conversation_created(&self, session: &str, conversation: ConversationId) -> Result<usize, Error> {
        let account = self.account()?;
        let stamped = {
            let mut index = self.core.index();
            let stamped = index.stamp(&account, session, conversation)?;
            index.release(&account, session, self.core.now())?;
            stamped
        };
        self.core.post(Event::Recorded);
        self.core.changed();
        Ok(stamped)
    }

    // Wakes.

    /// The app is in the foreground: jobs are asked for at once.
    pub fn foreground(&self) {
        self.core.post(Event::Foreground);
    }

    /// The app is in the background: timers end.
    pub fn background(&self) {
        self.core.post(Event::Background);
    }

    /// Network or power changed: the device is asked.
    pub fn conditions_changed(&self) {
        self.core.post(Event::Conditions(self.core.ports.device.conditions()));
    }

    /// A push came. It only wakes: what became of the job is asked for (R32).
    pub fn push_received(&self, job: Option<JobId>) -> Result<(), Error> {
        let account = self.account()?;
        self.core.index().reset_polls(&account, job, self.core.now())?;
        self.core.post(Event::Push);
        Ok(())
    }

    /// Tries everything again that is not synced and not on its way. How many recordings that are.
    pub fn retry_all(&self) -> Result<usize, Error> {
        let account = self.account()?;
        let reset = self.core.index().reset(&account, None)?;
        self.core.post(Event::Retry);
        self.core.changed();
        Ok(reset)
    }

    /// Tries one recording again, whatever kept it; whether there is one that can be tried.
    pub fn retry(&self, id: ChunkId) -> Result<bool, Error> {
        let account = self.account()?;
        let reset = self.core.index().reset(&account, Some(id))?;
        self.core.post(Event::Retry);
        self.core.changed();
        Ok(reset > 0)
    }

    /// Stops between and inside transfers. What is uploaded stays uploaded. The next [`retry_all`](Self::retry_all),
    /// [`foreground`](Self::foreground) or change of the network goes on (R35).
    pub fn cancel(&self) {
        self.core.post(Event::Cancel);
        self.core.changed();
    }

    /// The settings of transfers.
    pub fn settings(&self) -> Settings {
        self.core.with_state(|state| state.settings)
    }

    /// Changes the settings of transfers.
    pub fn set_settings(&self, settings: Settings) -> Result<(), Error> {
        let text = serde_json::to_string(&settings).unwrap_or_default();
        self.core.index().put_setting(SETTINGS, Some(&text))?;
        self.core.post(Event::Settings(settings));
        Ok(())
    }

    // What is told.

    /// The state of everything that the account has on this device.
    pub fn status(&self) -> Result<Status, Error> {
        let now = self.core.now();
        let in_flight = self.core.in_flight();
        let account = self.core.account();
        let (cooldown, blocked, is_busy) = self.core.with_state(|state| {
            // If no upload is due, what is waited for is the status of jobs.
            let is_upload_due = state.dues.upload.is_some_and(|at| now.has_reached(at));
            let no_status = state.status_is_unreachable(now).filter(|_| !is_upload_due);
            (state.cooldowns.effective(now), state.may_upload(now).err().or(no_status), state.pass.is_some())
        });
        let (sums, oldest) = match &account {
            Some(account) => {
                let index = self.core.index();
                (index.sums(account)?, index.oldest_pending(account)?)
            }
            None => (Vec::new(), None),
        };
        let account = account.map(|account| account.to_string());
        Ok(status::status(account, Sums { in_flight, sums, oldest }, cooldown, blocked, is_busy, now))
    }

    /// A page of the account's recordings, newest first, before this place in the list.
    pub fn list(
        &self,
        state: Option<State>,
        before: Option<(Timestamp, ChunkId)>,
        limit: usize,
    ) -> Result<Vec<(Chunk, Shown)>, Error> {
        let account = self.account()?;
        let page = self.core.index().list(&account, state, before, limit)?;
        page.into_iter().map(|chunk| Ok((chunk.clone(), self.shown(&chunk)?))).collect()
    }

    /// One recording of the account, and what it is shown as.
    pub fn recording(&self, id: ChunkId) -> Result<Option<(Chunk, Shown)>, Error> {
        let account = self.account()?;
        let chunk = self.core.index().chunk(id)?.filter(|chunk| chunk.owner == account);
        chunk.map(|chunk| Ok((chunk.clone(), self.shown(&chunk)?))).transpose()
    }

    fn shown(&self, chunk: &Chunk) -> Result<Shown, Error> {
        let job = match chunk.transfer.job_id {
            Some(id) if chunk.transfer.state == State::Uploaded => self.core.index().job(id)?,
            _ => None,
        };
        let now = self.core.now();
        let blocked = self.core.with_state(|state| state.may_upload(now).err());
        Ok(status::show(chunk, job.as_ref(), self.core.progress(chunk.id), blocked, now))
    }

    /// The cooldown that counts, if one is active.
    pub fn cooldown(&self) -> Option<Cooldown> {
        let now = self.core.now();
        self.core.with_state(|state| state.cooldowns.effective(now))
    }

    /// Calls the function whenever the cooldown that counts begins, changes or ends.
    pub fn observe_cooldown(&self, tell: impl Fn(Option<Cooldown>) + Send + Sync + 'static) -> Observer {
        self.core.observers.cooldown(tell)
    }

    /// Calls the function with the bytes that were sent of a recording, and all of its bytes.
    pub fn observe_progress(&self, tell: impl Fn(ChunkId, u64, u64) + Send + Sync + 'static) -> Observer {
        self.core.observers.progress(tell)
    }

    /// Calls the function when something that is shown has changed.
    pub fn observe_change(&self, tell: impl Fn() + Send + Sync + 'static) -> Observer {
        self.core.observers.change(tell)
    }

    /// The newest events, for reports.
    pub fn events(&self) -> Vec<events::Event> {
        self.core.events()
    }

    /// What a report about a problem needs: versions, sums and the newest events. It holds no audio, no text and no token.
    pub fn report(&self) -> Result<serde_json::Value, Error> {
        Ok(serde_json::json!({
            "engine": env!("CARGO_PKG_VERSION"),
            "index": crate::index::VERSION,
            "server": self.core.config.server.origin(),
            "at": self.core.now(),
            "settings": self.settings(),
            "status": self.status()?,
            "events": self.events(),
        }))
    }

    /// Jobs that are over and that the app has not acknowledged, oldest first (R39).
    pub fn completed(&self) -> Result<Vec<Completed>, Error> {
        let account = self.account()?;
        let open = self.core.index().open_results(&account, RESULTS)?;
        Ok(open.into_iter().filter_map(|result| serde_json::from_str(&result.body).ok()).collect())
    }

    /// The app has handled a job that is over; whether it was open.
    pub fn acknowledge(&self, job: JobId, completed_at: Timestamp) -> Result<bool, Error> {
        let account = self.account()?;
        Ok(self.core.index().acknowledge(&account, job, completed_at, self.core.now())?)
    }

    /// Whether this end of a job was acknowledged in the last 30 days: a push may tell it late, or twice (R11).
    pub fn is_handled(&self, job: JobId, completed_at: Timestamp) -> Result<bool, Error> {
        let account = self.account()?;
        Ok(self.core.index().is_handled(&account, job, completed_at)?)
    }
}

fn remembered(index: &Index, now: Timestamp) -> Result<(Option<Uid>, Settings, Cooldowns), IndexError> {
    let account = index.setting(ACCOUNT)?.and_then(|text| Uid::new(text).ok());
    let settings = index.setting(SETTINGS)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let cooldowns = match &account {
        Some(account) => index.cooldowns(account, now)?,
        None => Cooldowns::default(),
    };
    Ok((account, settings, cooldowns))
}
