//! What the lock file says about the process that holds the lock: its id, and where its server can be reached.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The process that holds the lock of a data folder, or held it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    /// The address of its server, once that listens.
    pub url: Option<String>,
    /// The certificate of its server, if nobody else vouches for it.
    pub certificate: Option<PathBuf>,
}

impl Owner {
    /// A line each: the id, the address, the certificate. Earlier versions wrote the id only.
    pub fn write(&self, mut lock: &File) -> io::Result<()> {
        let mut text = format!("{}\n", self.pid);
        if let Some(url) = &self.url {
            text += &format!("{url}\n");
            // A path that is no text cannot be announced: commands are then given the certificate.
            let certificate =
                self.certificate.as_ref().and_then(|path| path.to_str()).filter(|path| !path.contains('\n'));
            certificate.iter().for_each(|path| text += &format!("{path}\n"));
        }
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(text.as_bytes())
    }

    pub fn read(lock: &Path) -> Option<Self> {
        let text = fs::read_to_string(lock).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let mut next = || lines.next().filter(|line| !line.is_empty());
        Some(Self { pid, url: next().map(str::to_owned), certificate: next().map(PathBuf::from) })
    }

    /// Whether the process exists. A killed one leaves the file behind, and its id may belong to another one by now.
    pub fn is_running(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        // A process of another user exists too.
        matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn written(owner: &Owner, path: &Path) -> Option<Owner> {
        owner.write(&OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap()).unwrap();
        Owner::read(path)
    }

    #[test]
    fn owner_is_read_as_it_was_written_and_replaces_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let with = |url: Option<&str>, certificate: Option<&str>| Owner {
            pid: 17,
            url: url.map(str::to_owned),
            certificate: certificate.map(PathBuf::from),
        };
        for owner in [
            with(Some("https://127.0.0.1:8787"), Some("/a b/cert.pem")),
            with(Some("http://127.0.0.1:1"), None),
            with(None, None),
        ] {
            assert_eq!(written(&owner, &path), Some(owner));
        }
        for (text, pid) in [("42\n", Some(42)), ("", None), ("x\n", None)] {
            fs::write(&path, text).unwrap();
            assert_eq!(Owner::read(&path).map(|owner| owner.pid), pid, "{text:?}");
        }
    }

    #[test]
    fn process_that_has_ended_does_not_run() {
        let of = |pid| Owner { pid, url: None, certificate: None };
        assert!(of(std::process::id()).is_running());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!of(pid).is_running() && !of(0).is_running() && !of(u32::MAX).is_running());
    }
}
