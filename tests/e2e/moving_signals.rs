//! Signals that end `afterword export` and `afterword import`: nothing incomplete stays, neither texts nor an empty store.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::skip;
use tests::program::CommandOutput;
use tests::recordings::T0;
use tests::slow_disk::{NO_PRELOAD, SlowDisk};
use tests::wait::PATIENCE;
use tests::{Recording, Setup, eventually};

/// Longer than any test waits: whatever ends earlier does not wait for the sync.
const FOR_EVER: u32 = 300;
/// A database is closed in good order, which takes a few syncs.
const SYNC_SECONDS: u32 = 2;

/// A data folder with a transcript, on which no server runs, and a place for other files.
async fn transcribed() -> (Setup, TempDir) {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    (setup, tempfile::tempdir().unwrap())
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn export_ended_by_signals_leaves_nothing_and_says_so() {
    let Some(disk) = SlowDisk::of(FOR_EVER) else { skip!(NO_PRELOAD) };
    let (setup, place) = transcribed().await;
    let file = place.path().join("moving.jsonl").display().to_string();
    let slow = disk.under(setup.clone());
    for second in [None, Some(Signal::HUP)] {
        // The store is open by the time the new file is there, and from then on only the file's own sync is slow.
        disk.slow_down_for(".moving.jsonl.");
        let export = slow.spawn_on_folder(&["export", &file]);
        let is_written = || paths(place.path()).iter().any(|path| path.metadata().is_ok_and(|about| about.len() > 0));
        eventually("it is written", PATIENCE, async || is_written().then_some(())).await;
        export.signal(Signal::TERM);
        second.into_iter().for_each(|second| export.signal(second));
        let CommandOutput { code, out, err } = export.end();
        assert_eq!((out.as_str(), paths(place.path())), ("", Vec::new()), "{err}");
        if second.is_none() {
            assert_eq!(code, Some(143), "{err}");
            assert!(err.contains("SIGTERM: the export was ended; nothing of it is left"), "{err}");
        } else {
            assert!(
                [Some(143), Some(129)].contains(&code),
                "which of the two comes first is not known: {code:?} {err}"
            );
        }
    }
    setup.on_folder(&["export", &file]).await.ok();
}

#[tokio::test]
async fn import_ended_by_signals_leaves_no_folder_that_was_not_there() {
    let Some(disk) = SlowDisk::of(SYNC_SECONDS) else { skip!(NO_PRELOAD) };
    let (old, place) = transcribed().await;
    let file = place.path().join("moving.jsonl").display().to_string();
    old.on_folder(&["export", &file]).await.ok();
    let there = place.path().join("there");
    std::fs::create_dir(&there).unwrap();
    for (data, kept) in [(place.path().join("new/data"), None), (there.clone(), Some(&there))] {
        let slow = disk.under(Setup::on(&data));
        for second in [None, Some(Signal::HUP)] {
            disk.slow_down_for("store.db-wal");
            let import = slow.spawn_on_folder(&["import", &file]);
            let log = data.join("store.db-wal");
            let writes = || log.metadata().is_ok_and(|about| about.len() > 0);
            eventually("it writes records", PATIENCE, async || writes().then_some(())).await;
            import.signal(Signal::TERM);
            second.into_iter().for_each(|second| import.signal(second));
            let CommandOutput { code, out, err } = import.end();
            assert_eq!(out, "", "{err}");
            if second.is_none() {
                assert_eq!(code, Some(143), "{err}");
                assert!(err.contains("SIGTERM: the import was ended; nothing of it is left"), "{err}");
            }
            assert_eq!((data.exists(), place.path().join("new").exists()), (kept.is_some(), false), "{err}");
            assert_eq!(kept.map(|folder| paths(folder)).unwrap_or_default(), [] as [PathBuf; 0], "{err}");
        }
    }
}
