//! The folders of recordings: whose they are, and whether they can be read.

use std::io;
use std::path::Path;

use domain::Uid;

use crate::ports::Disk;

/// The file that says whose recordings a folder holds.
const OWNER: &str = "owner";
const NEW_OWNER: &str = "owner.new";
/// No account has a longer name.
const MAX_OWNER_BYTES: usize = 1024;

/// Writes whose recordings the folder holds, if it does not say so yet. The file is written under another name first, so that
/// there is never one that says only half of it.
pub fn claim(disk: &dyn Disk, folder: &Path, owner: &Uid) -> io::Result<()> {
    // It may be there and not be readable for now: then it says the same.
    match disk.open(&folder.join(OWNER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return Ok(()),
        // A version before this one left it empty when it was killed.
        Ok(reader) if reader.size()? == 0 => {}
        Ok(_) => return Ok(()),
    }
    let new = folder.join(NEW_OWNER);
    match disk.remove(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = disk.create(&new).and_then(|mut writer| {
        writer.append(owner.as_str().as_bytes())?;
        writer.sync()?;
        disk.rename(&new, &folder.join(OWNER))
    });
    // Two recorders that begin at one moment write the same.
    if is_claimed(disk, folder) { Ok(()) } else { written }
}

/// Whether the folder says whose recordings it holds.
pub fn is_claimed(disk: &dyn Disk, folder: &Path) -> bool {
    matches!(owner_of(disk, folder), Ok(Some(_)))
}

/// Whether a file is one that the engine recorded.
pub fn is_own_recording(name: &str) -> bool {
    name.ends_with(".bin") && domain::name::parse(name).is_ok()
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
