//! Push messages on a machine without a push service: each becomes a line in a file that an operator
//! can watch.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::{DeviceId, Timestamp, Uid};
use flow::ports::{Clock, Device, Push, PushMessage, PushOutcome};
use flow::{Error, Kind, Result};
use serde::Serialize;

/// A log file of this size is renamed to `.1`, and replaces the one renamed before.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

pub struct PushLog {
    log: Arc<Mutex<Log>>,
    clock: Arc<dyn Clock>,
}

struct Log {
    path: PathBuf,
    file: File,
    size: u64,
}

/// The entry contains the device's id, never its token.
#[derive(Serialize)]
struct Entry<'a> {
    at: Timestamp,
    uid: &'a Uid,
    device_id: &'a DeviceId,
    data: &'a BTreeMap<String, String>,
}

impl PushLog {
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let log = Log::open(path.to_owned())
            .map_err(|error| Error::new(Kind::Misconfigured, "push_log.open", path.display()).because(error))?;
        Ok(Self { log: Arc::new(Mutex::new(log)), clock })
    }
}

impl Log {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = append_to(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size })
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.size >= MAX_BYTES {
            self.put_aside()?;
        }
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // On a full disk a part of the line may have been written. It is removed, so that the next entry
            // begins a new line.
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += line.len() as u64;
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        fs::rename(&self.path, aside)?;
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[async_trait]
impl Push for PushLog {
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        let Device { uid, id: device_id, .. } = device;
        let entry = Entry { at: self.clock.now(), uid, device_id, data: &message.data };
        let mut line = serde_json::to_string(&entry)
            .map_err(|error| Error::new(Kind::Invalid, "push.send", device_id).because(error))?;
        tracing::debug!(%device_id, data = ?message.data, "push");
        line.push('\n');
        let log = Arc::clone(&self.log);
        let written =
            tokio::task::spawn_blocking(move || log.lock().unwrap_or_else(PoisonError::into_inner).append(&line));
        // A push is only a hint, and this one is in the server's log already: a job does not fail because the
        // file cannot be written.
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "the push log cannot be written");
        }
        Ok(PushOutcome::Sent)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use testkit::TestClock;
    use testkit::build::{device, message, uid};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    testkit::push_contract!(async || {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(PushLog::open(&folder.path().join("push.log"), TestClock::at(NOW)).unwrap()), folder)
    });

    #[tokio::test]
    async fn push_is_logged_without_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("push.log");
        for job in ["1", "2"] {
            let log = PushLog::open(&path, TestClock::at(NOW)).unwrap();
            log.send(&device(&uid("ann"), "phone", "s3cret"), &message(&[("job_id", job)])).await.unwrap();
        }
        let line = |job| {
            let data = format!(r#"{{"job_id":"{job}"}}"#);
            format!(r#"{{"at":"2026-05-28T20:26:40.000Z","uid":"ann","device_id":"phone","data":{data}}}"#) + "\n"
        };
        assert_eq!(fs::read_to_string(&path).unwrap(), line(1) + &line(2));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn full_push_log_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("push.log"), folder.path().join("push.log.1"));
        fs::write(&aside, "older").unwrap();
        append_to(&path).unwrap().set_len(MAX_BYTES).unwrap();
        let log = PushLog::open(&path, TestClock::at(NOW)).unwrap();
        for _ in 0..2 {
            log.send(&device(&uid("ann"), "phone", "token"), &message(&[])).await.unwrap();
        }
        assert_eq!(fs::metadata(&aside).unwrap().len(), MAX_BYTES);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
