//! Direct I/O: large uploads bypass the kernel's page cache. They are read only once and later, and
//! copying the bytes twice costs as much processor time as receiving them. The page cache is used where
//! the file system or the operating system does not support this.

use std::fs::File;
use std::io;

/// Switches to direct I/O. Returns whether the file system supports it.
#[cfg(target_os = "linux")]
pub fn begin(file: &File) -> bool {
    set(file, true).is_ok()
}

/// Switches back to the page cache, for a last piece that is not a whole block.
#[cfg(target_os = "linux")]
pub fn end(file: &File) -> io::Result<()> {
    set(file, false)
}

#[cfg(target_os = "linux")]
fn set(file: &File, direct: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(fcntl_setfl(file, flags)?)
}

#[cfg(not(target_os = "linux"))]
pub fn begin(_: &File) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub fn end(_: &File) -> io::Result<()> {
    Ok(())
}
