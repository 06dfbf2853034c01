//! Packs everything that belongs to a backup into one tar archive.
//!
//! The store comes first. In a file its pages can be written again, so a page that changed is replaced. A stream cannot
//! go back: there the whole store is sent again, and whoever unpacks the archive keeps the last one.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use system::NewFile;
use tar::{Builder, EntryType, Header};

use super::BackupError;
use super::source::{PAGES_A_LOOK, Source};
use super::stream::StreamWriter;
use super::target;
use crate::folder::DataFolder;

const BUFFER: usize = 256 * 1024;
/// The deepest tree, `uploads/<user>/<job>/<file>`, needs three levels.
const MAX_DEPTH: usize = 8;
const STORE: &str = "store.db";
/// The size of a header, and the unit in which an archive is filled up.
const BLOCK: u64 = 512;
/// How often the store is sent again because the log grew too much.
const STREAM_TRIES: usize = 5;

/// Packs the store, the staged audio and the secrets into a file. Returns the number of audio files.
pub fn pack_into_file(folder: &DataFolder, source: &Source, new: &NewFile) -> Result<u64, BackupError> {
    let failed = |why| BackupError::of_target(&new.to, why);
    let page_bytes = source.page_bytes as u64;
    let pages = source.copy(&mut Vec::new(), |number, page| {
        let at = BLOCK + (u64::from(number) - 1) * page_bytes;
        new.file.write_all_at(page, at).map_err(failed)
    })?;
    let bytes = u64::from(pages) * page_bytes;
    let write = || {
        let mut header = store_header(folder, bytes)?;
        header.set_path(STORE)?;
        header.set_cksum();
        new.file.write_all_at(header.as_bytes(), 0)?;
        // Pages of a longer state are cut off, and the last block is filled up.
        new.file.set_len(BLOCK + bytes)?;
        new.file.set_len((BLOCK + bytes).next_multiple_of(BLOCK))?;
        let mut file = &new.file;
        file.seek(SeekFrom::End(0))?;
        let mut tar = Tar { builder: Builder::new(BufWriter::with_capacity(BUFFER, file)), source };
        let recordings = tar.files(folder)?;
        tar.builder.into_inner()?.flush()?;
        Ok(recordings)
    };
    write().map_err(failed)
}

/// Sends the same to a stream. Returns the number of audio files, and the number of bytes.
pub fn pack_into_stream(folder: &DataFolder, source: &Source, to: target::Stream) -> Result<(u64, u64), BackupError> {
    let name = to.name.clone();
    let write = || {
        let out = BufWriter::with_capacity(BUFFER, StreamWriter::new(to, source));
        let mut tar = Tar { builder: Builder::new(out), source };
        tar.store(folder)?;
        let recordings = tar.files(folder)?;
        let mut out = tar.builder.into_inner()?;
        out.flush()?;
        Ok((recordings, out.get_ref().written))
    };
    write().map_err(|why| BackupError::of_target(&name, why))
}

fn store_header(folder: &DataFolder, bytes: u64) -> io::Result<Header> {
    let mut header = header(&of_source(&folder.store_file(), fs::metadata(folder.store_file()))?);
    header.set_size(bytes);
    Ok(header)
}

/// Marks an error as one of the data folder, on its way through the writers of the target.
fn of_source<T>(path: &Path, read: io::Result<T>) -> io::Result<T> {
    read.map_err(|why| BackupError::unread(path, why).into())
}

struct Tar<'a, W: Write> {
    builder: Builder<W>,
    source: &'a Source,
}

impl<W: Write> Tar<'_, W> {
    /// Adds the store, again and again until it was read in one snapshot.
    fn store(&mut self, folder: &DataFolder) -> io::Result<()> {
        for _ in 0..STREAM_TRIES {
            let pages = self.source.begin()?;
            let mut header = store_header(folder, u64::from(pages) * self.source.page_bytes as u64)?;
            let content = Pages { source: self.source, next: 1, last: pages, piece: Vec::new(), at: 0 };
            self.builder.append_data(&mut header, STORE, content)?;
            if self.source.is_open() {
                return Ok(self.source.end()?);
            }
            self.source.wait_for_log()?;
        }
        Err(BackupError::Outpaced { path: folder.store_file() }.into())
    }

    fn files(&mut self, folder: &DataFolder) -> io::Result<u64> {
        self.empty_folder(&folder.blobs_dir(), Path::new("blobs"))?;
        let recordings = self.tree(&folder.blobs_dir().join("uploads"), Path::new("blobs/uploads"), MAX_DEPTH)?;
        self.tree(&folder.secrets_dir(), Path::new("secrets"), MAX_DEPTH)?;
        Ok(recordings)
    }

    /// Adds a folder with its whole content. Returns the number of files.
    fn tree(&mut self, from: &Path, name: &Path, depth: usize) -> io::Result<u64> {
        if depth == 0 {
            return Err(io::Error::other(format!("{} lies deeper than any file of the server", from.display())));
        }
        let Some(entries) = of_source(from, present(fs::read_dir(from)))? else { return Ok(0) };
        self.empty_folder(from, name)?;
        let mut files = 0;
        for entry in entries {
            let entry = of_source(from, entry)?;
            let (from, name) = (entry.path(), name.join(entry.file_name()));
            // Symbolic links and special files are never created by the server, so they are skipped.
            match of_source(&from, entry.file_type())? {
                kind if kind.is_dir() => files += self.tree(&from, &name, depth - 1)?,
                kind if kind.is_file() => files += u64::from(self.file(&from, &name)?),
                _ => {}
            }
        }
        Ok(files)
    }

    fn empty_folder(&mut self, from: &Path, name: &Path) -> io::Result<()> {
        let Some(about) = of_source(from, present(fs::metadata(from)))? else { return Ok(()) };
        let mut header = header(&about);
        self.builder.append_data(&mut header, name, io::empty())
    }

    /// Adds one file. Returns whether it was there.
    fn file(&mut self, from: &Path, name: &Path) -> io::Result<bool> {
        let Some(file) = of_source(from, present(File::open(from)))? else { return Ok(false) };
        let about = of_source(from, file.metadata())?;
        let mut header = header(&about);
        self.builder.append_data(
            &mut header,
            name,
            Exactly { file, left: about.len(), path: from, source: self.source },
        )?;
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
struct Exactly<'a> {
    file: File,
    left: u64,
    path: &'a Path,
    source: &'a Source,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.tick()?;
        let read = of_source(self.path, (&mut self.file).take(self.left).read(buffer))?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            let shorter = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was copied");
            return of_source(self.path, Err(shorter));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads the pages of the open snapshot. When the snapshot ends too early the rest is zeros: the store is sent again.
struct Pages<'a> {
    source: &'a Source,
    next: u32,
    last: u32,
    piece: Vec<u8>,
    at: usize,
}

impl Pages<'_> {
    fn fill(&mut self) -> io::Result<()> {
        let pages = PAGES_A_LOOK.min(self.last + 1 - self.next);
        self.piece.clear();
        self.piece.resize(pages as usize * self.source.page_bytes, 0);
        self.at = 0;
        self.source.tick()?;
        for page in self.piece.chunks_exact_mut(self.source.page_bytes) {
            if self.source.is_open() {
                self.source.read(self.next, page)?;
            }
            self.next += 1;
        }
        Ok(())
    }
}

impl Read for Pages<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && self.next <= self.last {
            self.fill()?;
        }
        let read = (&self.piece[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
