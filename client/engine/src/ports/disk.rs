//! Files. The operations block: they are short, and a phone's audio thread has no runtime.

use std::io;
use std::path::Path;

/// The file system of the device.
pub trait Disk: Send + Sync + 'static {
    /// Creates a folder and those above it, durably.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Creates a file that does not exist yet; an existing one is an error of the kind `AlreadyExists`.
    fn create(&self, file: &Path) -> io::Result<Box<dyn FileWriter>>;

    /// Opens a file to read it. `NotFound` means that there is no such file; every other error may pass.
    fn open(&self, file: &Path) -> io::Result<Box<dyn FileReader>>;

    /// Cuts a file to a length. Everything that is left of it is durable afterwards.
    fn truncate(&self, file: &Path, length: u64) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Makes the names of new and deleted files of a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// The names in a folder. A locked phone, or a card that was taken out, has no folder that can be listed.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Gives a file another name, durably.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The free space of the file system that holds the folder.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;

    /// Takes a lock that no other process holds, until the value is dropped; `None` if another process has it.
    fn lock(&self, file: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// Whether the index may commit now. A real disk is asked by SQLite itself; a simulated one answers here.
    fn before_commit(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that grows at its end.
pub trait FileWriter: Send {
    /// Appends all bytes. After an error, any part of them may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything that was appended durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read.
pub trait FileReader: Send {
    /// Its size now.
    fn size(&self) -> io::Result<u64>;

    /// Reads at an offset; 0 bytes mean the end.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// Holds a lock until it is dropped.
pub trait Lock: Send + Sync {}
