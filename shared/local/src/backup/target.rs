//! Where a backup goes: a new file, a named pipe or a device, or standard output. Everything else is refused before
//! anything is written.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl};
use system::Stop;

use super::BackupError;
use crate::folder::DataFolder;

/// The name that stands for standard output.
const STDOUT: &str = "-";
/// How often it is tried to open a named pipe that nobody reads yet.
const TRY_PIPE: Duration = Duration::from_millis(100);
/// After how many of these tries, two seconds, the user is told what the backup waits for.
const TELL_AFTER: usize = 20;
const NULL: &str = "/dev/null";

pub enum Target {
    /// A file that does not exist yet.
    File(PathBuf),
    Stream(Stream),
}

pub struct Stream {
    pub file: File,
    /// Its name in messages.
    pub name: PathBuf,
    /// Whether a write may wait for a reader.
    pub may_wait: bool,
}

pub fn choose(folder: &DataFolder, file: &Path, stop: &Stop, waits: &dyn Fn(&Path)) -> Result<Target, BackupError> {
    if file == Path::new(STDOUT) {
        return stdout(folder).map(Target::Stream);
    }
    let file = absolute(file).unwrap_or_else(|_| file.to_owned());
    let failed = |why| BackupError::of_target(&file, why);
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(BackupError::Exists(file));
    };
    // The folder is the user's and is not created here.
    let parent = parent.canonicalize().map_err(failed)?;
    if folder.contains(&parent) {
        return Err(BackupError::Inside(file));
    }
    match fs::metadata(&file) {
        Ok(about) if about.file_type().is_fifo() || about.file_type().is_char_device() => {
            open(&file, stop, waits).map(Target::Stream)
        }
        Ok(_) => Err(BackupError::Exists(file)),
        // A symbolic link that leads nowhere.
        Err(_) if file.symlink_metadata().is_ok() => Err(BackupError::Exists(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Target::File(parent.join(name))),
        Err(error) => Err(failed(error)),
    }
}

fn stdout(folder: &DataFolder) -> Result<Stream, BackupError> {
    let name = PathBuf::from("standard output");
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(BackupError::Terminal);
    }
    let failed = |why| BackupError::of_target(&name, why);
    let file = File::from(stdout.as_fd().try_clone_to_owned().map_err(failed)?);
    let about = file.metadata().map_err(failed)?;
    if is_closed(&file, &about) {
        return Err(BackupError::NoOutput);
    }
    // A shell has created the file by now; its name is known on Linux.
    if about.is_file()
        && let Ok(path) = fs::read_link("/proc/self/fd/1")
        && folder.contains(path.parent().unwrap_or(&path))
    {
        return Err(BackupError::Inside(path));
    }
    Ok(Stream { may_wait: may_wait(&about), file, name })
}

/// Whether the program was started with a closed standard output, as by `>&-`. The runtime then opens `/dev/null` in its
/// place, for reading and writing; a shell opens what the user names for writing only.
fn is_closed(stdout: &File, about: &Metadata) -> bool {
    let is_null =
        fs::metadata(NULL).is_ok_and(|null| null.rdev() == about.rdev() && about.file_type().is_char_device());
    is_null && fcntl_getfl(stdout).is_ok_and(|flags| flags.contains(OFlags::RDWR))
}

fn may_wait(about: &Metadata) -> bool {
    about.file_type().is_fifo() || about.file_type().is_socket()
}

/// Opens a named pipe or a device. A pipe that nobody reads is waited for, but not against a signal.
fn open(file: &Path, stop: &Stop, waits: &dyn Fn(&Path)) -> Result<Stream, BackupError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut tries = 0;
    let opened = loop {
        match OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(file) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {}
            opened => break opened,
        }
        if stop.is_set() {
            return Err(BackupError::Stopped);
        }
        tries += 1;
        if tries == TELL_AFTER {
            waits(file);
        }
        wait_for_reader();
    };
    let opened = opened.and_then(|file| Ok((may_wait(&file.metadata()?), file)));
    let (may_wait, opened) = opened.map_err(|why| BackupError::of_target(file, why))?;
    if opened.is_terminal() {
        return Err(BackupError::Terminal);
    }
    Ok(Stream { file: opened, name: file.to_owned(), may_wait })
}

#[expect(clippy::disallowed_methods, reason = "a command waits for another program; there is no port for it")]
fn wait_for_reader() {
    std::thread::sleep(TRY_PIPE);
}
