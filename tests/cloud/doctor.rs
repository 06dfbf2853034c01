//! `doctor` reports what is in order, and one line with the fact and one with the remedy for whatever is not.

use emulators::fcm::Answer;
use emulators::meter::{Code, Refusal};
use emulators::storage::{Fault, Op};
use emulators::tasks;
use testkit::skip;
use tests::cloud::Cloud;
use tests::program::{CommandOutput, run};

use crate::journey::cloud;

mod trials;

/// An address where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";
const PROGRAMS: [&str; 2] = ["afterword-upload", "afterword-process"];
const ALWAYS: usize = 1000;

/// The fact and the remedy of a failed check whose subject begins with these words.
#[track_caller]
fn failed<'a>(output: &'a CommandOutput, what: &str) -> (&'a str, &'a str) {
    assert_eq!(output.code, Some(1), "{output:?}");
    let lines: Vec<_> = output.out.lines().collect();
    let head = format!("FAILED  {what}");
    let at =
        lines.iter().position(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("no {head}: {}", output.out));
    let indented = |line: usize| lines[line].strip_prefix("        ").unwrap_or_else(|| panic!("{}", output.out));
    (indented(at + 1), indented(at + 2))
}

/// The output contains only checks of one line, or of three.
#[track_caller]
fn is_readable(output: &CommandOutput) {
    let mut more = 0;
    for line in output.out.lines() {
        match line {
            line if line.starts_with("FAILED  ") || line.starts_with("note    ") => {
                assert_eq!(std::mem::replace(&mut more, 2), 0, "{}", output.out)
            }
            line if line.starts_with("        ") => more -= 1,
            line => {
                assert!(more == 0 && (line.starts_with("ok      ") || line.ends_with("needs to.")), "{}", output.out)
            }
        }
        for noise in [" { ", "Error(", "Some(", "Os {", "status: ", "hyper", "tonic", "Tonic", "MetadataMap"] {
            assert!(!line.contains(noise), "`{noise}` is of a debugger: {line}");
        }
    }
    assert_eq!(more, 0, "{}", output.out);
}

#[tokio::test]
async fn doctor_reports_success_when_everything_is_in_order() {
    let cloud = cloud!();
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    for program in PROGRAMS {
        let output = run(program, &["doctor"], &cloud.env()).await;
        is_readable(&output);
        let out = output.ok();
        for check in [
            "Firestore: a commit, refused by its condition",
            "Firestore: its indexes",
            "Cloud Storage: soft delete of bucket afterword-audio",
            "Cloud Storage: lifecycle of bucket afterword-audio",
            "Cloud Tasks: a task, created and deleted",
            "process function: http://127.0.0.1:",
        ] {
            assert!(out.contains(&format!("ok      {check}")), "no {check}: {out}");
        }
        assert!(out.contains("can do all that it needs to"), "{out}");
        assert!(!out.contains("FAILED") && !out.contains("note "), "{out}");
    }
    // The checks leave nothing behind.
    assert!(cloud.storage.names().is_empty() && cloud.storage.sessions().is_empty());
    assert_eq!(cloud.tasks.names().await, [] as [String; 0]);
    assert_eq!(
        process
            .log
            .count(|line| ["WARN", "ERROR"].contains(&line.field("level")) && line.field("target") != "cloud::program"),
        0,
        "{}",
        process.log.text()
    );
}

#[tokio::test]
async fn unreachable_service_is_reported_with_its_address_and_without_a_role() {
    let cloud = cloud!().with("cloud.call_seconds", "2");
    let services = [
        ("FIRESTORE_EMULATOR_HOST", "Firestore: database (default)"),
        ("STORAGE_EMULATOR_HOST", "Cloud Storage: bucket afterword-audio"),
        ("CLOUD_TASKS_EMULATOR_HOST", "Cloud Tasks: projects/"),
    ];
    let dead = services.map(|(variable, _)| (variable, Some(NOWHERE)));
    for program in PROGRAMS {
        let other = match program {
            "afterword-upload" => ("AFTERWORD_CLOUD_FIREBASE_KEYS_URL", Some("http://127.0.0.1:9/keys")),
            _ => ("AFTERWORD_CLOUD_FCM_URL", Some(NOWHERE)),
        };
        let output = run(program, &["doctor"], &cloud.env_with(&[&dead[..], &[other]].concat())).await;
        is_readable(&output);
        for (variable, what) in services {
            let (fact, remedy) = failed(&output, what);
            assert!(fact.contains(NOWHERE) && fact.contains("refused"), "{fact}");
            assert_eq!(remedy, format!("start the emulator at {NOWHERE}, or unset {variable}"));
        }
        let (fact, remedy) =
            failed(&output, if program == PROGRAMS[0] { "Firebase identity" } else { "Firebase Cloud Messaging" });
        assert!(fact.contains(NOWHERE) && fact.contains("refused"), "{fact}");
        assert!(remedy.contains("cloud.firebase_keys_url") || remedy.contains("firewall"), "{remedy}");
        assert!(!output.out.contains("grant") && !output.out.contains("its indexes"), "{}", output.out);
    }
}

#[tokio::test]
async fn refusing_service_is_reported_with_the_role_to_grant() {
    let cloud = cloud!();
    let meter = cloud.metered().await;
    meter.refuse("", Refusal::new(Code::PermissionDenied, "Missing or insufficient permissions."));
    let denied = "lacks IAM permission \"cloudtasks.queues.get\"";
    cloud.tasks.order(tasks::Fault::Refuse(403, "PERMISSION_DENIED", denied, None));
    let message = "Permission 'cloudmessaging.messages.create' denied";
    cloud.fcm.answer_token("doctor", Answer::refused_with(403, "PERMISSION_DENIED", message, serde_json::json!([])));
    // The account may read, but not write.
    cloud.storage.order(Op::Insert, Fault::Status(403), ALWAYS);
    cloud.storage.order(Op::Start, Fault::Status(403), ALWAYS);
    let output = run("afterword-process", &["doctor"], &cloud.env()).await;
    is_readable(&output);
    for (what, fact, remedy) in [
        ("Firestore: database", "Missing or insufficient permissions", "grant roles/datastore.user on the project"),
        (
            "Cloud Storage: storage.objects.create",
            "403",
            "grant roles/storage.objectUser on the bucket afterword-audio",
        ),
        ("Cloud Tasks: ", "cloudtasks.queues.get", "grant roles/cloudtasks.enqueuer and roles/cloudtasks.viewer"),
        ("Firebase Cloud Messaging: ", "denied", "grant roles/firebasecloudmessaging.admin on the project"),
    ] {
        let check = failed(&output, what);
        assert!(check.0.contains(fact) && check.1.starts_with(remedy), "{check:?}");
        assert!(!output.out.contains("emulator at"), "{}", output.out);
    }
    assert!(output.out.contains("ok      Cloud Storage: storage.objects.get"), "{}", output.out);
    assert!(output.err.ends_with("5 of 13 checks failed\n"), "{}", output.err);
}

#[tokio::test]
async fn missing_resource_is_reported_with_the_command_that_creates_it() {
    let cloud = cloud!();
    let meter = cloud.metered().await;
    let index =
        "The query requires an index. You can create it here: https://console.firebase.google.com/v1/r/project/x";
    meter.refuse("RunQuery", Refusal::new(Code::FailedPrecondition, index));
    let env = [("AFTERWORD_CLOUD_BUCKET", Some("elsewhere")), ("AFTERWORD_CLOUD_QUEUE", Some("other"))];
    let output = run("afterword-upload", &["doctor"], &cloud.env_with(&env)).await;
    is_readable(&output);
    assert!(output.out.contains("ok      Firestore: database (default)"), "{}", output.out);
    for (what, fact, remedy) in [
        (
            "Firestore: its indexes",
            "https://console.firebase.google.com/v1/r/project/x",
            "firebase deploy --only firestore:indexes",
        ),
        (
            "Cloud Storage: bucket elsewhere",
            "there is no bucket `elsewhere`",
            "gcloud storage buckets create gs://elsewhere",
        ),
        ("Cloud Tasks: ", "queues/other", "gcloud tasks queues create other --location=europe-west1"),
    ] {
        let check = failed(&output, what);
        assert!(check.0.contains(fact) && check.1.contains(remedy), "{check:?}");
    }
    meter.refuse("", Refusal::new(Code::NotFound, "The database (default) does not exist for project x"));
    let output = run("afterword-upload", &["doctor"], &cloud.env()).await;
    let (fact, remedy) = failed(&output, "Firestore: database (default)");
    assert!(fact.contains("does not exist"), "{fact}");
    assert!(remedy.contains("gcloud firestore databases create --database='(default)'"), "{remedy}");
    assert!(remedy.contains("AFTERWORD_CLOUD_DATABASE"), "{remedy}");
}

#[tokio::test]
async fn missing_credentials_are_reported_with_their_expected_location() {
    let cloud = cloud!();
    let env = cloud.env_with(&[
        ("GOOGLE_APPLICATION_CREDENTIALS", Some("/nowhere/credentials.json")),
        ("FIRESTORE_EMULATOR_HOST", None),
        ("STORAGE_EMULATOR_HOST", None),
        ("CLOUD_TASKS_EMULATOR_HOST", None),
        ("AFTERWORD_CLOUD_PROCESS_URL", Some("https://process.example.com")),
    ]);
    let output = run("afterword-process", &["doctor"], &env).await;
    is_readable(&output);
    for what in ["Firestore: database", "Cloud Storage: bucket", "Cloud Tasks: ", "Firebase Cloud Messaging: "] {
        let (fact, remedy) = failed(&output, what);
        assert!(fact.contains("/nowhere/credentials.json"), "{fact}");
        assert!(remedy.contains("set GOOGLE_APPLICATION_CREDENTIALS to a valid file"), "{remedy}");
    }
    assert!(!output.out.contains("grant roles"), "{}", output.out);
}
