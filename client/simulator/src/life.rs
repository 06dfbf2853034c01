//! A device, its user and its network, for some simulated days.

mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use engine::domain::{ConversationId, JobId, Timestamp, Uid};
use engine::ports::{Conditions, Credentials, Device, NoToken, Ports, Token};
use engine::{Config, Engine, Recorder, Retention, Server as Address};

use crate::clock::Virtual;
use crate::disk::SimDisk;
use crate::network::{Network, ORIGIN};
use crate::random::Seeded;
use crate::scene::{Scene, Sound};

pub const ACCOUNTS: [&str; 2] = ["anna", "ben"];
/// The days for which some apps keep synced files.
const DAYS: u32 = 7;
pub const FOLDER: &str = "/device/recordings";

/// What the app knows of a frame that it recorded.
#[derive(Clone, Debug)]
pub struct Frame {
    pub owner: &'static str,
    pub session: String,
    pub recorded_at: Duration,
    /// It has to be in a transcript in the end.
    pub is_promised: bool,
    /// It may be lost: a live socket took it, or it was too young when the power failed.
    pub is_live: bool,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the app tells about network and power, and who is signed in.
pub struct AppSide {
    pub network: Network,
    pub unmetered: AtomicBool,
    pub charging: AtomicBool,
    pub signed_in: Arc<Mutex<Option<&'static str>>>,
    /// Accounts whose sign-out is still going on.
    pub leaving: Mutex<BTreeSet<&'static str>>,
    pub violations: Mutex<Vec<String>>,
    pub random: Seeded,
}

impl Device for AppSide {
    fn conditions(&self) -> Conditions {
        Conditions {
            online: self.network.is_online(),
            unmetered: self.unmetered.load(Ordering::Relaxed),
            charging: self.charging.load(Ordering::Relaxed),
        }
    }
}

#[async_trait]
impl Credentials for AppSide {
    async fn token(&self, account: &Uid, _: bool) -> Result<Token, NoToken> {
        let is_leaving = self.leaving.lock().unwrap().contains(account.as_str());
        if *self.signed_in.lock().unwrap() != Some(account.as_str()) && !is_leaving {
            self.violations.lock().unwrap().push(format!("a request of {account} after its sign-out"));
        }
        if self.network.is_faulty() && self.random.permille(5) {
            return Err(NoToken::Later);
        }
        Ok(Token::new(format!("token-of-{account}")))
    }
}

type Future_ = Pin<Box<dyn Future<Output = ()>>>;

struct Process {
    engine: Engine,
    driver: Future_,
    recorder: Option<Recorder>,
    leaving: Vec<(Future_, &'static str)>,
}

pub struct Life {
    pub seed: u64,
    sound: Sound,
    pub random: Seeded,
    pub clock: Virtual,
    pub disk: SimDisk,
    pub network: Network,
    pub around: Arc<AppSide>,
    process: Option<Process>,
    flag: Arc<Flag>,
    /// The database in memory lives as long as this connection.
    _index: rusqlite::Connection,
    pub frames: Vec<Frame>,
    pub session: Option<String>,
    sessions: u64,
    /// The conversation that a session was stamped with first.
    pub stamps: BTreeMap<String, ConversationId>,
    handled: BTreeSet<(JobId, Timestamp)>,
    pub violations: Vec<String>,
    pub is_calm: bool,
    /// No process started while the clock was weeks ahead.
    pub ages_are_known: bool,
    /// The wall clock was set forward since the last start.
    pub was_set_forward: bool,
    pub kills: u64,
    /// The frames that are in a transcript in the end.
    pub found: u64,
    pub polls: u64,
}

impl Life {
    pub fn new(scene: &Scene, seed: u64) -> Self {
        let random = Seeded::new(seed);
        let clock = Virtual::default();
        let backend = (scene.backend)(random.fork());
        let network = Network::new(clock.clone(), random.fork(), backend);
        let disk = SimDisk::new(random.fork());
        let around = AppSide {
            network: network.clone(),
            unmetered: AtomicBool::new(true),
            charging: AtomicBool::new(true),
            signed_in: Arc::clone(&network.signed_in),
            leaving: Mutex::default(),
            violations: Mutex::default(),
            random: random.fork(),
        };
        let mut life = Self {
            seed,
            sound: scene.sound,
            clock,
            disk,
            network,
            around: Arc::new(around),
            process: None,
            flag: Arc::default(),
            _index: rusqlite::Connection::open(Self::index_of(seed)).unwrap(),
            frames: Vec::new(),
            session: None,
            sessions: 0,
            stamps: BTreeMap::new(),
            handled: BTreeSet::new(),
            violations: Vec::new(),
            is_calm: false,
            ages_are_known: true,
            was_set_forward: false,
            kills: 0,
            found: 0,
            polls: 0,
            random,
        };
        life.start();
        life
    }

    fn index_of(seed: u64) -> String {
        format!("file:device-{seed}-{:?}?mode=memory&cache=shared", std::thread::current().id()).replace(['(', ')'], "")
    }

    /// What the app does with synced files.
    fn retention(&self) -> Retention {
        if self.seed.is_multiple_of(2) { Retention::AtOnce } else { Retention::Days(DAYS) }
    }

    /// The least time for which a synced file is kept. The clock may be set by some hours unseen, before a kill.
    pub fn kept_for(&self) -> Duration {
        match self.retention() {
            // A full disk is a reason of its own.
            Retention::Days(days) if self.ages_are_known && !self.disk.is_full() => {
                Duration::from_secs(86_400) * (days - 2)
            }
            _ => Duration::ZERO,
        }
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if std::env::var_os("SIMULATION_LOG").is_some() {
            eprintln!("{:>12.3} {}", self.clock.elapsed().as_secs_f64(), what());
        }
    }

    /// Starts the process; a start may end at any operation as well.
    pub fn start(&mut self) {
        for _ in 0..50 {
            let mut config = Config::new(FOLDER, Address::parse(ORIGIN).unwrap());
            config.index = Self::index_of(self.seed).into();
            config.chunk = Duration::from_secs(10);
            config.retention = self.retention();
            let ports = Ports {
                clock: Arc::new(self.clock.clone()),
                disk: Arc::new(self.disk.clone()),
                http: Arc::new(self.network.clone()),
                credentials: Arc::clone(&self.around) as _,
                device: Arc::clone(&self.around) as _,
                random: Arc::new(self.random.fork()),
            };
            match Engine::open(config, ports) {
                Ok((engine, driver)) if !self.disk.is_dead() => {
                    let process =
                        Process { engine, driver: Box::pin(driver.run()), recorder: None, leaving: Vec::new() };
                    self.process = Some(process);
                    self.flag.0.store(true, Ordering::Relaxed);
                    let account = *self.around.signed_in.lock().unwrap();
                    // The app knows better than the engine who is signed in: its sign-out may have been cut off.
                    match account {
                        Some(account) => {
                            // What it did not learn in time makes this a change of accounts: the old push token goes.
                            self.expect_farewell(account);
                            self.call(|engine| engine.sign_in(Uid::new(account).unwrap()).map_err(|e| e.to_string()));
                        }
                        None => self.leave(),
                    }
                    return;
                }
                _ => {
                    // The disk is full, or the start itself was killed.
                    let power = self.random.permille(300);
                    self.disk.end_process(power);
                    self.disk.set_full(false);
                }
            }
        }
        panic!("the process does not start");
    }

    /// Calls the engine, if there is one that answers. A call during which the process ended has no answer.
    pub fn call<T>(&mut self, call: impl FnOnce(&Engine) -> Result<T, String>) -> Option<T> {
        let answer = call(&self.process.as_ref()?.engine);
        self.flag.0.store(true, Ordering::Relaxed);
        if self.disk.is_dead() {
            self.kill(false);
            return None;
        }
        answer.ok()
    }

    /// Ends the process, and starts it again.
    pub fn kill(&mut self, is_power_failure: bool) {
        self.kills += 1;
        self.note(|| format!("kill, power failure: {is_power_failure}"));
        self.forget_unknown_cooldown();
        // What the process did before it ended still counts.
        self.check_removed();
        self.process = None;
        self.session = None;
        self.around.leaving.lock().unwrap().clear();
        self.clock.forget_timers();
        self.disk.end_process(is_power_failure);
        // After a power failure the newest frames may be lost: at most a second, and what follows until the next tick.
        let (now, young) = (self.clock.elapsed(), Duration::from_millis(2_200));
        for frame in self.frames.iter_mut().rev().take(5_000).filter(|frame| !frame.is_promised) {
            frame.is_promised = !frame.is_live && (!is_power_failure || frame.recorded_at + young <= now);
            // What was not promised now is not promised by a later end either.
            frame.is_live = !frame.is_promised;
        }
        self.start();
    }

    /// A refusal that the process had no time to store is not known to the next one.
    fn forget_unknown_cooldown(&mut self) {
        let Some(account) = *self.around.signed_in.lock().unwrap() else { return };
        let Some(process) = &self.process else { return };
        // Its own disk is dead: only what the coordinator knows is asked for.
        let cooldown = process.engine.cooldown();
        // A clock that is set forward while the process does not live is believed: nothing tells how long it slept.
        if cooldown.is_none() || std::mem::take(&mut self.was_set_forward) {
            self.network.forget_refusal(account);
        }
    }

    /// The device sleeps: time passes, and nothing runs. Answers that come meanwhile are there when it wakes up.
    pub fn suspend(&mut self, duration: Duration) {
        self.note(|| format!("the device sleeps for {duration:?}"));
        self.clock.advance_to(self.clock.elapsed() + duration);
        self.run_for(Duration::ZERO);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.clock.elapsed() + duration;
        loop {
            self.poll_all();
            let next = [self.clock.next(), self.network.next()].into_iter().flatten().min();
            let next = next.filter(|next| *next <= until);
            if self.network.work_until(next.unwrap_or(until)) {
                continue;
            }
            match next {
                Some(next) => {
                    self.clock.advance_to(next);
                    self.network.advance(next);
                }
                None => {
                    self.clock.advance_to(until);
                    return;
                }
            }
        }
    }

    fn poll_all(&mut self) {
        let mut rounds = 0;
        while self.flag.0.swap(false, Ordering::Relaxed) {
            rounds += 1;
            assert!(rounds < 100_000, "seed {}: the engine never sleeps", self.seed);
            self.polls += 1;
            let waker = Waker::from(Arc::clone(&self.flag));
            let mut context = Context::from_waker(&waker);
            let Some(process) = &mut self.process else { return };
            let ended = process.driver.as_mut().poll(&mut context).is_ready();
            assert!(!ended, "the driver ended");
            let around = &self.around;
            process.leaving.retain_mut(|(future, account)| {
                let is_over = future.as_mut().poll(&mut context) == Poll::Ready(());
                if is_over {
                    around.leaving.lock().unwrap().remove(account);
                }
                !is_over
            });
            self.check_removed();
            let dies = !self.is_calm && self.random.permille(3);
            if self.disk.is_dead() || dies {
                let power = self.random.permille(400);
                self.kill(power);
            }
        }
    }

    /// Prints what the engine remembers, for a person.
    pub fn print_events(&mut self) {
        let events = self.process.as_ref().map(|process| process.engine.events()).unwrap_or_default();
        for event in events.iter().rev().take(40).rev() {
            eprintln!("{}", serde_json::to_string(event).unwrap());
        }
        eprintln!("{:#?}", self.violations);
    }
}
