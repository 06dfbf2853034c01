//! The report for somebody who helps: what was checked and found, what is on this computer, and what happened in earlier
//! commands, with versions. It has no token, no audio and no text.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::checks::{Check, Checked};
use crate::clock;
use crate::messages::Message;

pub fn write(path: &Path, checked: &Checked) -> Result<(), Message> {
    let one = |check: &Check| json!({"name": check.name, "state": check.state.name(), "detail": check.detail});
    let report = json!({
        "made_at": clock::now(),
        "version": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "processor": std::env::consts::ARCH,
        "checks": checked.checks.iter().map(one).collect::<Vec<_>>(),
        "recordings": checked.queue,
        "events": checked.events,
    });
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Message::ReportExists { path: path.to_owned() },
        _ => Message::FileNotWritten { path: path.to_owned(), why: error.to_string() },
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| writeln!(file, "{report:#}").and_then(|()| file.sync_all())).map_err(failed)
}
