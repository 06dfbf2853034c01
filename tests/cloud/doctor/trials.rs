//! Faults that only a trial shows: everything answers, and yet a commit, a task or a delivery would fail.

use emulators::keys::Mode;
use emulators::meter::{Code, Refusal};
use emulators::storage::{Fault, Op};
use emulators::tasks::{self, Request};
use serde_json::json;
use testkit::skip;
use tests::cloud::Cloud;
use tests::program::{CommandOutput, run};

use super::{ALWAYS, NOWHERE, PROGRAMS, failed, is_readable};
use crate::journey::cloud;

/// The fact and the remedy of a check that is noted, but has not failed.
#[track_caller]
fn noted<'a>(output: &'a CommandOutput, what: &str) -> (&'a str, &'a str) {
    let lines: Vec<_> = output.out.lines().collect();
    let head = format!("note    {what}");
    let at =
        lines.iter().position(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("no {head}: {}", output.out));
    (lines[at + 1].trim_start(), lines[at + 2].trim_start())
}

/// Runs the doctor, in which this check and no other has failed.
async fn only_failure(cloud: &Cloud, program: &str, change: &[(&str, Option<&str>)], what: &str) -> (String, String) {
    let output = run(program, &["doctor"], &cloud.env_with(change)).await;
    is_readable(&output);
    assert_eq!(output.out.matches("FAILED").count(), 1, "{}", output.out);
    let (fact, remedy) = failed(&output, what);
    (fact.to_owned(), remedy.to_owned())
}

#[tokio::test]
async fn database_that_takes_no_commit_is_reported() {
    let cloud = cloud!().with("cloud.call_seconds", "2");
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let meter = cloud.metered().await;
    meter.refuse("Commit", Refusal::new(Code::PermissionDenied, "Missing or insufficient permissions."));
    for program in PROGRAMS {
        let (fact, remedy) = only_failure(&cloud, program, &[], "Firestore: a commit").await;
        assert!(fact.contains("database (default) of project") && fact.contains("insufficient permissions"), "{fact}");
        assert!(remedy.starts_with("grant roles/datastore.user on the project"), "{remedy}");
    }
    meter.silence("Commit");
    let (fact, remedy) = only_failure(&cloud, PROGRAMS[0], &[], "Firestore: a commit").await;
    assert!(fact.contains("no answer") || fact.contains("timeout"), "{fact}");
    assert!(remedy.contains("the emulator"), "{remedy}");
}

#[tokio::test]
async fn queue_that_refuses_tasks_is_reported_with_both_roles() {
    let cloud = cloud!();
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let denied = "The principal lacks iam.serviceAccounts.actAs permission.";
    cloud.tasks.order_of(Request::Create, tasks::Fault::Refuse(403, "PERMISSION_DENIED", denied, None));
    for program in PROGRAMS {
        let (fact, remedy) = only_failure(&cloud, program, &[], "Cloud Tasks: a task").await;
        assert!(fact.contains("iam.serviceAccounts.actAs"), "{fact}");
        for role in ["roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser on tasks@demo-afterword"] {
            assert!(remedy.contains(role), "{remedy}");
        }
    }
}

#[tokio::test]
async fn task_that_cannot_be_deleted_is_noted_and_does_no_harm() {
    let cloud = cloud!();
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let denied = "lacks IAM permission \"cloudtasks.tasks.delete\"";
    cloud.tasks.order_of(Request::Delete, tasks::Fault::Refuse(403, "PERMISSION_DENIED", denied, None));
    let output = run(PROGRAMS[0], &["doctor"], &cloud.env()).await;
    is_readable(&output);
    assert!(output.code == Some(0) && output.out.contains("can do all that it needs to"), "{output:?}");
    let (fact, remedy) = noted(&output, "Cloud Tasks: a task, created and deleted");
    assert!(fact.contains("could not be deleted") && fact.contains("cloudtasks.tasks.delete"), "{fact}");
    let [name] = &cloud.tasks.names().await[..] else { panic!("{}", output.out) };
    let id = name.rsplit('/').next().unwrap();
    assert!(remedy.contains(&format!("gcloud tasks delete {id} --queue=afterword")), "{remedy}");
    // Its delivery is skipped.
    cloud.tasks.run(name).await;
    tests::wait::eventually_or("the task is gone", tests::wait::PATIENCE, async || {
        cloud.tasks.names().await.is_empty().then_some(()).ok_or_else(|| process.log.tail())
    })
    .await;
    assert_eq!(process.log.count(|line| line.field("level") == "ERROR"), 0, "{}", process.log.text());
}

#[tokio::test]
async fn unreachable_keys_of_the_task_identity_are_reported_also_by_readyz() {
    let cloud = cloud!();
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    cloud.task_keys().mode(Mode::Status(503));
    cloud.user_keys().mode(Mode::Status(503));
    let what = "task identity: the keys for tokens of tasks@demo-afterword.iam.gserviceaccount.com";
    let (fact, remedy) = only_failure(&cloud, PROGRAMS[1], &[], what).await;
    assert!(fact.contains(&cloud.task_keys().url) && fact.contains("503"), "{fact}");
    assert!(remedy.contains("cloud.google_keys_url (environment: AFTERWORD_CLOUD_GOOGLE_KEYS_URL)"), "{remedy}");

    let ready = cloud.client(&process, "ann").get("/readyz").await;
    assert_eq!(ready.problem(503, "storage_unavailable")["detail"], "Not ready: task_identity.", "{}", ready.text);
    assert!(ready.text.contains("tokens of tasks and of the scheduler are verified"), "{}", ready.text);
    let ready = cloud.client(&upload, "ann").get("/readyz").await;
    assert_eq!(ready.problem(503, "storage_unavailable")["detail"], "Not ready: identity.", "{}", ready.text);
    cloud.task_keys().mode(Mode::Serve);
    cloud.user_keys().mode(Mode::Serve);
    for function in [&upload, &process] {
        let client = cloud.client(function, "ann");
        let is_ready = async || (client.get("/readyz").await.status == 200).then_some(());
        tests::eventually("the function is ready again", tests::wait::PATIENCE, is_ready).await;
    }
    // Keys that are known are enough while their server is away.
    cloud.task_keys().mode(Mode::Status(503));
    cloud.sweep(&process).await;
    assert_eq!(cloud.client(&process, "ann").get("/readyz").await.status, 200);
}

#[tokio::test]
async fn readyz_reports_a_database_without_commits_and_a_queue_that_has_refused_a_task() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    let denied = "The principal lacks iam.serviceAccounts.actAs permission.";
    cloud.tasks.order_of(Request::Create, tasks::Fault::Refuse(403, "PERMISSION_DENIED", denied, None));
    assert_eq!(client.get("/readyz").await.status, 200);
    client.accepted(&[tests::Recording::short(tests::recordings::T0)]).await;
    let not_ready = async |detail: &str| {
        let what = format!("readyz says: {detail}");
        tests::eventually(&what, tests::wait::PATIENCE, async || {
            let ready = client.get("/readyz").await;
            (ready.status == 503 && ready.body["detail"] == detail).then_some(())
        })
        .await;
    };
    not_ready("Not ready: queue.").await;
    cloud.tasks.heal();
    client.accepted(&[tests::Recording::short(tests::recordings::T0 + 10_000)]).await;
    let is_ready = async || (client.get("/readyz").await.status == 200).then_some(());
    tests::eventually("a created task makes it ready again", tests::wait::PATIENCE, is_ready).await;
    let cloud_with_meter = cloud.metered().await;
    cloud.cut_firestore_connections();
    cloud_with_meter.refuse("Commit", Refusal::new(Code::PermissionDenied, "Missing or insufficient permissions."));
    not_ready("Not ready: store.").await;
}

#[tokio::test]
async fn process_url_that_does_not_lead_to_the_process_function_is_reported() {
    let cloud = cloud!();
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let other_secret = "another-secret-that-nobody-knows-0123456789";
    let stranger = cloud.user_keys().url.trim_end_matches("/jwk").to_owned();
    for (variable, value, fact, remedy) in [
        (
            "AFTERWORD_CLOUD_PROCESS_URL",
            NOWHERE,
            "no way to it: ",
            "the address of afterword-process, and see that it runs",
        ),
        (
            "AFTERWORD_CLOUD_PROCESS_URL",
            upload.url.as_str(),
            "a program of afterword answers there, but not afterword-process",
            "set cloud.process_url (environment: AFTERWORD_CLOUD_PROCESS_URL)",
        ),
        (
            "AFTERWORD_CLOUD_PROCESS_URL",
            stranger.as_str(),
            "another program answers there, with 200",
            "set cloud.process_url",
        ),
        ("AFTERWORD_TASKS_SECRET", other_secret, "it refuses the secret of the tasks", "AFTERWORD_TASKS_SECRET"),
    ] {
        for program in PROGRAMS {
            let (said, advice) = only_failure(&cloud, program, &[(variable, Some(value))], "process function: ").await;
            assert!(said.contains(fact) && advice.contains(remedy), "{said}\n{advice}");
            assert!(!said.contains("secret-that"), "{said}");
        }
    }
    // The function requires signed tasks, and this one does not sign them.
    let unsigned = [("AFTERWORD_CLOUD_TASK_SERVICE_ACCOUNT", None), ("AFTERWORD_CLOUD_TASK_AUDIENCE", None)];
    let (said, advice) = only_failure(&cloud, PROGRAMS[0], &unsigned, "process function: ").await;
    assert!(said.contains("requires signed tasks") && advice.contains("cloud.task_audience"), "{said}\n{advice}");
}

#[tokio::test]
async fn process_function_behind_a_closed_door_is_noted() {
    let cloud = cloud!();
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    // As Cloud Run answers callers without its own permission.
    cloud.user_keys().mode(Mode::Status(403));
    let door = cloud.user_keys().url.trim_end_matches("/jwk").to_owned();
    let output = run(PROGRAMS[1], &["doctor"], &cloud.env_with(&[("AFTERWORD_CLOUD_PROCESS_URL", Some(&door))])).await;
    is_readable(&output);
    let (fact, remedy) = noted(&output, "process function: ");
    assert!(fact.contains("the answer is 403") && remedy.contains("roles/run.invoker"), "{fact}\n{remedy}");
}

#[tokio::test]
async fn bucket_settings_that_delete_too_early_or_never_are_reported_with_their_command() {
    let cloud = cloud!();
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let deletes_after = |days: u64| json!({"rule": [{"action": {"type": "Delete"}, "condition": {"age": days}}]});
    let conditional = |days: u64| json!({"action": {"type": "Delete"}, "condition": {"age": days, "matchesStorageClass": ["NEARLINE"]}});
    for (settings, what, fact, remedy) in [
        (
            json!({"softDeletePolicy": {"retentionDurationSeconds": "604800"}, "lifecycle": deletes_after(30)}),
            "soft delete",
            "deleted audio is kept, and paid for, 7 more days",
            "gcloud storage buckets update gs://afterword-audio --clear-soft-delete",
        ),
        (json!({}), "lifecycle", "no rule deletes audio that no job owns", "\"condition\":{\"age\":30}"),
        (
            json!({"lifecycle": deletes_after(3)}),
            "lifecycle",
            "after 3 days, and cloud.bucket_lifecycle_days is 30: jobs",
            "\"age\":30",
        ),
        (
            json!({"lifecycle": {"rule": [conditional(3), conditional(30)]}}),
            "lifecycle",
            "a rule with further conditions deletes some audio after 3 days, and cloud.bucket_lifecycle_days is 30: jobs",
            "\"age\":30",
        ),
        (
            json!({"lifecycle": {"rule": [conditional(30)]}}),
            "lifecycle",
            "every rule that deletes audio has further conditions",
            "\"age\":30",
        ),
        (json!({"lifecycle": deletes_after(90)}), "lifecycle", "after 90 days", "--lifecycle-file=lifecycle.json"),
        (
            json!({"versioning": {"enabled": true}, "lifecycle": deletes_after(30)}),
            "versions and retention",
            "kept as an old version",
            "--no-versioning",
        ),
        (
            json!({"retentionPolicy": {"retentionPeriod": "172800"}, "lifecycle": deletes_after(30)}),
            "versions and retention",
            "nothing can be deleted for 2 days",
            "--clear-retention-period",
        ),
    ] {
        cloud.storage.set_bucket_settings(settings);
        let what = format!("Cloud Storage: {what} of bucket afterword-audio");
        let (said, advice) = only_failure(&cloud, PROGRAMS[0], &[], &what).await;
        assert!(said.contains(fact) && advice.contains(remedy), "{said}\n{advice}");
    }
    // The role that the functions need does not show the settings.
    cloud.storage.order(Op::Bucket, Fault::Status(403), ALWAYS);
    let output = run(PROGRAMS[0], &["doctor"], &cloud.env()).await;
    is_readable(&output);
    assert_eq!(output.code, Some(0), "{output:?}");
    let (fact, remedy) = noted(&output, "Cloud Storage: soft delete and lifecycle");
    assert!(fact.contains("they cannot be seen") && fact.contains("403"), "{fact}");
    assert!(
        remedy.contains("roles/storage.legacyBucketReader") && remedy.contains("gcloud storage buckets describe"),
        "{remedy}"
    );
}
