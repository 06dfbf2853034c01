//! Looks through folders for files that are whole: size and time have not changed for a while. It polls, so that it sees the
//! same on a disk and on a network mount.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ledger::{Facts, Ledger};
use crate::messages::Message;
use crate::push::collect::is_recording;

/// A file is whole if it has not changed for this long.
pub const SETTLES: Duration = Duration::from_secs(5);
/// A file that is not whole after this time is told, once.
pub const LONG: Duration = Duration::from_secs(600);
/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 32;
/// The most files that one look hands over. The others come with the next one.
const MOST_WHOLE: usize = 1000;
/// The most files that are waited for at a time. The others are noticed when these are whole.
const MOST_CANDIDATES: usize = 100_000;

/// A file that may not be whole.
struct Candidate {
    size: u64,
    modified: i64,
    /// When it was first seen, and when it was first seen like this.
    first: Duration,
    since: Duration,
    /// The look that saw it last.
    look: u64,
    is_told: bool,
    /// After an error it is left alone for a while.
    not_before: Duration,
    errors: u32,
}

/// What one look found.
#[derive(Default)]
pub struct Found {
    pub whole: Vec<Facts>,
    /// Files that are not whole for a long time; each of them is named once.
    pub growing: Vec<PathBuf>,
    /// Folders that were given and cannot be read, and why.
    pub gone: Vec<(PathBuf, String)>,
    pub files: u64,
    /// There may be more whole files than were handed over.
    pub has_more: bool,
}

pub struct Scanner {
    folders: Vec<PathBuf>,
    candidates: HashMap<PathBuf, Candidate>,
    look: u64,
}

impl Scanner {
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, candidates: HashMap::new(), look: 0 }
    }

    /// Looks once. `now` is a monotonic time.
    pub fn look(&mut self, ledger: &Ledger, now: Duration) -> Result<Found, Message> {
        self.look += 1;
        let mut found = Found::default();
        for folder in self.folders.clone() {
            match fs::read_dir(&folder) {
                Ok(entries) => self.folder(entries, 0, ledger, now, &mut found)?,
                Err(error) => found.gone.push((folder, error.to_string())),
            }
        }
        // What is gone, or was taken, is waited for no longer.
        let look = self.look;
        self.candidates.retain(|_, candidate| candidate.look == look);
        Ok(found)
    }

    fn folder(
        &mut self,
        entries: fs::ReadDir,
        depth: usize,
        ledger: &Ledger,
        now: Duration,
        found: &mut Found,
    ) -> Result<(), Message> {
        // What cannot be read at the moment is looked at the next time.
        for entry in entries.filter_map(io::Result::ok) {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() && depth < MAX_DEPTH {
                if let Ok(entries) = fs::read_dir(&path) {
                    self.folder(entries, depth + 1, ledger, now, found)?;
                }
            } else if is_recording(&path) && !(kind.is_symlink() && self.is_found_itself(&path)) {
                self.file(path, ledger, now, found)?;
            }
        }
        Ok(())
    }

    /// A link into one of the folders: what it leads to is found by itself.
    fn is_found_itself(&self, link: &Path) -> bool {
        fs::canonicalize(link)
            .is_ok_and(|real| is_recording(&real) && self.folders.iter().any(|folder| real.starts_with(folder)))
    }

    fn file(&mut self, path: PathBuf, ledger: &Ledger, now: Duration, found: &mut Found) -> Result<(), Message> {
        let Some(facts) = facts(&path) else { return Ok(()) };
        found.files += 1;
        if ledger.is_known(&facts)? {
            return Ok(());
        }
        if self.candidates.len() >= MOST_CANDIDATES && !self.candidates.contains_key(&path) {
            found.has_more = true;
            return Ok(());
        }
        let look = self.look;
        let candidate = self.candidates.entry(path.clone()).or_insert_with(|| Candidate {
            size: facts.size,
            modified: facts.modified,
            first: now,
            since: now,
            look,
            is_told: false,
            not_before: now,
            errors: 0,
        });
        candidate.look = look;
        if (candidate.size, candidate.modified) != (facts.size, facts.modified) {
            (candidate.size, candidate.modified, candidate.since) = (facts.size, facts.modified, now);
            (candidate.not_before, candidate.errors) = (now, 0);
        }
        let is_whole = facts.size > 0 && now.saturating_sub(candidate.since) >= SETTLES;
        if is_whole && now >= candidate.not_before {
            if found.whole.len() < MOST_WHOLE {
                found.whole.push(facts);
            } else {
                found.has_more = true;
            }
        } else if !is_whole && !candidate.is_told && now.saturating_sub(candidate.first) >= LONG {
            candidate.is_told = true;
            found.growing.push(path);
        }
        Ok(())
    }

    /// A whole file could not be read: it is tried again later, or when it changes. Whether it is the first time.
    pub fn failed(&mut self, path: &Path, now: Duration) -> bool {
        let Some(candidate) = self.candidates.get_mut(path) else { return true };
        candidate.errors += 1;
        let minutes = 1_u64 << candidate.errors.min(6).saturating_sub(1);
        candidate.not_before = now + Duration::from_secs(60 * minutes);
        candidate.errors == 1
    }
}

/// What the file system says about a file; `None` if there is no file that can be looked at.
pub fn facts(path: &Path) -> Option<Facts> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Facts {
        // A name that is no text is refused when the file is taken.
        path: path.to_string_lossy().into_owned(),
        size: meta.len(),
        modified: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        device: meta.dev(),
        inode: meta.ino(),
    })
}

#[cfg(test)]
mod tests {
    use engine::ChunkId;

    use super::*;

    struct Bench {
        root: tempfile::TempDir,
        ledger: Ledger,
        scanner: Scanner,
    }

    impl Bench {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("in")).unwrap();
            let ledger = Ledger::open(&root.path().join("watch.db")).unwrap().relaxed().unwrap();
            let scanner = Scanner::new(vec![root.path().canonicalize().unwrap().join("in")]);
            Self { root, ledger, scanner }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.root.path().canonicalize().unwrap().join("in").join(name)
        }

        fn write(&self, name: &str, bytes: &str) {
            fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            fs::write(self.at(name), bytes).unwrap();
        }

        fn look(&mut self, secs: u64) -> Found {
            self.scanner.look(&self.ledger, Duration::from_secs(secs)).unwrap()
        }

        /// The names of the files that are whole now; they are taken.
        fn takes(&mut self, secs: u64) -> Vec<String> {
            let whole = self.look(secs).whole;
            let folder = self.at("");
            let mut names: Vec<_> = whole
                .iter()
                .map(|facts| {
                    self.ledger.put(facts, Some(ChunkId(1))).unwrap();
                    Path::new(&facts.path).strip_prefix(&folder).unwrap().display().to_string()
                })
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn file_is_whole_when_it_has_not_changed_for_five_seconds() {
        let mut bench = Bench::new();
        bench.write("a.wav", "1");
        bench.write("deep/er/b.bin", "1");
        for (name, bytes) in [("empty.wav", ""), (".hidden.wav", "1"), ("a.md", "1"), (".trash/c.wav", "1")] {
            bench.write(name, bytes);
        }
        assert_eq!(bench.takes(0), [] as [String; 0]);
        bench.write("a.wav", "12");
        assert_eq!(bench.takes(4), [] as [String; 0]);
        assert_eq!(bench.takes(5), ["deep/er/b.bin"]);
        assert_eq!(bench.takes(8), [] as [String; 0]);
        assert_eq!(bench.takes(9), ["a.wav"]);
        assert_eq!(bench.takes(99), [] as [String; 0], "nothing is taken twice");
        bench.write("a.wav", "another recording");
        bench.takes(100);
        assert_eq!(bench.takes(105), ["a.wav"], "other content is another recording");
    }

    #[test]
    fn file_that_arrives_by_a_rename_is_taken_under_its_last_name() {
        let mut bench = Bench::new();
        bench.write("a.wav.part", "1");
        bench.takes(0);
        fs::rename(bench.at("a.wav.part"), bench.at("a.wav")).unwrap();
        assert_eq!(bench.takes(60), [] as [String; 0], "the name is new");
        fs::rename(bench.at("a.wav"), bench.at("b.wav")).unwrap();
        assert_eq!(bench.takes(64), [] as [String; 0]);
        assert_eq!(bench.takes(69), ["b.wav"]);
    }

    #[test]
    fn file_that_never_becomes_whole_is_told_once_and_never_taken() {
        let mut bench = Bench::new();
        let mut told = Vec::new();
        for n in 0..300 {
            bench.write("endless.wav", &"x".repeat(n + 1));
            let found = bench.look(n as u64 * 4);
            assert!(found.whole.is_empty());
            told.extend(found.growing);
        }
        assert_eq!(told, [bench.at("endless.wav")]);
    }

    #[test]
    fn folder_that_vanishes_is_told_and_what_comes_back_is_not_taken_twice() {
        let mut bench = Bench::new();
        bench.write("a.wav", "1");
        bench.takes(0);
        assert_eq!(bench.takes(5), ["a.wav"]);
        let away = bench.root.path().join("away");
        fs::rename(bench.at(""), &away).unwrap();
        let found = bench.look(10);
        assert_eq!((found.gone.len(), found.files), (1, 0));
        fs::rename(&away, bench.at("")).unwrap();
        bench.write("b.wav", "1");
        assert_eq!(bench.takes(20), [] as [String; 0]);
        assert_eq!(bench.takes(25), ["b.wav"]);
    }

    #[test]
    fn file_that_cannot_be_read_is_tried_again_later_and_told_once() {
        let mut bench = Bench::new();
        bench.write("a.wav", "1");
        bench.look(0);
        let path = bench.at("a.wav");
        assert_eq!(bench.look(5).whole.len(), 1);
        assert!(bench.scanner.failed(&path, Duration::from_secs(5)));
        assert_eq!(bench.look(64).whole.len(), 0);
        assert_eq!(bench.look(65).whole.len(), 1);
        assert!(!bench.scanner.failed(&path, Duration::from_secs(65)));
        assert_eq!((bench.look(184).whole.len(), bench.look(185).whole.len()), (0, 1));
    }

    #[test]
    fn links_into_the_folder_are_left_out_and_others_are_followed() {
        let mut bench = Bench::new();
        bench.write("a.wav", "1");
        fs::write(bench.root.path().join("outside"), "1").unwrap();
        let link = |to: PathBuf, name: &str| std::os::unix::fs::symlink(to, bench.at(name)).unwrap();
        link(bench.at("a.wav"), "link.wav");
        link(bench.root.path().join("outside"), "out.wav");
        link(bench.at(""), "round");
        bench.takes(0);
        assert_eq!(bench.takes(5), ["a.wav", "out.wav"]);
    }

    #[test]
    fn ten_thousand_files_come_in_portions_and_are_never_waited_for_again() {
        let mut bench = Bench::new();
        for n in 0..10_000 {
            bench.write(&format!("{}/{n}.wav", n % 10), "1");
        }
        bench.takes(0);
        assert_eq!(bench.scanner.candidates.len(), 10_000);
        let (mut taken, mut secs) = (0, 5);
        while taken < 10_000 {
            let now = bench.takes(secs).len();
            assert!(now > 0 && now <= MOST_WHOLE, "{now}");
            (taken, secs) = (taken + now, secs + 1);
        }
        bench.takes(secs);
        assert_eq!(bench.scanner.candidates.len(), 0, "nothing is kept in memory");
        assert_eq!(bench.takes(secs + 100).len(), 0);
    }
}
