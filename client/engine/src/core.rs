//! What the handle, the recorders and the driver share: the ports, the index, the state of the coordinator and its actions.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use domain::{Timestamp, Uid};
use futures_util::task::AtomicWaker;

use crate::chunk::{Chunk, ChunkId};
use crate::coordinator::{self, Action, Event, State};
use crate::events::{EventKind, Ring};
use crate::index::{Index, IndexError};
use crate::lock::lock;
use crate::mistakes::{self, Mistake};
use crate::observers::Observers;
use crate::ports::Ports;
use crate::settings::Config;
use crate::signal::Signal;

/// Something with frames that are not durable yet.
pub trait Unsynced: Send + Sync {
    fn sync_if_due(&self);
    /// The audio that is not durable yet.
    fn at_risk(&self) -> Duration;
}

/// Why a piece of work for an account ends early.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The account that it was started for is not signed in any more.
    #[error("the account was signed out")]
    Fenced,
    #[error(transparent)]
    Index(#[from] IndexError),
}

pub struct Core {
    pub config: Config,
    pub ports: Ports,
    index: Mutex<Index>,
    state: Mutex<State>,
    actions: Mutex<VecDeque<Action>>,
    /// Wakes the driver.
    pub waker: AtomicWaker,
    pub is_closed: AtomicBool,
    is_changed: AtomicBool,
    ring: Mutex<Ring>,
    pub observers: Observers,
    recorders: Mutex<Vec<Weak<dyn Unsynced>>>,
    /// The chunks that recorders of this process write to. Nobody else recovers or forgets them.
    open_chunks: Mutex<BTreeSet<ChunkId>>,
    /// Those who wait for the end of a sign-out.
    farewells: Mutex<Vec<(Uid, Arc<Signal>)>>,
    /// Bytes of chunks that are on their way: sent, and all.
    progress: Mutex<HashMap<ChunkId, (u64, u64)>>,
    /// Wall minus monotonic milliseconds, to notice that the clock was set.
    clock_offset: AtomicU64,
    /// How far the clock was set, in milliseconds, since the times in the index were last moved with it.
    owed_ms: AtomicI64,
}

/// A chunk that a recorder writes to, until this is dropped.
pub struct OpenChunk {
    core: Arc<Core>,
    pub id: ChunkId,
}

impl Drop for OpenChunk {
    fn drop(&mut self) {
        lock(&self.core.open_chunks).remove(&self.id);
    }
}

impl Core {
    pub fn new(config: Config, ports: Ports, index: Index, state: State) -> Arc<Self> {
        let ring = Mutex::new(Ring::new(config.events));
        let this = Self {
            config,
            ports,
            index: Mutex::new(index),
            state: Mutex::new(state),
            actions: Mutex::default(),
            waker: AtomicWaker::new(),
            is_closed: AtomicBool::new(false),
            is_changed: AtomicBool::new(false),
            ring,
            observers: Observers::default(),
            recorders: Mutex::default(),
            open_chunks: Mutex::default(),
            farewells: Mutex::default(),
            progress: Mutex::default(),
            clock_offset: AtomicU64::new(0),
            owed_ms: AtomicI64::new(0),
        };
        this.clock_offset.store(this.offset(), Ordering::Relaxed);
        Arc::new(this)
    }

    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub fn unit(&self) -> f64 {
        self.ports.random.unit()
    }

    pub fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    pub fn note(&self, kind: EventKind) {
        lock(&self.ring).push(self.now(), kind);
    }

    pub fn events(&self) -> Vec<crate::events::Event> {
        lock(&self.ring).list()
    }

    /// Passes an event to the coordinator. What is to be stored is stored before this returns; the driver does the rest.
    pub fn post(&self, event: Event) {
        // Deadlines are compared with the clock as it is: a clock that was set moves them first.
        self.check_clock();
        self.step(None, event);
    }

    /// Passes what a step found out. If the account of the step is not signed in any more, it says nothing about the one that
    /// is (R34).
    pub fn post_fenced(&self, fence: u64, event: Event) {
        self.check_clock();
        self.step(Some(fence), event);
    }

    fn step(&self, fence: Option<u64>, event: Event) {
        {
            let mut state = lock(&self.state);
            let is_late = fence.is_some_and(|fence| fence != state.fence);
            if is_late && !mistakes::is_planted(Mistake::SignOutNotFenced) {
                return;
            }
            let actions = coordinator::step(&mut state, event, self.now());
            for action in actions {
                match action {
                    Action::StoreCooldowns => self.store_cooldowns(&state),
                    action => lock(&self.actions).push_back(action),
                }
            }
        }
        self.waker.wake();
    }

    /// Something that a status shows has changed: observers are told by the driver.
    pub fn changed(&self) {
        self.is_changed.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    pub fn has_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }

    /// Tells the observers what has changed.
    pub fn tell_change(&self) {
        if self.is_changed.swap(false, Ordering::Relaxed) {
            self.observers.tell_change();
        }
    }

    /// Tells the observers which cooldown counts now.
    pub fn tell_cooldown(&self) {
        let cooldown = self.with_state(|state| state.cooldowns.effective(self.now()));
        if let Some(cooldown) = cooldown {
            self.note(EventKind::Cooldown { reason: cooldown.reason, until: cooldown.until });
        }
        self.observers.tell_cooldown(cooldown);
    }

    fn store_cooldowns(&self, state: &State) {
        let Some(account) = &state.account else { return };
        if let Err(error) = self.index().put_cooldowns(account, &state.cooldowns) {
            // It is still followed by this process.
            self.note(EventKind::IndexFailed { why: error.to_string() });
        }
    }

    pub fn take_actions(&self) -> Vec<Action> {
        lock(&self.actions).drain(..).collect()
    }

    pub fn has_actions(&self) -> bool {
        !lock(&self.actions).is_empty()
    }

    /// Reads the state.
    pub fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.state))
    }

    pub fn account(&self) -> Option<Uid> {
        self.with_state(|state| state.account.clone())
    }

    /// Whether work that began under this fence still counts.
    pub fn is_current(&self, fence: u64) -> bool {
        mistakes::is_planted(Mistake::SignOutNotFenced) || self.with_state(|state| state.fence == fence)
    }

    /// Uses the index if the work still counts. The state is locked meanwhile, so that a sign-out comes before or after it.
    pub fn fenced<T>(
        &self,
        fence: u64,
        work: impl FnOnce(&mut Index) -> Result<T, IndexError>,
    ) -> Result<T, WorkError> {
        let state = lock(&self.state);
        if state.fence != fence && !mistakes::is_planted(Mistake::SignOutNotFenced) {
            return Err(WorkError::Fenced);
        }
        Ok(work(&mut self.index())?)
    }

    pub fn add_recorder(&self, recorder: Weak<dyn Unsynced>) {
        let mut recorders = lock(&self.recorders);
        recorders.retain(|one| one.strong_count() > 0);
        recorders.push(recorder);
        self.waker.wake();
    }

    fn recorders(&self) -> Vec<Arc<dyn Unsynced>> {
        lock(&self.recorders).iter().filter_map(Weak::upgrade).collect()
    }

    pub fn sync_recorders(&self) {
        self.recorders().iter().for_each(|recorder| recorder.sync_if_due());
    }

    pub fn is_recording(&self) -> bool {
        lock(&self.recorders).iter().any(|one| one.strong_count() > 0)
    }

    /// A recorder writes to this chunk from now on. It is called while the index is locked, so that no one sees the row without
    /// its recorder.
    pub fn open_chunk(self: &Arc<Self>, id: ChunkId) -> OpenChunk {
        lock(&self.open_chunks).insert(id);
        OpenChunk { core: Arc::clone(self), id }
    }

    /// Rows in the state `recording` that no recorder of this process writes to, after this one; and the last row of the page.
    pub fn left_over(&self, after: ChunkId, limit: usize) -> Result<(Vec<Chunk>, Option<ChunkId>), IndexError> {
        let index = self.index();
        let mut page = index.unfinished(after, limit)?;
        let last = page.last().map(|chunk| chunk.id);
        let open = lock(&self.open_chunks);
        page.retain(|chunk| !open.contains(&chunk.id));
        Ok((page, last))
    }

    /// A signal that is given when the sign-out of the account is over.
    pub fn expect_farewell(&self, account: &Uid) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        lock(&self.farewells).push((account.clone(), Arc::clone(&signal)));
        signal
    }

    /// The sign-out of the account is over.
    pub fn signed_out(&self, account: &Uid) {
        lock(&self.farewells).retain(|(waits_for, signal)| {
            if waits_for == account {
                signal.give();
            }
            waits_for != account
        });
    }

    /// The audio that is not durable yet.
    pub fn in_flight(&self) -> Duration {
        self.recorders().iter().map(|recorder| recorder.at_risk()).sum()
    }

    pub fn set_progress(&self, id: ChunkId, sent: u64, all: u64) {
        lock(&self.progress).insert(id, (sent, all));
        self.observers.tell_progress(id, sent, all);
    }

    pub fn clear_progress(&self) {
        lock(&self.progress).clear();
    }

    pub fn progress(&self, id: ChunkId) -> Option<(u64, u64)> {
        lock(&self.progress).get(&id).copied()
    }

    /// Milliseconds of the wall clock minus those of the monotonic clock.
    fn offset(&self) -> u64 {
        let monotonic = domain::time::millis(self.ports.clock.monotonic());
        self.now().millis().wrapping_sub(monotonic) as u64
    }

    /// Notices that the clock was set since the last look. Whether the times in the index are those of the clock: if not, nothing
    /// may be deleted because of its age.
    pub fn check_clock(&self) -> bool {
        let now = self.offset();
        let before = self.clock_offset.swap(now, Ordering::Relaxed);
        let by_ms = (now as i64).wrapping_sub(before as i64);
        // Less is the drift of a clock that a network corrects.
        let is_set = by_ms.unsigned_abs() >= 2_000;
        if is_set {
            self.note(EventKind::ClockMoved { by_ms });
            self.owed_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
        let stored = self.store_owed_shift();
        if is_set || stored == Some(true) {
            // The cooldowns of the account are stored anew.
            self.step(None, Event::ClockMoved { by_ms: if is_set { by_ms } else { 0 } });
        }
        stored != Some(false)
    }

    /// Moves the times in the index as the clock was moved; whether that worked, `None` if there was nothing to move. A full disk
    /// refuses it for a while: it is owed until then.
    fn store_owed_shift(&self) -> Option<bool> {
        let mut index = self.index();
        let owed = self.owed_ms.swap(0, Ordering::Relaxed);
        if owed == 0 {
            return None;
        }
        let now = self.now();
        // Those of other accounts too. Delays are short: after a step back, what waits may as well be tried now.
        let shifted = index.shift_times(owed);
        let corrected = if owed < 0 { shifted.and_then(|()| index.correct_times(now, now)) } else { shifted };
        drop(index);
        if let Err(error) = &corrected {
            self.owed_ms.fetch_add(owed, Ordering::Relaxed);
            self.note(EventKind::IndexFailed { why: error.to_string() });
        }
        Some(corrected.is_ok())
    }

    /// The folder of an account's recordings.
    pub fn folder_of(&self, owner: &Uid) -> PathBuf {
        self.config.folder.join(owner.path_part())
    }

    /// Where the file of a chunk is.
    pub fn path_of(&self, place: &crate::chunk::Place) -> Option<PathBuf> {
        use crate::chunk::Place;
        match place {
            Place::Own(path) => Some(self.config.folder.join(path)),
            Place::Foreign(path) => Some(PathBuf::from(path)),
            Place::Deleted => None,
        }
    }
}
