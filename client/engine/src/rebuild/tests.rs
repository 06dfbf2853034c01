use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use domain::FrameFormat;

use super::*;
use crate::ports::{
    Answer, Credentials, FileReader, FileWriter, Http, HttpError, Lock, NoToken, Request, Token, UnknownDevice,
};
use crate::std_ports::{SystemClock, SystemDisk, SystemRandom};
use crate::testing::uid;
use crate::{Engine, Server, Stream};

/// The file system, on which the process ends after so many renames and removals.
struct Ends(AtomicU64);

impl Ends {
    fn next(&self) -> io::Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the process has ended")),
        }
    }
}

impl Disk for Ends {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        SystemDisk.create_folder(folder)
    }
    fn create(&self, file: &Path) -> io::Result<Box<dyn FileWriter>> {
        SystemDisk.create(file)
    }
    fn open(&self, file: &Path) -> io::Result<Box<dyn FileReader>> {
        SystemDisk.open(file)
    }
    fn truncate(&self, file: &Path, length: u64) -> io::Result<()> {
        SystemDisk.truncate(file, length)
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        self.next()?;
        SystemDisk.remove(file)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        SystemDisk.sync_folder(folder)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next()?;
        SystemDisk.rename(from, to)
    }
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(folder)
    }
    fn lock(&self, file: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        SystemDisk.lock(file)
    }
    fn before_commit(&self) -> io::Result<()> {
        self.next()
    }
}

struct Nobody;

#[async_trait]
impl Http for Nobody {
    async fn send(&self, _: Request) -> Result<Answer, HttpError> {
        Err(HttpError::Connect("offline".to_owned()))
    }
}

#[async_trait]
impl Credentials for Nobody {
    async fn token(&self, _: &Uid, _: bool) -> Result<Token, NoToken> {
        Err(NoToken::Later)
    }
}

fn ports(steps: u64) -> Ports {
    Ports {
        clock: Arc::new(SystemClock::new()),
        disk: Arc::new(Ends(AtomicU64::new(steps))),
        http: Arc::new(Nobody),
        credentials: Arc::new(Nobody),
        device: Arc::new(UnknownDevice),
        random: Arc::new(SystemRandom),
    }
}

fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder, Server::parse("https://afterword.example").unwrap());
    config.reserve_bytes = 0;
    config
}

/// Three recordings of anna, and no process that has them open.
fn recordings(config: &Config) {
    let (engine, _driver) = Engine::open(config.clone(), ports(u64::MAX)).unwrap();
    engine.sign_in(uid("anna")).unwrap();
    for session in ["a", "b", "c"] {
        let stream = Stream { format: FrameFormat::BARE, device: "phone".to_owned(), session: session.to_owned() };
        let mut recorder = engine.record(stream).unwrap();
        recorder.record(session.as_bytes(), false).unwrap();
        recorder.finalize().unwrap();
    }
}

fn known(config: &Config) -> Result<usize, OpenError> {
    let (engine, _driver) = Engine::open(config.clone(), ports(u64::MAX))?;
    engine.sign_in(uid("anna")).unwrap();
    Ok(engine.list(None, None, 10).unwrap().len())
}

#[test]
fn r07_rebuild_that_is_killed_anywhere_leaves_an_index_that_knows_everything() {
    let mut kills = 0;
    for steps in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        recordings(&config);
        let killed = rebuild(&config, &ports(steps)).is_err();
        kills += usize::from(killed);
        assert_eq!(known(&config).unwrap(), 3, "the process ended after {steps} steps");
        if !killed {
            assert!(kills > 5, "{kills}");
            return;
        }
    }
    panic!("the rebuild has no end");
}

#[test]
fn r07_index_that_was_removed_beside_recordings_is_not_replaced_by_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    recordings(&config);
    for end in ["-wal", "-shm", ""] {
        let _ = std::fs::remove_file(with_end(&config.index, end));
    }
    for _ in 0..2 {
        let refused = known(&config).err().unwrap();
        assert!(matches!(refused, OpenError::Index(IndexError::Empty { .. })), "{refused}");
        assert!(refused.to_string().contains("`rebuild` makes a new one"), "{refused}");
    }
    assert_eq!(rebuild(&config, &ports(u64::MAX)).unwrap().recordings, 3);
    assert_eq!(known(&config).unwrap(), 3);
}

#[test]
fn file_that_names_the_owner_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    // A version before this one was killed before it wrote the name.
    std::fs::write(folder.path().join("owner"), "").unwrap();
    std::fs::write(folder.path().join("owner.new"), "an").unwrap();
    crate::folders::claim(&SystemDisk, folder.path(), &uid("anna")).unwrap();
    assert_eq!(owner_of(&SystemDisk, folder.path()).unwrap(), Some(uid("anna")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    for steps in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let disk = Ends(AtomicU64::new(steps));
        let claimed = crate::folders::claim(&disk, folder.path(), &uid("anna")).is_ok();
        let found = std::fs::read_to_string(folder.path().join("owner")).ok();
        assert_eq!(found, claimed.then(|| "anna".to_owned()), "{steps}");
    }
}
