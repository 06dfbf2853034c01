//! Gives whole files to the device engine, each once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{AddError, AddOptions, Engine, State};
use tokio::time::Instant;

use super::ledger::{Facts, Ledger};
use super::scan::{Found, Scanner, facts};
use crate::clock;
use crate::messages::Message;
use crate::push::captured::captured;

/// The part of a watch that reads folders and files. It blocks, and runs on a thread for that.
pub struct Taker {
    pub scanner: Scanner,
    pub ledger: Ledger,
    pub engine: Engine,
    pub started: Instant,
    /// Given when a file comes that was known: what became of it is not told by any job to come.
    pub has_known: Arc<AtomicBool>,
}

/// What a look led to.
#[derive(Default)]
pub struct Look {
    pub taken: usize,
    /// What the user has to know, a line each.
    pub told: Vec<String>,
    pub gone: Vec<(PathBuf, String)>,
    pub has_more: bool,
    pub took: Duration,
}

impl Taker {
    /// Looks through the folders, and takes the files that are whole.
    pub fn look(&mut self) -> Result<Look, Message> {
        let began = Instant::now();
        let Found { whole, growing, gone, has_more, .. } = self.scanner.look(&self.ledger, self.now())?;
        let mut look = Look { gone, has_more, ..Look::default() };
        for path in growing {
            look.told.push(format!("{} is empty or still changes; it is sent when it is whole", path.display()));
        }
        // What was looked through is not what was read: only the first says how long the next look may take.
        look.took = began.elapsed();
        for file in whole {
            self.take(&file, &mut look)?;
        }
        Ok(look)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn take(&mut self, file: &Facts, look: &mut Look) -> Result<(), Message> {
        let path = Path::new(&file.path);
        // It may have changed, or vanished, while others were taken.
        if facts(path).as_ref() != Some(file) || self.is_under_another_path(file)? {
            return Ok(());
        }
        let options = AddOptions { captured_at: captured(path, clock::now()).at, ..AddOptions::default() };
        match self.engine.add_file(path, options) {
            Ok(added) => {
                self.ledger.put(file, Some(added.id))?;
                let known = self.engine.recording(added.id).ok().flatten();
                if known.is_some_and(|(chunk, _)| chunk.transfer.state == State::Missing) {
                    // It was gone, and is back.
                    let _ = self.engine.retry(added.id);
                }
                self.has_known.fetch_or(added.was_known, Ordering::Relaxed);
                look.taken += 1;
            }
            Err(error @ (AddError::Name(_) | AddError::NameEncoding)) => {
                self.ledger.put(file, None)?;
                look.told.push(Message::NotSent { path: path.to_owned(), why: error.to_string() }.to_string());
            }
            Err(AddError::SignedOut) => return Err(Message::EngineUnusable { why: "nobody is signed in".to_owned() }),
            Err(AddError::Index(error)) => return Err(Message::EngineUnusable { why: error.to_string() }),
            Err(error @ (AddError::Empty | AddError::Read(_))) => {
                if self.scanner.failed(path, self.started.elapsed()) {
                    look.told.push(format!("{} waits: {error}; it is tried again", path.display()));
                }
            }
        }
        Ok(())
    }

    /// Whether the recording was taken under another path. If that is gone, the file was renamed: the server has it already.
    fn is_under_another_path(&self, file: &Facts) -> Result<bool, Message> {
        let Some(other) = self.ledger.under_another_path(file)? else { return Ok(false) };
        let is_there = facts(Path::new(&other.facts.path)).is_some_and(|there| there.inode == file.inode);
        if is_there {
            // A hard link: it is not sent, and not looked at again.
            self.ledger.put(file, None)?;
            return Ok(true);
        }
        let state =
            other.chunk.and_then(|id| self.engine.recording(id).ok().flatten()).map(|(one, _)| one.transfer.state);
        let is_on_server =
            state.is_some_and(|state| !matches!(state, State::Pending | State::Missing | State::Recording));
        if is_on_server {
            self.ledger.moved(&other.facts.path, &file.path)?;
        } else {
            self.ledger.forget(&other.facts.path)?;
        }
        Ok(is_on_server)
    }
}
