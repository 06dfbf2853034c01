//! Measures what a job costs in Firestore, counted on the wire as Google bills it, and how many requests it sends to
//! other services.

use std::collections::BTreeMap;

use emulators::meter::{Bill, Counts, Meter};
use testkit::skip;
use tests::cloud::Cloud;
use tests::function::Function;
use tests::recordings::T0;
use tests::{Client, Recording, eventually, figures};

use crate::journey::cloud;

const WAIT: std::time::Duration = tests::wait::PATIENCE;

/// The work that the step lines in the logs report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    jobs: u64,
    /// The files beyond the first of each job: each has a recording and a plan of its own.
    more_files: u64,
    segments: u64,
    groups: u64,
}

impl Done {
    fn reads(self) -> u64 {
        12 * self.jobs + 2 * self.more_files + 2 * self.segments + 8 * self.groups
    }

    fn writes(self) -> u64 {
        12 * self.jobs + 3 * self.more_files + 2 * self.segments + 6 * self.groups
    }
}

/// Both functions over metered services, and a user with a phone.
struct Harness {
    cloud: Cloud,
    meter: Meter,
    upload: Function,
    process: Function,
    client: Client,
}

impl Harness {
    async fn of(cloud: Cloud) -> Self {
        let cloud = cloud.with("engine.name", "null");
        let meter = cloud.metered().await;
        let (upload, process) = (cloud.upload().await, cloud.process().await);
        cloud.deliver_to(&[&process]);
        let client = cloud.client(&upload, "ann");
        client.put_device("phone", "a-token-of-a-phone").await;
        Self { cloud, meter, upload, process, client }
    }

    /// Uploads files, and waits until the job's effects are done without sending requests to the functions.
    async fn upload_and_wait(&self, files: &[Recording]) -> String {
        let job = self.client.accepted(files).await;
        for step in ["finish", "push", "clean_up"] {
            self.process.log.wait_step(step, &job).await;
        }
        assert!(self.cloud.storage.names().is_empty(), "{:?}", self.cloud.storage.names());
        job
    }

    fn steps(&self) -> Done {
        let lines: Vec<_> =
            [&self.upload, &self.process].into_iter().flat_map(|function| function.log.lines()).collect();
        let of = |step: &'static str| lines.iter().filter(move |line| line.is_step(step));
        let segments = of("transcribe").map(|line| line.fields["segments"].as_u64().unwrap()).sum();
        let jobs = of("accept").count() as u64;
        let files: u64 = of("accept").map(|line| line.fields["files"].as_u64().unwrap()).sum();
        Done { jobs, more_files: files - jobs, segments, groups: of("place").count() as u64 }
    }

    /// The Firestore cost of one client operation.
    async fn cost_of(&self, what: impl Future) -> Counts {
        let mark = self.meter.mark();
        what.await;
        self.meter.since(mark).total()
    }

    /// The storage requests by kind, and the tasks created and delivered.
    fn others(&self) -> String {
        let mut seen = BTreeMap::new();
        self.cloud.storage.seen().iter().for_each(|one| *seen.entry(format!("{:?}", one.op)).or_insert(0) += 1);
        let seen: Vec<_> = seen.iter().map(|(op, count)| format!("{op} {count}")).collect();
        let tasks = self.upload.log.steps("enqueue") + self.process.log.steps("enqueue");
        format!("storage: {}; tasks made: {tasks}", seen.join(", "))
    }
}

fn assert_within(what: &str, bill: &Bill, done: Done) {
    let total = bill.total();
    figures::report_figure(&format!(
        "Firestore, {what} ({} segments, {} groups): {total}; limits: {} reads, {} writes",
        done.segments,
        done.groups,
        done.reads(),
        done.writes()
    ));
    assert_eq!(bill.not_understood, [] as [String; 0], "{bill}");
    assert!(
        total.reads > 0 && total.reads <= done.reads(),
        "{what}, {done:?}: {} reads at most:\n{bill}",
        done.reads()
    );
    let most = done.writes();
    assert!(total.writes <= most, "{what}, {done:?}: {most} writes at most:\n{bill}");
}

/// Speech with pauses so long that each part is a segment of its own.
fn talk(at: i64, times: usize) -> Recording {
    let pause = Recording::silence(at).bytes.repeat(5);
    let mut recording = Recording::speech(at);
    recording.bytes = [recording.bytes.as_ref(), &pause].concat().repeat(times).into();
    recording
}

#[tokio::test]
async fn job_stays_within_its_reads_and_writes() {
    let harness = Harness::of(cloud!()).await;
    harness.meter.reset();
    harness.upload_and_wait(&[Recording::speech(T0)]).await;
    let (bill, done) = (harness.meter.bill(), harness.steps());
    assert_eq!(done, Done { jobs: 1, more_files: 0, segments: 1, groups: 1 });
    println!("{bill}");
    assert_within("a job of one file", &bill, done);
    eventually("the push is sent", WAIT, async || (!harness.cloud.fcm.requests().is_empty()).then_some(())).await;
    figures::report_figure(&format!("A job of one file: {}", harness.others()));

    // The same audio is uploaded again: nothing is staged, and no task is created.
    let mark = harness.meter.mark();
    let again = harness.client.upload(&[Recording::speech(T0)]).await;
    assert_eq!((again.status, &again.body["deduplicated"]), (202, &true.into()), "{}", again.text);
    eventually("the blobs are gone", WAIT, async || harness.cloud.storage.names().is_empty().then_some(())).await;
    assert_within("the same again", &harness.meter.since(mark), Done { jobs: 1, ..Done::default() });
}

#[tokio::test]
async fn segments_and_groups_stay_within_their_cost() {
    let harness = Harness::of(cloud!()).await;
    harness.meter.reset();
    harness.upload_and_wait(&[talk(T0, 6)]).await;
    let (bill, done) = (harness.meter.bill(), harness.steps());
    assert!(done.segments > 1 && done.groups >= 1, "{done:?}");
    println!("{bill}");
    assert_within("a job of one long file", &bill, done);

    // A second job, which goes into the conversation of the first one.
    let mark = harness.meter.mark();
    harness.upload_and_wait(&[talk(T0 + 60, 2)]).await;
    let all = harness.steps();
    let (segments, groups) = (all.segments - done.segments, all.groups - done.groups);
    let more = Done { jobs: 1, more_files: 0, segments, groups };
    assert_within("a job that goes on with a conversation", &harness.meter.since(mark), more);
}

#[tokio::test]
async fn cost_of_three_files_is_that_of_their_segments_and_groups() {
    let harness = Harness::of(cloud!()).await;
    harness.meter.reset();
    let files: Vec<_> = (0..3).map(|n| Recording::short(T0 + 600 * n)).collect();
    harness.upload_and_wait(&files).await;
    let (bill, done) = (harness.meter.bill(), harness.steps());
    assert_eq!((done.jobs, done.segments, done.groups), (1, 3, 3), "{done:?}");
    println!("{bill}");
    assert_within("a job of three files", &bill, Done { more_files: 0, ..done });
    figures::report_figure(&format!("A job of three files: {}", harness.others()));
}

#[tokio::test]
async fn each_further_file_costs_two_reads_and_three_writes() {
    let harness = Harness::of(cloud!()).await;
    harness.meter.reset();
    let files: Vec<_> = (0..8).map(|n| Recording::short(T0 + 600 * n)).collect();
    harness.upload_and_wait(&files).await;
    let done = harness.steps();
    assert_eq!((done.more_files, done.segments), (7, 8), "{done:?}");
    assert_within("a job of eight files", &harness.meter.bill(), done);
}

#[tokio::test]
async fn silent_job_costs_no_more_than_any_job() {
    let harness = Harness::of(cloud!()).await;
    harness.meter.reset();
    harness.upload_and_wait(&[Recording::silence(T0)]).await;
    let (bill, done) = (harness.meter.bill(), harness.steps());
    assert_eq!(done, Done { jobs: 1, ..Done::default() });
    println!("{bill}");
    assert_within("a job of silence", &bill, done);

    let mark = harness.meter.mark();
    let files: Vec<_> = (1..9).map(|n| Recording::silence(T0 + 600 * n)).collect();
    harness.upload_and_wait(&files).await;
    let eight = Done { jobs: 1, more_files: 7, ..Done::default() };
    assert_within("a job of eight silent files", &harness.meter.since(mark), eight);
}

#[tokio::test]
async fn client_requests_cost_few_reads() {
    let harness = Harness::of(cloud!()).await;
    let job = harness.upload_and_wait(&[Recording::speech(T0)]).await;
    let client = &harness.client;
    let conversation = client.conversations().await[0]["id"].as_str().unwrap().to_owned();
    let reads = |reads| Counts { reads, ..Counts::default() };
    let status = harness.cost_of(client.job(&job)).await;
    let list = harness.cost_of(client.jobs()).await;
    let texts = harness.cost_of(client.get(&format!("/v2/conversations/{conversation}"))).await;
    let usage = harness.cost_of(client.usage()).await;
    let device = harness.cost_of(client.put_device("phone", "a-token-of-a-phone")).await;
    let sweep = harness.cost_of(harness.cloud.sweep(&harness.process)).await;
    figures::report_figure(&format!(
        "Firestore, a poll: {status}; a list of one job: {list}; a conversation of one text: {texts}; usage: {usage}; \
         the same device again: {device}; a sweep that finds nothing: {sweep}"
    ));
    assert!(sweep.reads <= 12 && sweep.writes == 0, "a sweep: {sweep}");
    assert_eq!(status, reads(1));
    assert_eq!(list, reads(1));
    for (what, counts) in [("a conversation", texts), ("usage", usage)] {
        assert!(counts.reads <= 4, "{what}: {counts}");
        assert_eq!((counts.writes, counts.deletes), (0, 0), "{what}: {counts}");
    }
    // The time of its last use is stored in the device and with its token's owner.
    assert!(device.reads <= 2 && device.writes <= 2, "a device: {device}");
}
