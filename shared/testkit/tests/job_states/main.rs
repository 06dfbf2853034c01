//! Compares the job's state machine with a second, independent one, over random commands with random fences and
//! moments.
//!
//! A failure names its seed: `AFTERWORD_SEED=<seed> cargo test -p testkit --test job_states` plays it alone.

mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::accept::{Batch, Decision, Known, decide};
use domain::command::{Action, Command, PutBack};
use domain::job::WaitingFor;
use domain::repair::{Repair, needed_repair};
use domain::session::{Completing, Completion, Opening, SessionKnown, complete, open};
use domain::transition::{Context, apply};
use domain::{Code, Failure, FileStatus, Job, Rules, Status, Timestamp, UploadUrl};
use testkit::SeededRandom;
use testkit::build::{T0, batch_as, job_id, nonce, phone, session_of, uid, whole};

use model::Model;

const SEQUENCES: u64 = 12_000;
const COMMANDS: u32 = 40;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MS: Duration = Duration::from_millis(1);

fn new_job(random: &SeededRandom, ctx: Context<'_>) -> Job {
    let names: Vec<_> = (0..1 + random.below(3)).map(|n| phone(n as i64)).collect();
    let batch = batch_as(job_id(1), &uid("ann"), &names);
    if random.one_in(6) {
        return new_session(random, batch, ctx);
    }
    let known = Known { recordings: vec![None; names.len()], ..Known::default() };
    match decide(&batch, known, ctx) {
        Decision::Create { job, .. } => job,
        other => panic!("{other:?}"),
    }
}

/// A session, or the job that it becomes.
fn new_session(random: &SeededRandom, batch: Batch, ctx: Context<'_>) -> Job {
    let known = || Known { recordings: vec![None; batch.files.len()], ..Known::default() };
    let session = match open(&session_of(batch.clone()), SessionKnown { batch: known(), open: vec![] }, ctx) {
        Opening::New { job, .. } => job,
        other => panic!("{other:?}"),
    };
    if random.one_in(2) {
        return session;
    }
    let whole = whole(&session);
    match complete(Completing { session, known: known(), whole: &whole }, ctx) {
        Completion::Job { job, .. } => job,
        other => panic!("{other:?}"),
    }
}

/// Often the present fence or dispatch number, sometimes a neighbouring one.
fn near(random: &SeededRandom, own: u64) -> u64 {
    if random.one_in(6) { (own + 2).saturating_sub(1 + random.below(3) as u64) } else { own }
}

fn any_command(random: &SeededRandom, job: &Job, now: Timestamp) -> Command {
    let fence = near(random, job.lease.fence);
    let number = near(random, u64::from(job.dispatch.number)) as u32;
    let soon = now + *random.pick(&[MS, MINUTE, 20 * MINUTE, DAY]);
    let waiting_for = *random.pick(&[WaitingFor::Engine, WaitingFor::Budget]);
    let code = *random.pick(&[Code::InvalidAudio, Code::StagedAudioMissing]);
    match random.below(34) {
        0 => Command::Enqueued { number, schedule: random.one_in(2).then_some(soon) },
        1 => Command::TaskGone { number },
        2 => Command::Promote,
        3 => Command::Wake,
        4..=8 => Command::Claim { owner: nonce(random.below(3) as u64) },
        9 => {
            if random.one_in(2) {
                Command::Renew { fence }
            } else {
                Command::FileVerified { fence, index: random.below(4) }
            }
        }
        10 | 11 => Command::FailFile { fence, index: random.below(4), failure: Failure::of(code) },
        12..=14 => Command::PutBack {
            fence,
            cause: any_cause(random, soon),
            jitter: *random.pick(&[0.0, 0.5, 1.0]),
            explanation: None,
        },
        15 => Command::Postpone { until: soon, waiting_for, explanation: None },
        16 | 17 => Command::Finish { fence },
        18 => Command::PushDone { fence },
        19 => Command::PushLater { fence, at: soon },
        20 => {
            if random.one_in(3) {
                Command::AudioGone { fence }
            } else {
                Command::CleanedUp { fence }
            }
        }
        21 => {
            if random.one_in(3) {
                Command::WorkerGone { fence }
            } else {
                Command::Recover
            }
        }
        22 => Command::GiveUpWaiting,
        28 | 29 => Command::TakeSlot,
        30 => Command::CorrectClock,
        31 => Command::SettleSlot,
        24 => Command::UploadsStarted { urls: vec![(random.below(3), UploadUrl::new(random.below(9).to_string()))] },
        25 => Command::ExpireUpload,
        23 => {
            if random.one_in(4) {
                Command::Cancel
            } else {
                Command::Expire
            }
        }
        _ => Command::Retry { key: nonce(random.below(20) as u64) },
    }
}

fn any_cause(random: &SeededRandom, soon: Timestamp) -> PutBack {
    let retry_after = *random.pick(&[None, Some(MINUTE), Some(20 * DAY)]);
    match random.below(9) {
        0 | 1 => PutBack::Fault { code: Code::Internal, retry_after },
        2 => PutBack::Deadline,
        3 => PutBack::Shutdown,
        4 => PutBack::Engine { retry_after },
        5 => PutBack::Storage { retry_after },
        6 => PutBack::Language,
        7 => PutBack::YieldToOthers,
        _ => PutBack::Budget { until: soon },
    }
}

/// The effect of a placement on a file, as far as the state machine can see it.
fn make_progress(random: &SeededRandom, job: &mut Job) {
    let n = random.below(job.files.len());
    let file = &mut job.files[n];
    if job.status == Status::Processing && !file.status.is_settled() {
        file.counts.segments = file.counts.segments.max(2);
        file.counts.placed += 1;
        let whole = file.counts.placed >= file.counts.segments;
        file.status = if whole { FileStatus::Done } else { FileStatus::Processing };
        file.failure = (whole && random.one_in(4)).then(|| Failure::of(Code::PartlyDecoded));
    }
}

/// Picks the next moment: exactly at a deadline, a millisecond before it, or far behind it.
fn time_passes(random: &SeededRandom, job: &Job, now: Timestamp) -> Timestamp {
    let due = job.due_at.unwrap_or(now).max(now);
    match random.below(12) {
        0 => due,
        1 => (due - MS).max(now),
        2 => due + MS,
        3 => now + *random.pick(&[MINUTE, 30 * MINUTE, DAY]),
        4 if random.one_in(4) => now + 7 * DAY,
        5 => now + MS,
        _ => now,
    }
}

fn play(seed: u64, command_counts: &mut BTreeMap<&'static str, u32>) {
    let (random, rules) = (SeededRandom::new(seed), Rules::default());
    let mut came_to = T0;
    let slot_free = || !random.one_in(4);
    let slot_is_provisional = random.one_in(2);
    let slot_free_at_first = slot_is_provisional || slot_free();
    let at_first = Context { now: came_to, rules: &rules, slot_free: slot_free_at_first, slot_is_provisional };
    let mut job = new_job(&random, at_first);
    for at in 0..COMMANDS {
        came_to = time_passes(&random, &job, came_to);
        // The clock is three days ahead for this one command.
        let now = if random.one_in(25) { came_to + 3 * DAY } else { came_to };
        if random.one_in(4) {
            make_progress(&random, &mut job);
        }
        let command = any_command(&random, &job, now);
        let ctx = Context { now, rules: &rules, slot_free: slot_free(), slot_is_provisional: false };
        let mut model = Model::of(&job);
        let takes = model.takes(&command, now.millis(), ctx.slot_free, job.updated_at.millis());
        let describe = || format!("seed {seed}, command {at}: {command:?} at {now} to\n{job:#?}");
        assert_eq!(
            needed_repair(&job, now, &rules) == Repair::Nothing,
            job.due_at > Some(now),
            "what is due has a need\n{}",
            describe()
        );
        match apply(&job, &command, ctx) {
            Ok(step) => {
                assert!(takes, "the model refuses {}", describe());
                assert_eq!(Model::of(&step.job), model, "{}", describe());
                check_step(&job, &command, (&step.job, now), &describe);
                check_repeated(&command, &step.job, ctx, &describe);
                *command_counts.entry(step.job.status.as_str()).or_default() += 1;
                if step.asks_for(Action::Forget) {
                    *command_counts.entry("forgotten").or_default() += 1;
                    return;
                }
                job = step.job;
            }
            Err(why) => assert!(!takes, "the model does not refuse ({why}) {}", describe()),
        }
    }
}

/// Checks what must be true of every step.
fn check_step(before: &Job, command: &Command, (after, now): (&Job, Timestamp), describe: &dyn Fn() -> String) {
    assert!(after.lease.fence >= before.lease.fence, "the fence decreased: {}", describe());
    assert!(after.dispatch.number >= before.dispatch.number, "the dispatch number decreased: {}", describe());
    assert!(after.due_at.is_some(), "a job was lost: {}", describe());
    assert_eq!(after.lease.owner.is_some(), after.status == Status::Processing, "{}", describe());
    let was_ahead = before.updated_at > now + 10 * MINUTE && after.updated_at == now;
    let is_later = after.updated_at > before.updated_at || was_ahead;
    assert!(after == before || is_later, "the job changed without a new change time: {}", describe());
    if before.status.is_terminal() && after.status != before.status {
        assert!(matches!(command, Command::Retry { .. }), "an ended job changed its status: {}", describe());
    }
    let progress = after.progress();
    assert!(progress.processed() <= progress.total, "{}", describe());
    match after.status {
        Status::Completed => assert!(after.result.is_some() && after.error.is_none(), "{}", describe()),
        Status::PartialFailure => assert!(after.result.is_some() && after.error.is_some(), "{}", describe()),
        Status::Failed => assert!(after.result.is_none() && after.error.is_some(), "{}", describe()),
        Status::Cancelled => assert!(after.result.is_none() && after.error.iter().all(has_expired), "{}", describe()),
        _ => assert!(after.result.is_none() && after.error.is_none(), "{}", describe()),
    }
}

fn has_expired(error: &Failure) -> bool {
    error.code == Code::UploadExpired
}

/// A command that is repeated because its answer was lost changes nothing more.
fn check_repeated(command: &Command, after: &Job, ctx: Context<'_>, describe: &dyn Fn() -> String) {
    if let Ok(again) = apply(after, command, ctx) {
        assert_eq!(again.job, *after, "repeated: {}", describe());
    }
}

#[test]
fn random_commands_lead_to_the_states_of_the_model() {
    let one = std::env::var("AFTERWORD_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut command_counts = BTreeMap::new();
    for seed in one.map_or(0..SEQUENCES, |seed| seed..seed + 1) {
        play(seed, &mut command_counts);
    }
    println!("{command_counts:?}");
    if one.is_none() {
        let rare = command_counts.iter().find(|(_, times)| u64::from(**times) < SEQUENCES / 50);
        assert!(command_counts.len() == 8 && rare.is_none(), "some states are hardly ever met: {command_counts:?}");
    }
}
