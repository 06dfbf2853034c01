//! Measures decoding and speech detection: how much faster than the recording plays, on one core, and in how much
//! memory.
//!
//! Each figure is the processor time for at least ten minutes of real speech, because other programs on the machine
//! hardly change it. The usual Python way decodes the same Opus frames in the same run.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ::audio::{Analysis, Detection, Input, KeptSamples, SegmentRules, Span, Survey};
use anyhow::{Context, Result};
use domain::{Format, Levels};

use crate::report::Report;

const FRAMES: [(&str, &str); 6] = [
    ("PCM16", "audio_sonnet_pcm16_16000_1_fs160_1748300000.bin"),
    ("PCM8", "audio_ss0880_pcm8_16000_1_fs160_1748300000.bin"),
    ("Opus, 10 ms", OPUS),
    ("Opus, 20 ms", "audio_sonnet_opus_fs320_16000_1_fs320_1748300000.bin"),
    ("AAC", "audio_ss0880_aac_16000_1_fs1024_1748300000.bin"),
    ("LC3", "audio_ss0880_lc3_fs1030_16000_1_fs160_1748300000.bin"),
];
const OPUS: &str = "audio_sonnet_opus_16000_1_fs160_1748300000.bin";
/// Clips of three seconds each, which are decoded again and again.
const SOUNDS: [(&str, &str); 5] = [
    ("FLAC", "clip_44100_2.flac"),
    ("MP3", "clip_44100_2.mp3"),
    ("Vorbis", "clip_48000_2.ogg"),
    ("Ogg Opus", "clip_48000_1.opus"),
    ("M4A", "clip_48000_2.m4a"),
];
/// The longest recording whose decoded audio is kept.
const TEN_MINUTES: usize = 600;
const HOUR: usize = 3_600;

pub fn run(report: &mut Report) -> Result<()> {
    for (name, file) in FRAMES {
        let recording = Recording::of_speech(file, TEN_MINUTES)?;
        let took = best(|| recording.decode())?;
        report.line(format!("audio: {name}, decoded, × real time on one core"), recording.ratio(took));
    }
    for (name, file) in SOUNDS {
        let recording = Recording::read("sounds", file)?.measured()?;
        let took = best(|| (0..100).try_for_each(|_| recording.decode()))? / 100;
        report.line(format!("audio: {name}, decoded, × real time on one core"), recording.ratio(took));
    }
    python(report)?;
    detection(report)?;
    whole(report)
}

struct Recording {
    format: Format,
    bytes: Vec<u8>,
    seconds: f64,
}

impl Recording {
    fn read(folder: &str, file: &str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder).join(file);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Self::new(file, bytes)
    }

    fn new(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let format = domain::name::parse(name).map_err(|why| anyhow::anyhow!("{name}: {why}"))?.format;
        Ok(Self { format, bytes, seconds: 0.0 })
    }

    fn measured(mut self) -> Result<Self> {
        self.seconds = self.survey()?.0.duration_ms as f64 / 1_000.0;
        Ok(self)
    }

    /// A clip of the fixtures, repeated to this length.
    fn of_speech(file: &str, seconds: usize) -> Result<Self> {
        let clip = Self::read("speech", file)?.measured()?;
        let times = ((seconds as f64 / clip.seconds) as usize).max(1);
        Ok(Self { bytes: clip.bytes.repeat(times), seconds: clip.seconds * times as f64, ..clip })
    }

    fn survey(&self) -> Result<(Survey, Option<KeptSamples>)> {
        Ok(::audio::survey(&self.format, Input::ranges(&mut Cursor::new(&self.bytes)))?)
    }

    /// Decodes everything up to the last restart point.
    fn decode(&self) -> Result<()> {
        let end_ms = (self.seconds * 1_000.0) as u32;
        let mut last = 0;
        let mut sink = |_: Span, samples: Vec<f32>| {
            last = samples.len();
            ControlFlow::Break(())
        };
        let spans = [Span { start_ms: end_ms - 1, end_ms }];
        ::audio::cut(
            &self.format,
            Input::ranges(&mut Cursor::new(&self.bytes)),
            &Levels::default(),
            &spans,
            &mut sink,
        )?;
        anyhow::ensure!(last > 0, "nothing was decoded");
        Ok(())
    }

    /// Listens as a worker does, in both passes: the second one uses the kept audio, or decodes the bytes again.
    fn listen(&self, detection: &Detection) -> Result<Analysis> {
        let (survey, kept) = self.survey()?;
        let mut again = Cursor::new(&self.bytes);
        let input = kept.as_ref().map_or_else(|| Input::ranges(&mut again), Input::from);
        Ok(::audio::analyse(survey, &self.format, input, &rules(), &mut *detection.detector())?)
    }

    fn ratio(&self, took: Duration) -> String {
        format!("{:.0}", self.seconds / took.as_secs_f64())
    }
}

fn rules() -> SegmentRules {
    SegmentRules::new(Duration::from_secs(15))
}

fn silero() -> Result<Detection> {
    Ok(Detection::silero(models::Models::new("").bytes(models::SILERO)?)?)
}

fn detection(report: &mut Report) -> Result<()> {
    let began = Instant::now();
    let detection = silero()?;
    report.line("audio: Silero, loaded after, ms", began.elapsed().as_millis());
    let recording = Recording::of_speech(FRAMES[0].1, TEN_MINUTES - 10)?;
    let (survey, kept) = recording.survey()?;
    let kept = kept.context("it is short enough to be kept")?;
    let listen = || {
        let mut silero = detection.detector();
        let found = ::audio::analyse(survey.clone(), &recording.format, &kept, &rules(), &mut *silero)?;
        anyhow::ensure!(found.speech_ms > 60_000, "{} ms of speech", found.speech_ms);
        Ok(())
    };
    report.line("audio: speech found in speech, × real time on one core (floor 180)", recording.ratio(best(listen)?));
    let survey = best(|| recording.survey().map(drop))?;
    report.line("audio: level, waveform and 16 bits of PCM16, × real time on one core", recording.ratio(survey));
    Ok(())
}

/// Measures both passes together.
fn whole(report: &mut Report) -> Result<()> {
    let detection = silero()?;
    for (name, file) in [FRAMES[0], FRAMES[2]] {
        let recording = Recording::of_speech(file, TEN_MINUTES - 10)?;
        let took = best(|| recording.listen(&detection).map(drop))?;
        report.line(format!("audio: {name}, heard (decoded once), × real time on one core"), recording.ratio(took));
    }
    for name in ["ten minutes of Opus speech", "an hour of Opus speech", "an hour of silence", "an hour of noise"] {
        let [seconds, memory] = alone(name)?;
        report.line(format!("audio: {name}, heard after, s of processor"), format!("{seconds:.2}"));
        report.line(format!("audio: {name}, memory beyond its bytes, MiB"), format!("{memory:.0}"));
    }
    Ok(())
}

fn named(name: &str) -> Result<Recording> {
    match name {
        "ten minutes of Opus speech" => Recording::of_speech(OPUS, TEN_MINUTES - 10),
        "an hour of Opus speech" => Recording::of_speech(OPUS, HOUR),
        // Noise 70 dB below full scale, which is what a converter records in silence.
        "an hour of silence" => noise_of(10),
        "an hour of noise" => noise_of(600),
        odd => anyhow::bail!("{odd} is no recording of this benchmark"),
    }
}

pub const ARGUMENT: &str = "--listen-to";

/// Measures in a process of its own, whose memory nothing else has used: processor time in seconds, and memory in MiB.
fn alone(name: &str) -> Result<[f64; 2]> {
    let output = Command::new(std::env::current_exe()?).args([ARGUMENT, name]).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let (seconds, memory) = said.trim().split_once(' ').context("no figures")?;
    Ok([seconds.parse()?, memory.parse()?])
}

/// The work of that process.
pub fn listen_to(name: &str) -> Result<()> {
    let (recording, detection) = (named(name)?, silero()?);
    // Resets the kernel's peak memory figure.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (before, used) = (memory("VmRSS:")?, cpu()?);
    recording.listen(&detection)?;
    let grown = memory("VmHWM:")?.saturating_sub(before);
    println!("{} {}", (cpu()? - used).as_secs_f64(), grown as f64 / 1024.0);
    Ok(())
}

/// An hour of PCM16 with noise of this peak, in 16-bit steps.
fn noise_of(peak: u32) -> Result<Recording> {
    let mut state = 1u32;
    let mut sample = || {
        // A linear congruential generator, as in Numerical Recipes: its upper bits are random enough for noise.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % (2 * peak + 1)) as i16 - peak as i16
    };
    let mut bytes = Vec::with_capacity(HOUR * 100 * 324);
    for _ in 0..HOUR * 100 {
        bytes.extend(320u32.to_le_bytes());
        bytes.extend((0..160).flat_map(|_| sample().to_le_bytes()));
    }
    Recording::new("audio_x_pcm16_16000_1_fs160_1748300000.bin", bytes)
}

/// The least processor time of several rounds.
fn best(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let used = cpu()?;
        work()?;
        best = best.min(cpu()? - used);
    }
    // At least one tick.
    Ok(best.max(Duration::from_millis(10)))
}

/// Processor time of this process, its ended threads included, in ticks of 10 ms.
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat")?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).context("stat")?.parse::<u64>().context("stat");
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// A figure that the kernel reports about this process, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("status")?;
    Ok(line.split_whitespace().next().context("status")?.parse()?)
}

/// Measures the usual Python way, for comparison.
fn python(report: &mut Report) -> Result<()> {
    let recording = Recording::of_speech(OPUS, TEN_MINUTES)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(OPUS);
    std::fs::write(&path, &recording.bytes)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/opus_to_wav.py");
    let pythons =
        [Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python"), PathBuf::from("python3")];
    let said = pythons.iter().find_map(|python| {
        let output = Command::new(python).arg(&script).arg(&path).arg(folder.path().join("out.wav")).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<f64>().ok()
    });
    let Some(theirs) = said else {
        println!("audio: the Python way is left out: `pip install opuslib`, with libopus0, to measure it");
        return Ok(());
    };
    let one = wall(|| recording.decode())?;
    let two = wall(|| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| recording.decode());
            recording.decode()?;
            other.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
        })
    })?;
    let times = |ours: Duration| format!("{:.1}", theirs / ours.as_secs_f64());
    report.line("audio: Opus decode to the Python way, on one core (floor 2.4)", times(one));
    report.line("audio: Opus decode to the Python way, on two cores (floor 4)", times(two / 2));
    Ok(())
}

fn wall(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        work()?;
        best = best.min(began.elapsed());
    }
    Ok(best)
}
