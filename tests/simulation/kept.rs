//! What outlives a process of the backend: the store, the staged audio, the queue.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use flow::ports::NewTask;
use simulator::Seeded;
use testkit::fault_injection::{LosesAnswers, Plan};
use testkit::{SeededRandom, memory};
use tokio::sync::Notify;

use crate::clock::WorldClock;
use crate::queue::WakingQueue;

pub struct Kept {
    pub random: Seeded,
    pub is_faulty: Arc<AtomicBool>,
    pub clock: Arc<WorldClock>,
    pub store: Arc<memory::Store>,
    /// The store as the functions reach it: slow, and its answers are lost now and then.
    pub reached: Arc<LosesAnswers<memory::Store>>,
    pub blobs: Arc<memory::Blobs>,
    pub uploads: Arc<memory::Uploads>,
    pub push: Arc<memory::Push>,
    pub queue: Arc<WakingQueue>,
    /// A device asked for something.
    pub requested: Notify,
    /// Tasks whose delivery has begun and not ended.
    pub delivering: Mutex<Vec<NewTask>>,
}

impl Kept {
    pub fn new(random: Seeded) -> Self {
        let clock = Arc::new(WorldClock::default());
        let store = Arc::new(memory::Store::new());
        let blobs = Arc::new(memory::Blobs::new(clock.clone()));
        let seeded = |random: &Seeded| Arc::new(SeededRandom::new(random.below(u64::MAX)));
        let plan = Plan::seeded(random.below(u64::MAX), 200).slow(random.below(u64::MAX));
        Self {
            is_faulty: Arc::new(AtomicBool::new(true)),
            reached: Arc::new(LosesAnswers::planned(store.clone(), plan)),
            uploads: Arc::new(memory::Uploads::new(blobs.clone(), seeded(&random))),
            push: Arc::new(memory::Push::new()),
            queue: Arc::new(WakingQueue { tasks: Arc::new(memory::Queue::new(clock.clone())), changed: Notify::new() }),
            requested: Notify::new(),
            delivering: Mutex::default(),
            clock,
            store,
            blobs,
            random,
        }
    }
}
