//! R12: the index of older apps.

use std::path::Path;

use engine::domain::Codec;
use engine::{ImportError, State};
use serde_json::json;

use crate::harness::{Bench, JOB, server_that_ends};

const FOLDER: &str = "/older/app_flutter";

fn put(bench: &Bench, name: &str, content: &str) {
    bench.write(&format!("{FOLDER}/{name}"), content.as_bytes());
}

/// The older app's folder, with a file for each entry that has one.
fn older_app(index: &str) -> Bench {
    let bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    bench.set_conditions(|conditions| conditions.online = false);
    put(&bench, "wals.json", index);
    for name in [
        "audio_omi_opus_16000_1_fs160_1748300000.bin",
        "audio_omi_opus_16000_1_fs160_1748300060.bin",
        "audio_omi_opus_16000_1_fs160_1748300120.bin",
        "audio_omi_opus_fs320_16000_1_fs320_1748300180.bin",
        "audio_phone_pcm8_16000_1_fs160_1748300240.bin",
        "audio_omi_opus_16000_1_fs160_1748300300.bin",
        "audio_omi_opus_16000_1_fs160_1748300360.bin",
        "audio_omi_opus_16000_1_fs160_1748300420.bin",
        "audio_omi_pcm8_16000_1_fs160_1748300480.bin",
        // The recorder's ring buffer has a part of its own in the name.
        "audio_omiring2_opus_16000_1_fs160_1748300780.bin",
        "one_1748300840.bin",
        "other_1748300840.bin",
        "raw audio.tmp",
    ] {
        put(&bench, name, name);
    }
    bench
}

fn import(bench: &Bench) -> Result<engine::Imported, ImportError> {
    bench.engine().import_wals(Path::new(FOLDER))
}

#[test]
fn r12_every_entry_of_an_older_index_becomes_what_it_is_here() {
    let mut bench = older_app(include_str!("wals/main.json"));
    let imported = import(&bench).unwrap();
    let counts: Vec<_> = imported.added.iter().map(|(state, count)| (*state, *count)).collect();
    let expected = [
        (State::Pending, 7),
        (State::Uploaded, 1),
        (State::Synced, 1),
        (State::TooOld, 1),
        (State::Rejected, 1),
        (State::Unreadable, 2),
    ];
    assert_eq!(counts, expected, "{imported:?}");
    assert_eq!((imported.elsewhere, imported.known, imported.from_backup), (3, 0, false));
    assert!(matches!(&imported.without_file[..], [one] if one.contains("not_there.bin")), "{imported:?}");
    assert_eq!(imported.invalid.len(), 3, "{imported:?}");

    let chunks = bench.chunks();
    let of = |seconds: i64| chunks.iter().find(|chunk| chunk.captured_at.millis() == seconds * 1000).unwrap();
    let first = of(1_748_300_000);
    assert_eq!((first.frames, first.synced_prefix, first.transfer.retry_count), (6_000, 12, 2));
    assert_eq!((first.session.as_str(), first.conversation_id.is_some()), ("s1", true));
    assert_eq!(of(1_748_300_060).transfer.job_id.unwrap().to_string(), JOB);
    assert_eq!(of(1_748_300_120).transfer.state, State::Pending, "an empty job is no job");
    assert_eq!(of(1_748_300_240).device, "phone");
    assert_eq!(of(1_748_300_480).format.unwrap().codec, Codec::Pcm8);
    assert!(of(1_748_300_780).name.contains("omiring2"));
    assert_eq!(of(1_748_300_900).name, "audio_omi_opus_16000_1_fs160_1748300900.bin", "no server reads the other name");
    assert_eq!(
        chunks.iter().filter(|chunk| chunk.captured_at.millis() == 1_748_300_840_000).count(),
        2,
        "both are kept"
    );

    let again = import(&bench).unwrap();
    assert_eq!((again.known, again.added.len()), (13, 0));

    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(300);
    assert_eq!(of_state(&bench, State::Pending), 0);
    assert!(bench.disk.content(&Path::new(FOLDER).join("one_1748300840.bin")).is_some(), "it is the older app's");
}

fn of_state(bench: &Bench, state: State) -> usize {
    bench.states().into_iter().filter(|found| *found == state).count()
}

#[test]
fn r12_backup_is_read_if_the_main_file_is_empty_or_invalid() {
    for broken in ["", "{", "[]", "{\"wals\": 3}", "\u{0}\u{0}\u{0}"] {
        let bench = older_app(broken);
        put(
            &bench,
            "wals_backup.json",
            r#"{"version":1,"wals":[{"timer_start":1748300000,"codec":"opus","device":"omi",
            "file_path":"audio_omi_opus_16000_1_fs160_1748300000.bin"}]}"#,
        );
        let imported = import(&bench).unwrap();
        assert!(imported.from_backup, "{broken:?}");
        assert_eq!(bench.states(), [State::Pending]);
    }
}

#[test]
fn r12_import_stops_and_touches_nothing_if_both_files_are_broken() {
    let bench = older_app("{");
    put(&bench, "wals_backup.json", "");
    let error = import(&bench).unwrap_err();
    assert!(matches!(error, ImportError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("nothing was imported"), "{error}");
    assert_eq!(bench.states(), []);
    assert_eq!(bench.disk.content(&Path::new(FOLDER).join("wals.json")).unwrap(), b"{");
}

#[test]
fn r23_budget_that_an_older_app_used_up_is_given_anew() {
    let index = r#"{"wals":[{"timer_start":1748300000,"codec":"opus","device":"omi","status":"miss","storage":"disk","retry_count":3,
        "file_path":"audio_omi_opus_16000_1_fs160_1748300000.bin"}]}"#;
    let mut bench = older_app(index);
    import(&bench).unwrap();
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(60);
    assert_eq!(bench.states(), [State::Synced]);
}

#[test]
fn r12_index_that_is_too_large_is_refused_with_its_size() {
    let bench = older_app(&" ".repeat((64 << 20) + 1));
    let refused = import(&bench).err().unwrap().to_string();
    assert!(refused.contains("it has 65 MiB, and at most 64 MiB are read"), "{refused}");
}
