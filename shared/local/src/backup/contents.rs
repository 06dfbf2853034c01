//! The files of a backup folder: each is named by the digest of its content, complete and durable before it has its
//! name, and never changed. What is there need not be copied again.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::Content;
use crate::folder::durable;

const FILES: &str = "files";
const TEMPORARY: &str = "tmp";
/// The file that is written.
const NEXT: &str = "next";
/// The number of digits of a digest that name its folder: 256 folders.
const FOLDER_DIGITS: usize = 2;
const DIGITS: usize = 64;

pub struct Contents {
    pub root: PathBuf,
    /// Folders with new names that are not durable yet.
    unsynced: BTreeSet<PathBuf>,
    /// Bytes that were written.
    pub written: u64,
    /// Files that were found to be damaged or missing.
    pub damaged: u64,
}

impl Contents {
    /// The caller has the folder for itself: what an interrupted run was writing is removed.
    pub fn open(root: &Path) -> io::Result<Self> {
        let temporary = root.join(TEMPORARY);
        durable::make_folder(&root.join(FILES))?;
        durable::make_folder(&temporary)?;
        match fs::remove_file(temporary.join(NEXT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { root: root.to_owned(), unsynced: BTreeSet::new(), written: 0, damaged: 0 })
    }

    pub fn path(root: &Path, content: &Content) -> PathBuf {
        let folder = content.sha256.get(..FOLDER_DIGITS).unwrap_or_default();
        root.join(FILES).join(folder).join(&content.sha256)
    }

    /// Whether there is a file of this size; not a link, whose target belongs to somebody else.
    pub fn has(&mut self, content: &Content) -> bool {
        let about = fs::symlink_metadata(Self::path(&self.root, content));
        let is_there = about.is_ok_and(|about| about.is_file() && about.len() == content.bytes);
        self.damaged += u64::from(!is_there);
        is_there
    }

    /// Whether the file is there and its digest is right. `tick` is called with each piece that is read.
    pub fn is_whole<E>(&mut self, content: &Content, mut tick: impl FnMut() -> Result<(), E>) -> Result<bool, E> {
        if !self.has(content) {
            return Ok(false);
        }
        match read(&self.root, content, |_| tick().map_err(Some), |_| None) {
            Ok(()) => Ok(true),
            Err(Some(ended)) => Err(ended),
            Err(None) => {
                self.damaged += 1;
                Ok(false)
            }
        }
    }

    /// A new file that has no name yet.
    pub fn create(&self) -> io::Result<NewContent> {
        let path = self.root.join(TEMPORARY).join(NEXT);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(NewContent { file: Some(io::BufWriter::new(file)), path, digest: Sha256::new(), bytes: 0 })
    }

    /// Makes a new file durable and gives it its name.
    pub fn keep(&mut self, mut new: NewContent) -> io::Result<Content> {
        let content = Content { sha256: hex::encode(std::mem::take(&mut new.digest).finalize()), bytes: new.bytes };
        self.written += content.bytes;
        if let Some(writer) = new.file.take() {
            let file: File = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
        }
        let path = Self::path(&self.root, &content);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        durable::make_folder(&folder)?;
        // The same content may be there, damaged or not: this one is certainly right.
        fs::rename(&new.path, &path)?;
        self.unsynced.insert(folder);
        Ok(content)
    }

    /// Makes all names durable.
    pub fn sync(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.unsynced).iter().try_for_each(|folder| durable::sync(folder))
    }

    /// Removes every file that is not among these. Returns how many were removed. What a person or a file manager has put
    /// beside them is left alone.
    pub fn retain<'c>(&self, kept: impl Iterator<Item = &'c Content>) -> io::Result<u64> {
        let kept: BTreeSet<&str> = kept.map(|content| content.sha256.as_str()).collect();
        let mut removed = 0;
        for folder in fs::read_dir(self.root.join(FILES))? {
            let folder = folder?;
            if !is_digits(&folder.file_name(), FOLDER_DIGITS) || !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let name = file.file_name();
                if is_digits(&name, DIGITS) && !name.to_str().is_some_and(|name| kept.contains(name)) {
                    fs::remove_file(file.path())?;
                    removed += 1;
                }
            }
            // The system refuses this unless the folder is empty.
            let _ = fs::remove_dir(folder.path());
        }
        Ok(removed)
    }
}

/// Whether a name consists of so many hexadecimal digits, as a digest is written here.
fn is_digits(name: &OsStr, digits: usize) -> bool {
    let name = name.as_encoded_bytes();
    name.len() == digits && name.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

pub struct NewContent {
    file: Option<io::BufWriter<File>>,
    path: PathBuf,
    digest: Sha256,
    pub bytes: u64,
}

impl NewContent {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for NewContent {
    fn drop(&mut self) {
        // A file that has its name is no longer there.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads a file piece by piece and compares it with its digest. The last piece may be wrong: the caller uses nothing
/// before this has returned. `unusable` makes the caller's error of one that concerns the file itself.
pub fn read<E>(
    root: &Path,
    content: &Content,
    mut piece: impl FnMut(&[u8]) -> Result<(), E>,
    unusable: impl Fn(io::Error) -> E,
) -> Result<(), E> {
    let mut file = File::open(Contents::path(root, content)).map_err(&unusable)?;
    let (mut buffer, mut digest, mut bytes) = (vec![0; 256 * 1024], Sha256::new(), 0);
    loop {
        match file.read(&mut buffer).map_err(&unusable)? {
            0 => break,
            read => {
                digest.update(&buffer[..read]);
                bytes += read as u64;
                piece(&buffer[..read])?;
            }
        }
    }
    let found = Content { sha256: hex::encode(digest.finalize()), bytes };
    if found == *content {
        Ok(())
    } else {
        Err(unusable(io::Error::new(io::ErrorKind::InvalidData, "its digest is another one")))
    }
}
