use std::path::Path;
use std::time::Duration;

use super::*;
use crate::ports::Disk;
use crate::std_ports::SystemDisk;

const FILE: &str = "audio.bin";

/// A journal of frames of growing length, every third of which a live socket took.
fn journal(folder: &Path, frames: u8) -> (std::path::PathBuf, crate::index::Finished) {
    let file = folder.join(FILE);
    let mut writer = JournalWriter::create(&SystemDisk, &file, Duration::ZERO).unwrap();
    for number in 0..frames {
        writer.append(&vec![number; usize::from(number) + 1], number % 3 == 0).unwrap();
    }
    (file, writer.finish(|frames| frames * 10).unwrap())
}

#[test]
fn r02_whole_journal_is_recovered_as_it_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (file, finished) = journal(folder.path(), 20);
    let recovered = recover(&SystemDisk, &file, |frames| frames * 10).unwrap();
    assert_eq!((recovered.finished, recovered.frames_not_live, recovered.torn_bytes), (finished, 13, 0));
    assert_eq!((finished.synced_prefix, finished.duration_ms), (1, 200));
}

#[test]
fn r02_journal_that_is_cut_anywhere_keeps_exactly_its_whole_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = journal(folder.path(), 6);
    let (audio, sidecar) = (std::fs::read(&file).unwrap(), std::fs::read(sidecar_of(&file)).unwrap());
    let ends: Vec<usize> = (0..=6).map(|frames: usize| 4 * frames + frames * (frames + 1) / 2).collect();
    for cut in 0..=audio.len() {
        for entries in [6, 5, 2, 0] {
            std::fs::write(&file, &audio[..cut]).unwrap();
            std::fs::write(sidecar_of(&file), &sidecar[..entries * 5]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let frames = whole.min(entries);
            let recovered = recover(&SystemDisk, &file, |frames| frames).unwrap();
            assert_eq!(recovered.finished.frames, frames as u64, "{cut} {entries}");
            assert_eq!(std::fs::read(&file).unwrap(), audio[..ends[frames]], "{cut} {entries}");
        }
    }
}

#[test]
fn r02_frame_that_was_changed_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = journal(folder.path(), 6);
    let (audio, sidecar) = (std::fs::read(&file).unwrap(), std::fs::read(sidecar_of(&file)).unwrap());
    for at in 0..audio.len() {
        let mut damaged = audio.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&file, &damaged).unwrap();
        std::fs::write(sidecar_of(&file), &sidecar).unwrap();
        let recovered = recover(&SystemDisk, &file, |frames| frames).unwrap();
        let kept = recovered.finished.bytes as usize;
        assert!(kept <= at && std::fs::read(&file).unwrap() == audio[..kept], "{at}: {kept}");
    }
    for at in 0..sidecar.len() {
        let mut damaged = sidecar.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, &audio).unwrap();
        std::fs::write(sidecar_of(&file), &damaged).unwrap();
        let recovered = recover(&SystemDisk, &file, |frames| frames).unwrap();
        assert_eq!(recovered.finished.frames, at as u64 / 5, "{at}");
    }
}

#[test]
fn r02_audio_without_a_sidecar_is_not_believed_and_an_error_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = journal(folder.path(), 6);
    SystemDisk.remove(&sidecar_of(&file)).unwrap();
    assert_eq!(recover(&SystemDisk, &file, |frames| frames).unwrap().finished.frames, 0);
    assert!(recover(&SystemDisk, &folder.path().join("nothing"), |frames| frames).is_err());
}
