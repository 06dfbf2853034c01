//! Names the disk in an error that a full or read-only disk has caused: the adapters name the file and the system's words.

use std::path::Path;

use anyhow::Error;
use flow::Kind;
use local::folder::{DiskRefusal, FolderError};
use local::secret::SecretError;
use local::sqlite::OpenError;

/// Adds what is wrong with the disk of the data folder and what to do, unless the error has nothing to do with the disk or
/// says so already.
pub fn name_disk(folder: &Path, error: Error) -> Error {
    let says_so = matches!(error.downcast_ref(), Some(FolderError::Disk { .. }))
        || matches!(error.downcast_ref(), Some(OpenError::Disk { .. }));
    match refusal(folder, &error) {
        Some(refusal) if !says_so => {
            error.context(format!("{}: the data folder cannot be written: {refusal}", folder.display()))
        }
        _ => error,
    }
}

fn refusal(folder: &Path, error: &Error) -> Option<DiskRefusal> {
    let of_file = || {
        let file = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
        file.and_then(|why| DiskRefusal::of(folder, why))
    };
    let may_be_disk = error.chain().any(|cause| match cause.downcast_ref::<flow::Error>() {
        Some(error) => matches!(error.kind, Kind::Full | Kind::Unavailable | Kind::Misconfigured),
        None => cause.is::<std::io::Error>() || cause.is::<SecretError>(),
    });
    of_file().or_else(|| if may_be_disk { DiskRefusal::at(folder) } else { None })
}
