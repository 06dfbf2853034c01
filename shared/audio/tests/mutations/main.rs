//! Damaged inputs of every kind, each generated from a number: none causes a panic, takes too much memory, or runs for
//! ever. The tests have a process of their own, so that memory can be measured.
//!
//! `make fuzz` runs a million. `FUZZ_SEED` sets the first number and `FUZZ_COUNT` how many inputs are run; a failure
//! prints the number of its input.

#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "how long an input takes is what is tested")]

mod containers;
mod kinds;
mod lengths;
mod mutate;
mod random;
mod seal;
mod subject;
mod units;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audio::AudioError;
use peak_alloc::PeakAlloc;

use random::Random;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
/// Inputs that once caused a failure; they are run before any others. The name of the file is that of the recording.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mutations/kept");
/// The number of inputs, over all kinds of files.
const INPUTS: u64 = 20_000;
/// The memory limit for one file, whatever its codec, counting all allocations of this process.
const MOST_BYTES: usize = 64 << 20;
/// The time limit on a machine that is busy. The slowest input takes a tenth of a second.
const MOST_TIME: Duration = Duration::from_secs(20);

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Only one test runs at a time, because memory is measured for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Input {
    name: String,
    bytes: Vec<u8>,
    as_stream: bool,
}

fn input(seed: u64, whole: &[(&str, Vec<u8>)]) -> Input {
    let mut random = Random::of(seed);
    let kind = (seed % whole.len() as u64) as usize;
    let (mut name, mut bytes) = (whole[kind].0.to_owned(), whole[kind].1.clone());
    if random.below(16) == 0 {
        bytes = mutate::soup(&mut random);
    } else {
        mutate::bytes(&mut random, &mut bytes);
    }
    if bytes.starts_with(b"OggS") && random.below(3) > 0 {
        seal::ogg(&mut bytes);
    }
    if bytes.starts_with(b"fLaC") && random.below(3) > 0 {
        seal::flac(&mut bytes);
    }
    if random.below(8) == 0 {
        name = whole[random.below(whole.len())].0.to_owned();
    }
    if random.below(8) == 0 {
        name = mutate::name(&mut random, &name);
    }
    Input { name, bytes, as_stream: random.below(3) == 0 }
}

/// Prints, if a test fails, how to run the same input again.
struct Replay<'a> {
    seed: u64,
    input: &'a Input,
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let path = std::env::temp_dir().join(format!("afterword-fuzz-{}", self.seed));
        let written = std::fs::write(&path, &self.input.bytes)
            .map_or_else(|why| why.to_string(), |()| path.display().to_string());
        let Self { seed, input } = self;
        eprintln!("seed {seed}: `{}`, {} bytes: {written}", input.name.escape_debug(), input.bytes.len());
        eprintln!("run it again with: FUZZ_SEED={seed} FUZZ_COUNT=1 make fuzz");
    }
}

/// Returns whether anything was decoded, and how long it took.
fn run(seed: u64, input: &Input) -> (bool, Duration) {
    let _replay = Replay { seed, input };
    let started = Instant::now();
    let found = subject::run(&input.name, &input.bytes, input.as_stream);
    let took = started.elapsed();
    assert!(took < MOST_TIME, "it took {took:?}");
    let peak = MEMORY.peak_usage();
    assert!(peak < MOST_BYTES, "{peak} bytes were held");
    let decoded = match found {
        Some(Ok(analysis)) => analysis.survey.frames > 0,
        Some(Err(AudioError::Read(error))) => panic!("damage is no trouble of the store: {error}"),
        Some(Err(_)) | None => false,
    };
    (decoded, took)
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable)
        .map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn damaged_file_of_any_kind_causes_no_panic_memory_growth_or_endless_run() {
    let _alone = alone();
    let (first, count) = (number("FUZZ_SEED", 1), number("FUZZ_COUNT", INPUTS));
    let whole = kinds::all();
    let (next, decoded, slowest) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new((Duration::ZERO, 0)));
    // Some decoders panic on an overflow in debug builds, and the panic is caught. Its backtrace would hold megabytes
    // for good.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    // Decoders build tables with the first file of their kind and keep them.
    kinds::all().iter().for_each(|(name, bytes)| drop(subject::run(name, bytes, false)));
    let before = MEMORY.current_usage();
    let work = || {
        while let Some(seed) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|done| *done < count).map(|done| first + done)
        {
            let (any, took) = run(seed, &input(seed, &whole));
            decoded.fetch_add(u64::from(any), Ordering::Relaxed);
            let mut slowest = slowest.lock().unwrap();
            *slowest = (*slowest).max((took, seed));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count as usize);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let (decoded, (slowest, which)) = (decoded.into_inner(), slowest.into_inner().unwrap());
    let grown = MEMORY.current_usage().saturating_sub(before);
    println!(
        "{count} inputs from {first} on: {decoded} decoded, slowest {slowest:?} ({which}), most memory {:.1} MiB, {grown} bytes left",
        MEMORY.peak_usage_as_mb()
    );
    assert!(grown < 1 << 20, "{grown} bytes more are held than before");
    let enough = count < 1_000 || decoded > count / 3;
    assert!(enough, "only {decoded} had anything left: the mutations are too coarse to find anything");
}

#[test]
fn inputs_that_once_caused_failure_no_longer_do() {
    let _alone = alone();
    for entry in std::fs::read_dir(KEPT).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for as_stream in [true, false] {
            run(0, &Input { name: name.clone(), bytes: std::fs::read(&path).unwrap(), as_stream });
        }
    }
}

#[test]
fn file_cut_off_anywhere_keeps_audio_before_the_cut() {
    let _alone = alone();
    for (name, whole) in kinds::all() {
        let mut last = 0;
        // Every byte near the start, where files describe themselves, and samples of the rest.
        for length in (0..whole.len()).filter(|length| *length < 800 || length % 97 == 0) {
            let found = subject::run(name, &whole[..length], false).unwrap().unwrap_or_default();
            assert!(found.survey.duration_ms >= last, "{name} at {length}: {} after {last}", found.survey.duration_ms);
            // A file that does not state its length may have ended there.
            let promises = !name.ends_with(".bin");
            assert!(promises || !found.survey.dropped_beyond_packet, "{name} at {length}");
            last = found.survey.duration_ms;
        }
    }
}
