//! Writing past the kernel's cache: a large upload is read again once, in a while, and copying it twice costs as much
//! processor time as receiving it. Where a file system cannot, or on another system than Linux, the cache is used.

use std::fs::File;
use std::io;

/// Says whether from now on whole blocks go from our memory to the disk.
#[cfg(target_os = "linux")]
pub fn begin(file: &File) -> bool {
    set(file, true).is_ok()
}

/// Back to the cache: for a last piece that is no whole block.
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
