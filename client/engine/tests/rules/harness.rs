//! An engine on a simulated device, and a server whose answers the test chooses.

mod environment;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use engine::domain::{Codec, FrameFormat, Uid};
use engine::ports::{Answer, Conditions, Disk, HttpError, Method, Ports};
use engine::{Chunk, Config, Engine, Recorder, Server, State, Stream};
use serde_json::{Value, json};

use simulator::{Seeded, SimDisk, Virtual};

pub use environment::Environment;

pub const ORIGIN: &str = "https://afterword.example";
pub const FOLDER: &str = "/device/recordings";
pub const JOB: &str = "6f0c0000-0000-4000-8000-000000000001";
/// Opus, 100 frames a second.
pub const OPUS: FrameFormat = FrameFormat::BARE;
pub const PCM: FrameFormat = FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: 160 };

/// A request as the server sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Duration,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn is(&self, method: Method, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How many files a multipart body has.
    pub fn files(&self) -> usize {
        self.text().matches("Content-Disposition").count()
    }
}

/// What the server does.
pub enum Reply {
    Answer(Answer),
    Fail(HttpError),
    /// It never answers.
    Hang,
}

pub fn answer(status: u16, body: Value) -> Reply {
    Reply::Answer(Answer { status, headers: Vec::new(), body: body.to_string().into_bytes() })
}

pub fn with_headers(status: u16, headers: &[(&str, &str)], body: Value) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply::Answer(Answer { status, headers, body: body.to_string().into_bytes() })
}

pub fn accepted(job: &str) -> Reply {
    answer(202, json!({"job_id": job, "status": "queued", "deduplicated": false, "poll_after_ms": 3000}))
}

pub fn limits() -> Reply {
    answer(
        200,
        json!({"upload": {"max_file_bytes": 209_715_200, "max_batch_bytes": 268_435_456, "max_files": 20,
        "resumable_max_file_bytes": 2_147_483_648_u64}}),
    )
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// A device with its engine.
pub struct Bench {
    pub environment: Arc<Environment>,
    pub clock: Virtual,
    pub disk: SimDisk,
    pub config: Config,
    engine: Option<Engine>,
    driver: Option<Work>,
    flag: Arc<Flag>,
    _index: rusqlite::Connection,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Bench {
    /// A device on which anna is signed in, and a server that says this. `None`: it tells its limits, and
    /// every job goes on.
    pub fn new(script: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Self {
        let bench = Self::signed_out(script);
        bench.engine().sign_in(Uid::new("anna").unwrap()).unwrap();
        bench
    }

    pub fn signed_out(script: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Self {
        Self::with(|_| (), script)
    }

    pub fn with(change: impl FnOnce(&mut Config), script: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Self {
        let clock = Virtual::default();
        let environment = Environment {
            clock: clock.clone(),
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            conditions: Mutex::new(Conditions::BEST),
            tokens: Mutex::default(),
            refreshed: AtomicU64::new(0),
            random: Seeded::new(9),
            meanwhile: Mutex::default(),
            transfers: Mutex::default(),
        };
        let mut config = Config::new(FOLDER, Server::parse(ORIGIN).unwrap());
        let index = format!("file:rules-{}?mode=memory&cache=shared", NUMBER.fetch_add(1, Ordering::Relaxed));
        config.index = index.clone().into();
        change(&mut config);
        let mut bench = Self {
            environment: Arc::new(environment),
            clock,
            disk: SimDisk::new(Seeded::new(7)),
            config,
            engine: None,
            driver: None,
            flag: Arc::default(),
            _index: rusqlite::Connection::open(index).unwrap(),
        };
        bench.start();
        bench
    }

    fn ports(&self) -> Ports {
        Ports {
            clock: Arc::new(self.clock.clone()),
            disk: Arc::new(self.disk.clone()),
            http: Arc::clone(&self.environment) as _,
            credentials: Arc::clone(&self.environment) as _,
            device: Arc::clone(&self.environment) as _,
            random: Arc::clone(&self.environment) as _,
        }
    }

    /// Makes a new index of the recordings; the process must not live.
    pub fn rebuild(&mut self) -> engine::Rebuilt {
        // The database in memory is put aside by another name.
        let index = format!("file:rules-{}?mode=memory&cache=shared", NUMBER.fetch_add(1, Ordering::Relaxed));
        self._index = rusqlite::Connection::open(&index).unwrap();
        self.config.index = index.into();
        Engine::rebuild(&self.config, &self.ports()).unwrap()
    }

    pub fn start(&mut self) {
        let (engine, driver) = Engine::open(self.config.clone(), self.ports()).unwrap();
        self.engine = Some(engine);
        self.driver = Some(Box::pin(driver.run()));
    }

    /// Ends the process.
    pub fn stop(&mut self, is_power_failure: bool) {
        (self.engine, self.driver) = (None, None);
        self.disk.end_process(is_power_failure);
    }

    pub fn restart(&mut self) {
        self.stop(false);
        self.start();
    }

    pub fn engine(&self) -> Engine {
        self.flag.0.store(true, Ordering::Relaxed);
        self.engine.clone().unwrap()
    }

    pub fn run(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    pub fn run_for(&mut self, duration: Duration) {
        let until = self.clock.elapsed() + duration;
        loop {
            // What the test did since wakes the driver as well.
            self.flag.0.store(true, Ordering::Relaxed);
            self.poll();
            match self.clock.next().filter(|next| *next <= until) {
                Some(next) => self.clock.advance_to(next),
                None => return self.clock.advance_to(until),
            }
        }
    }

    /// The device sleeps: time passes, and nothing runs.
    pub fn suspend(&mut self, seconds: u64) {
        self.clock.advance_to(self.clock.elapsed() + Duration::from_secs(seconds));
    }

    pub fn poll(&mut self) {
        while self.flag.0.swap(false, Ordering::Relaxed) {
            let waker = Waker::from(Arc::clone(&self.flag));
            if let Some(driver) = &mut self.driver {
                assert!(driver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
    }

    pub fn recorder(&self, session: &str) -> Recorder {
        self.recorder_of(session, OPUS)
    }

    pub fn recorder_of(&self, session: &str, format: FrameFormat) -> Recorder {
        let stream = Stream { format, device: "phone".to_owned(), session: session.to_owned() };
        self.engine().record(stream).unwrap()
    }

    /// Records so many frames in real time, and finalises.
    pub fn record(&mut self, session: &str, frames: u32) {
        let mut recorder = self.recorder(session);
        self.feed(&mut recorder, frames);
        recorder.finalize().unwrap();
    }

    pub fn feed(&mut self, recorder: &mut Recorder, frames: u32) {
        for number in 0..frames {
            recorder.record(&number.to_le_bytes(), false).unwrap();
            self.run_for(Duration::from_millis(10));
        }
    }

    /// Lets something happen inside of a step: when the engine has asked for so many more random numbers.
    pub fn meanwhile(&self, numbers: u32, happen: impl FnOnce() + Send + 'static) {
        *self.environment.meanwhile.lock().unwrap() = Some((numbers, Box::new(happen)));
    }

    pub fn chunks(&self) -> Vec<Chunk> {
        let page = self.engine().list(None, None, 10_000).unwrap();
        page.into_iter().map(|(chunk, _)| chunk).rev().collect()
    }

    pub fn states(&self) -> Vec<State> {
        self.chunks().iter().map(|chunk| chunk.transfer.state).collect()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.environment.seen.lock().unwrap().clone()
    }

    /// The requests to a route.
    pub fn to(&self, method: Method, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.is(method, path)).collect()
    }

    pub fn uploads(&self) -> Vec<Seen> {
        self.to(Method::Post, "/v2/sync/upload")
    }

    pub fn content(&self, chunk: &Chunk) -> Option<Vec<u8>> {
        match &chunk.place {
            engine::Place::Own(path) => self.disk.content(&Path::new(FOLDER).join(path)),
            engine::Place::Foreign(path) => self.disk.content(Path::new(path)),
            engine::Place::Deleted => None,
        }
    }

    pub fn set_conditions(&self, change: impl FnOnce(&mut Conditions)) {
        change(&mut self.environment.conditions.lock().unwrap());
        self.engine().conditions_changed();
    }

    /// Puts a file of the user on the disk.
    pub fn write(&self, path: &str, content: &[u8]) {
        let _ = self.disk.remove(Path::new(path));
        self.disk.create(Path::new(path)).unwrap().append(content).unwrap();
    }
}

/// A job that is over, with this for each file.
pub fn job(status: &str, files: Value) -> Reply {
    answer(
        200,
        json!({"job_id": JOB, "status": status, "completed_at": "2025-06-15T16:00:00.000Z", "files": files,
        "processed_segments": 1, "total_segments": 1,
        "result": {"new_conversation_ids": ["6f0c0000-0000-4000-8000-0000000000aa"], "updated_conversation_ids": []}}),
    )
}

/// The names of the files of a multipart body.
pub fn names_in(seen: &Seen) -> Vec<String> {
    let text = seen.text();
    text.split("filename=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// A server that accepts batches as one job, and ends it with this for each file.
pub fn server_that_ends(status: &'static str, file: Value) -> impl FnMut(&Seen) -> Option<Reply> + Send + 'static {
    let mut files: Vec<String> = Vec::new();
    move |seen| {
        if seen.is(Method::Post, "/v2/sync/upload") {
            files.extend(names_in(seen));
            return Some(accepted(JOB));
        }
        if seen.is(Method::Get, &format!("/v2/sync/jobs/{JOB}")) {
            let views = files.iter().map(|name| {
                let mut view = file.clone();
                view["name"] = json!(name);
                view
            });
            let views: Vec<_> = views.collect();
            return Some(job(status, json!(views)));
        }
        None
    }
}
