//! `afterword backup` and `afterword restore`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use local::DataFolder;
use local::backup::{BackupError, RestoreError, Restored, Summary, Updated, backup};
use serde_json::{Value, json};
use system::Interrupt;
use system::output::{print_line, tell};

use crate::PROGRAM;
use crate::args::{Backup, Restore};

pub fn run(args: &Backup) -> Result<()> {
    let folder = DataFolder::open_shared(&args.data.data_dir)?.with_store()?;
    let interrupt = Interrupt::listen(PROGRAM).context("cannot listen for signals")?;
    if let Some(to) = &args.to {
        let updated = local::backup::update(&folder, to, &interrupt.stop).map_err(|error| ended(error, &interrupt))?;
        return Ok(print_line(if args.json { updated_json(&updated) } else { updated.to_string() })?);
    }
    let file = args.file.as_deref().unwrap_or(Path::new("-"));
    let waits = |pipe: &Path| {
        tell(
            PROGRAM,
            format_args!("{}: nobody reads this pipe yet; the backup waits until somebody does", pipe.display()),
        )
    };
    let done = backup(&folder, file, &interrupt.stop, &waits);
    let summary = done.map_err(|error| ended(error, &interrupt))?;
    let text = if args.json { json(&summary) } else { summary.to_string() };
    if file == Path::new("-") {
        // Standard output has the archive.
        text.lines().for_each(|line| tell(PROGRAM, line));
        return Ok(());
    }
    Ok(print_line(text)?)
}

pub fn restore(args: &Restore) -> Result<()> {
    let interrupt = Interrupt::listen(PROGRAM).context("cannot listen for signals")?;
    let restored = local::backup::restore(&args.folder, &args.data_dir, &interrupt.stop);
    let Restored { folder, bytes, files, is_new, stale } =
        restored.map_err(|error| match interrupt.signal(&error) {
            Some(signal) if matches!(error, RestoreError::Stopped) => Error::from(signal),
            _ => error.into(),
        })?;
    if args.json {
        let stale = stale_json(&stale);
        return Ok(print_line(json!({"folder": folder, "bytes": bytes, "files": files, "stale": stale}))?);
    }
    for (path, removed) in stale {
        let fate = if removed { "is removed" } else { "holds recordings: remove it" };
        print_line(format_args!("{}: an interrupted restore left this; it {fate}", path.display()))?;
    }
    print_line(format_args!("{}: {files} files with {bytes} bytes were restored", folder.display()))?;
    if is_new && rustix::process::geteuid().is_root() {
        let folder = folder.display();
        print_line(format_args!("it belongs to root; if the server runs as another user: chown -R USER {folder}"))?;
    }
    Ok(())
}

fn ended(error: BackupError, interrupt: &Interrupt) -> Error {
    match (&error, interrupt.signal(&error)) {
        (BackupError::Stopped | BackupError::StoppedInFolder { .. }, Some(signal)) => signal.into(),
        _ => error.into(),
    }
}

fn updated_json(updated: &Updated) -> String {
    let Updated { folder, copied_bytes, bytes, recordings, removed, damaged } = updated;
    let told = json!({
        "folder": folder,
        "copied_bytes": copied_bytes,
        "bytes": bytes,
        "recordings": recordings,
        "removed_files": removed,
        "damaged_files": damaged
    });
    told.to_string()
}

fn json(summary: &Summary) -> String {
    let Summary { file, bytes, recordings, stale } = summary;
    json!({"file": file, "bytes": bytes, "recordings": recordings, "stale": stale_json(stale)}).to_string()
}

fn stale_json(stale: &[(PathBuf, bool)]) -> Vec<Value> {
    stale.iter().map(|(path, removed)| json!({"path": path, "removed": removed})).collect()
}
