//! Words that are unclear as names of types, modules or functions: they say nothing in the field, or mean two things. Each has
//! a name that says what the thing is.

use std::path::Path;

/// The unclear name, and the clear one. A name is searched for where it would be defined.
const OLD: &[(&str, &str)] = &[
    ("struct World", "Services"),
    ("fn persist", "with_retries"),
    ("mod persist", "retry"),
    ("enum Need", "Repair"),
    ("mod need", "repair"),
    ("enum Stop", "FileError"),
    ("enum End", "DeliveryEnd"),
    ("mod stop", "outcome"),
    ("mod hearing", "engines, or engine_probe"),
    ("struct Door", "Listener, CompatState, or server settings"),
    ("struct Places", "Permits, or UploadLocks"),
    ("mod places", "permits"),
    ("mod seats", "upload_locks"),
    ("mod follow", "job_changes"),
    ("mod control", "cancel_retry"),
    ("mod census", "job_stats"),
    ("struct Census", "JobStats"),
    ("mod counted", "metrics"),
    ("mod trouble", "diagnosis"),
    ("mod unfit", "invalid_setting"),
    ("struct Unfit", "InvalidSetting"),
    ("mod tries", "retry_policy"),
    ("struct Tries", "Retrying"),
    ("mod renewed", "reconnect"),
    ("struct Renewed", "Reconnect"),
    ("mod surroundings", "placement_context"),
    ("struct Surroundings", "PlacementContext"),
    ("mod turns", "user_slots"),
    ("mod birth", "create"),
    ("struct Shelf", "Bucket, or Shared"),
    ("mod shelf", "bucket"),
    ("mod lossy", "fault_injection"),
    ("mod shape", "query"),
    ("mod spent", "billed_documents"),
    ("mod work", "worker_writes"),
    ("mod every", "all_jobs"),
    ("mod bulk", "benchmark_fill"),
    ("mod hold", "backup_lock"),
    ("mod aside", "damaged_copies"),
    ("mod chores", "loading"),
    ("mod astray", "clock_ahead"),
    ("fn is_astray", "is_from_clock_ahead"),
    ("mod of_user", "written_user"),
    ("trait OfUser", "WrittenUser"),
    ("mod listen", "file"),
    ("mod reminders", "hourly_log"),
    ("mod bytes_in", "blob_reader"),
    ("mod outline", "waveform"),
    ("mod choice", "mix_choice"),
    ("mod stretches", "engine_levels"),
    ("mod rolling", "restartable_decoder"),
    ("mod lies", "wrong_lengths"),
    ("mod gaps", "missing_packets"),
    ("mod stage", "harness"),
    ("mod task_rows", "task_answers"),
    ("mod upload_rows", "upload_answers"),
    ("mod session_rows", "session_answers"),
    ("mod tap", "grpc_body"),
];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether the text defines exactly this name, not a longer one.
fn defines(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let next = text[at + name.len()..].chars().next();
        let before = text[..at].chars().next_back();
        next.is_none_or(|c| !c.is_alphanumeric() && c != '_') && before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[test]
fn replaced_names_do_not_come_back() {
    let mut files = Vec::new();
    for folder in super::dependencies::folders() {
        sources(&crate::root().join(folder), &mut files);
    }
    files.sort();
    files.dedup();
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("workspace/names.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for (old, new) in OLD.iter().filter(|(old, _)| defines(&text, old)) {
            wrong.push(format!("{}: `{old}` is called {new} here", file.display()));
        }
        assert!(!file.ends_with("mod.rs"), "{}: a module `foo` is the file foo.rs", file.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
