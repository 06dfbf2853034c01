//! Packs everything that belongs to a backup into one tar file, which is durable before it gets its
//! name.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::BackupError;
use crate::folder::DataFolder;

const BUFFER: usize = 256 * 1024;
/// The deepest tree, `uploads/<user>/<job>/<file>`, needs three levels.
const MAX_DEPTH: usize = 8;

/// Packs the copied store, the staged audio and the secrets. Returns the number of audio files.
pub fn pack(folder: &DataFolder, store: &Path, archive: &Path) -> Result<u64, BackupError> {
    let written = write(folder, store, archive);
    written.map_err(|why| BackupError::Failed { path: folder.path().to_owned(), why })
}

fn write(folder: &DataFolder, store: &Path, archive: &Path) -> io::Result<u64> {
    // The archive contains the secrets, so only its owner may read it.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(archive)?;
    let mut tar = Tar(Builder::new(BufWriter::with_capacity(BUFFER, file)));
    tar.file(store, Path::new("store.db"))?;
    tar.empty_folder(&folder.blobs_dir(), Path::new("blobs"))?;
    let recordings = tar.tree(&folder.blobs_dir().join("uploads"), Path::new("blobs/uploads"), MAX_DEPTH)?;
    tar.tree(&folder.secrets_dir(), Path::new("secrets"), MAX_DEPTH)?;
    let mut file = tar.0.into_inner()?;
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(recordings)
}

struct Tar<W: Write>(Builder<W>);

impl<W: Write> Tar<W> {
    /// Adds a folder with its whole content. Returns the number of files.
    fn tree(&mut self, from: &Path, name: &Path, depth: usize) -> io::Result<u64> {
        if depth == 0 {
            return Err(io::Error::other(format!("{} lies deeper than any file of the server", from.display())));
        }
        let Some(entries) = present(fs::read_dir(from))? else { return Ok(0) };
        self.empty_folder(from, name)?;
        let mut files = 0;
        for entry in entries {
            let entry = entry?;
            let (from, name) = (entry.path(), name.join(entry.file_name()));
            // Symbolic links and special files are never created by the server, so they are skipped.
            match entry.file_type()? {
                kind if kind.is_dir() => files += self.tree(&from, &name, depth - 1)?,
                kind if kind.is_file() => files += u64::from(self.file(&from, &name)?),
                _ => {}
            }
        }
        Ok(files)
    }

    fn empty_folder(&mut self, from: &Path, name: &Path) -> io::Result<()> {
        let Some(about) = present(fs::metadata(from))? else { return Ok(()) };
        let mut header = header(&about);
        self.0.append_data(&mut header, name, io::empty())
    }

    /// Adds one file. Returns whether it was there.
    fn file(&mut self, from: &Path, name: &Path) -> io::Result<bool> {
        let Some(file) = present(File::open(from))? else { return Ok(false) };
        let about = file.metadata()?;
        let mut header = header(&about);
        self.0.append_data(&mut header, name, Exactly { file, left: about.len() })?;
        Ok(true)
    }
}

/// Maps "not found" to `None`. While the deletion lock is held, only empty folders can disappear after
/// their parent was read.
fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Owners and times are kept, because the age of a blob is the time it was written. The modes are those
/// of private files, so that nobody else can read the unpacked files.
fn header(about: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata(about);
    header.set_mode(0o600);
    if about.is_dir() {
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o700);
    }
    header
}

/// Reads exactly as many bytes as the tar header announces. A file of another size would make every
/// entry behind it unreadable.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.file).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter while it was copied"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
