//! `afterword backup`.

use std::path::Path;

use anyhow::{Error, Result};
use local::DataFolder;
use local::backup::{BackupError, Summary, backup};
use serde_json::json;
use system::output::{print_line, tell};

use crate::PROGRAM;
use crate::args::Backup;
use crate::interrupt::Interrupt;

pub fn run(args: &Backup) -> Result<()> {
    let folder = DataFolder::open_shared(&args.data.data_dir)?;
    let interrupt = Interrupt::listen()?;
    let done = backup(&folder, &args.file, &interrupt.stop);
    let summary = done.map_err(|error| ended(error, &interrupt))?;
    let text = if args.json { json(&summary) } else { summary.to_string() };
    if args.file == Path::new("-") {
        // Standard output has the archive.
        text.lines().for_each(|line| tell(PROGRAM, line));
        return Ok(());
    }
    Ok(print_line(text)?)
}

fn ended(error: BackupError, interrupt: &Interrupt) -> Error {
    match (&error, interrupt.signal(&error)) {
        (BackupError::Stopped, Some(signal)) => signal.into(),
        _ => error.into(),
    }
}

fn json(summary: &Summary) -> String {
    let Summary { file, bytes, recordings, stale } = summary;
    let stale: Vec<_> = stale.iter().map(|(path, removed)| json!({"path": path, "removed": removed})).collect();
    json!({"file": file, "bytes": bytes, "recordings": recordings, "stale": stale}).to_string()
}
