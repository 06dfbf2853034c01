//! The folders of recordings: whose they are, and whether they can be read.

use std::io;
use std::path::Path;

use domain::Uid;

use crate::ports::Disk;

/// The file that says whose recordings a folder holds.
const OWNER: &str = "owner";
/// No account has a longer name.
const MAX_OWNER_BYTES: usize = 1024;

/// Writes whose recordings the folder holds, if it does not say so yet.
pub fn claim(disk: &dyn Disk, folder: &Path, owner: &Uid) -> io::Result<()> {
    let file = folder.join(OWNER);
    if disk.open(&file).is_ok_and(|reader| reader.size().is_ok_and(|size| size > 0)) {
        return Ok(());
    }
    match disk.create(&file) {
        Ok(mut writer) => {
            writer.append(owner.as_str().as_bytes())?;
            writer.sync()
        }
        // A kill left it empty, or it cannot be read for now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whose recordings the folder holds, if it says so.
pub fn owner_of(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Uid>> {
    let mut text = vec![0; MAX_OWNER_BYTES];
    let read = disk.open(&folder.join(OWNER))?.read_at(0, &mut text)?;
    Ok(std::str::from_utf8(&text[..read]).ok().and_then(|text| Uid::new(text).ok()))
}

/// Whether the folder of a file can be listed: only then "no such file" is the truth (R10).
pub fn can_list(disk: &dyn Disk, file: &Path) -> bool {
    file.parent().is_some_and(|folder| disk.list(folder).is_ok())
}
