//! Reads a recording as samples at 16 kHz, of one channel or two, piece by piece, in reused buffers.

use std::io::Read;
use std::time::Duration;

use domain::Format;

use crate::channel_loss::ChannelLoss;
use crate::channels::{Piece, Tracks, count_unusable};
use crate::decode::decoder;
use crate::decoded::Counter;
use crate::error::AudioError;
#[cfg(test)]
use crate::frame_decoder::FrameDecoder;
use crate::framed::Framed;
use crate::frames::{Damage, Frames};
use crate::grid::Grid;
use crate::input::Input;
use crate::kept_samples::Replay;
use crate::offset_removal::Condition;
use crate::packed::{Packer, Unpacker};
use crate::resample::{RATE, Resampler, first_from};
use crate::restart_points::{RestartPoint, RestartPoints};
use crate::restartable_decoder::Rolling;
use crate::sample_source::{Step, Steps};
use crate::sound;
use crate::stats::ReadStats;

/// The longest recording. Two days: one day, doubled for a device that stays on.
/// Offsets in u32 milliseconds would last for 49 days; the limit comes from the memory of the loudness track.
pub const MAX_DURATION: Duration = Duration::from_secs(48 * 3600);

const MAX_SAMPLES: u64 = MAX_DURATION.as_secs() * RATE as u64;

/// The processing of one channel.
#[derive(Clone)]
struct ChannelPath {
    resampler: Resampler,
    condition: Option<Condition>,
}

impl ChannelPath {
    /// A new path for input that begins with this sample, with a conditioner if `like` has one.
    fn beginning_at(rate: u32, start: u64, like: &Self) -> Self {
        let condition = like.condition.is_some().then(Condition::default);
        Self { resampler: Resampler::starting_at(rate, start), condition }
    }

    fn change_rate(&mut self, rate: u32, out: &mut Vec<f32>) {
        self.resampler.finish(out);
        self.resampler = Resampler::new(rate);
    }

    fn condition(&mut self, out: &mut [f32]) {
        if let Some(condition) = &mut self.condition {
            condition.apply(out);
        }
    }
}

/// A restart point, returned before the samples behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReachedPoint<'s> {
    pub number: u32,
    /// The first sample behind the restart point.
    pub sample: u64,
    /// The samples just before the restart point, as a run hears them that restarts here.
    pub warm: Piece<'s>,
}

/// The next item.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<'s> {
    /// The next samples, possibly none.
    Samples(Piece<'s>),
    RestartPoint(ReachedPoint<'s>),
}

struct PassedPoint {
    number: u32,
    reported: bool,
    warm: Tracks,
    rest: Tracks,
}

pub(crate) struct Samples<'r> {
    steps: Box<dyn Steps + 'r>,
    /// The input was decoded and conditioned before.
    replayed: bool,
    rate: u32,
    stepped: Vec<f32>,
    decoded: Tracks,
    out: Tracks,
    left: ChannelPath,
    /// The path of the second channel, once there is one.
    right: Option<ChannelPath>,
    over: bool,
    stats: ReadStats,
    channel_loss: ChannelLoss,
    grid: Grid,
    /// The number of the next restart point.
    next: u32,
    points: RestartPoints,
    /// Samples at 16 kHz before the recording had its present rate, and samples since then, at that rate.
    base: u64,
    native: u64,
    decoded_so_far: Counter,
    /// The restart point that has just passed, and the samples around it.
    behind: Option<PassedPoint>,
    /// The limit: [`MAX_DURATION`], or less in tests, which cannot wait for two days of audio.
    pub most: u64,
}

impl<'r> Samples<'r> {
    pub fn new(format: &Format, input: impl Into<Input<'r>>) -> Result<Self, AudioError> {
        Self::opened_at(None, format, input)
    }

    /// Like [`new`](Self::new), but the input begins at the byte of a restart point.
    pub fn opened_at(
        point: Option<&RestartPoint>,
        format: &Format,
        input: impl Into<Input<'r>>,
    ) -> Result<Self, AudioError> {
        match (format, input.into()) {
            (_, Input::Kept(kept)) => Ok(Self { replayed: true, ..Self::of(Box::new(Replay::of(kept))) }),
            (Format::Frames(frames), input) => {
                let decoder = Rolling::new(decoder(frames)?, Grid::default().longest_lead());
                Ok(Self::framed(point, decoder, input.stream()))
            }
            (Format::Sound(_), input) => Ok(Self::of(sound::open(input)?)),
        }
    }

    fn framed(point: Option<&RestartPoint>, mut decoder: Rolling, read: impl Read + 'r) -> Self {
        let mut frames = Frames::new(read);
        if let Some(point) = point {
            frames.resume_at(point.source.byte, point.source.first);
            decoder.pass(point.source.first);
        }
        Self::of(Box::new(Framed::new(frames, decoder)))
    }

    #[cfg(test)]
    pub fn with(decoder: Box<dyn FrameDecoder>, read: impl Read + 'r) -> Self {
        Self::framed(None, Rolling::new(decoder, Duration::ZERO), read)
    }

    /// Uses a grid with restart points that a test can wait for.
    #[cfg(test)]
    pub fn on(mut self, grid: Grid) -> Self {
        self.grid = grid;
        self
    }

    pub fn of(steps: Box<dyn Steps + 'r>) -> Self {
        let rate = steps.rate();
        Self {
            steps,
            replayed: false,
            rate,
            stepped: Vec::new(),
            decoded: Tracks::default(),
            out: Tracks::default(),
            left: ChannelPath { resampler: Resampler::new(rate), condition: None },
            right: None,
            over: false,
            stats: ReadStats::default(),
            channel_loss: ChannelLoss::default(),
            grid: Grid::default(),
            next: 0,
            points: RestartPoints::default(),
            base: 0,
            native: 0,
            decoded_so_far: Counter::default(),
            behind: None,
            most: MAX_SAMPLES,
        }
    }

    /// Conditions the samples for listeners: without offset, in 16 bits. Kept samples were conditioned before.
    pub fn conditioned(mut self) -> Self {
        self.left.condition = (!self.replayed).then(Condition::default);
        self
    }

    /// Limits the duration: reading ends with an error behind this, or behind [`MAX_DURATION`].
    pub fn within(mut self, most: Duration) -> Self {
        let samples = most.as_millis().saturating_mul(u128::from(RATE / 1000));
        self.most = u64::try_from(samples).unwrap_or(u64::MAX).min(self.most);
        self
    }

    /// Returns the next samples, possibly none, without reporting restart points; `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, AudioError> {
        if self.behind.as_ref().is_some_and(|behind| !behind.reported) {
            self.mark_reported();
        }
        if !self.read()? {
            return Ok(None);
        }
        Ok(Some(self.out.piece()))
    }

    /// Returns the next samples, or the restart point behind which they lie; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Next<'_>>, AudioError> {
        if self.behind.as_ref().is_some_and(|behind| !behind.reported) {
            self.mark_reported();
            return Ok(self.behind.as_ref().map(|behind| {
                let (number, sample) = (behind.number, self.grid.at(behind.number));
                Next::RestartPoint(ReachedPoint { number, sample, warm: behind.warm.piece() })
            }));
        }
        Ok(if self.read()? { Some(Next::Samples(self.out.piece())) } else { None })
    }

    fn mark_reported(&mut self) {
        if let Some(behind) = &mut self.behind {
            behind.reported = true;
        }
    }

    /// Reads the next samples into `out`. Returns false at the end.
    fn read(&mut self) -> Result<bool, AudioError> {
        if let Some(behind) = self.behind.take() {
            self.out = behind.rest;
        } else if self.over {
            return Ok(false);
        } else {
            self.step()?;
        }
        self.stats.samples += self.out.left.len() as u64;
        if self.stats.samples > self.most { Err(AudioError::TooLong) } else { Ok(true) }
    }

    fn step(&mut self) -> Result<(), AudioError> {
        self.stepped.clear();
        self.decoded.clear();
        self.out.clear();
        match self.steps.step(&mut self.stepped)? {
            Some(step) => self.take(step),
            None => {
                self.over = true;
                self.each(|path, _, out| path.resampler.finish(out));
            }
        }
        self.each(|path, _, out| path.condition(out));
        let end = self.stats.samples + self.out.left.len() as u64;
        match self.grid.last_before(end).filter(|number| *number >= self.next && !self.over) {
            Some(number) => self.restart(number),
            None => Ok(()),
        }
    }

    /// Restarts decoding at a restart point that lies within the samples just read. The samples behind the restart
    /// point come from the restarted decoder.
    fn restart(&mut self, number: u32) -> Result<(), AudioError> {
        self.next = number + 1;
        // A run that restarts here knows nothing of what came before.
        self.channel_loss = ChannelLoss::default();
        let mut lead_samples = self.empty();
        let Some(source) = self.steps.restart(self.grid.lead(number), &mut lead_samples)? else { return Ok(()) };
        let (base, native, rate, stereo) = (self.base, self.native, self.rate, self.right.is_some());
        let point = RestartPoint { number, source, base, native, rate, stereo };
        if self.lead_to(&point, lead_samples) {
            self.points.remember(point);
            let left = (self.grid.at(number) - self.stats.samples) as usize;
            self.out.left.truncate(left);
            self.out.right.iter_mut().for_each(|right| right.truncate(left));
        }
        Ok(())
    }

    /// Jumps to a known restart point that lies ahead. `stats` holds the counts up to the restart point.
    pub fn resume_at(&mut self, point: &RestartPoint, stats: ReadStats) -> Result<(), AudioError> {
        if point.stereo && self.right.is_none() {
            self.right = Some(self.left.clone());
            (self.decoded.right, self.out.right) = (Some(Vec::new()), Some(Vec::new()));
        }
        let mut lead_samples = self.empty();
        if !self.steps.resume_at(&point.source, &mut lead_samples)? || self.steps.rate() != point.rate {
            return Err(AudioError::NoSuchRestartPoint);
        }
        (self.base, self.native, self.rate, self.next) = (point.base, point.native, point.rate, point.number + 1);
        self.stats = stats;
        self.stats.samples = self.grid.at(point.number);
        if self.lead_to(point, lead_samples) { Ok(()) } else { Err(AudioError::NoSuchRestartPoint) }
    }

    /// Returns empty tracks with as many channels as the recording has had.
    fn empty(&self) -> Tracks {
        Tracks { left: Vec::new(), right: self.right.as_ref().map(|_| Vec::new()) }
    }

    /// Sets up new paths and passes the samples that lead to a restart point through them. Returns false if they do not
    /// reach the restart point.
    fn lead_to(&mut self, point: &RestartPoint, mut lead_samples: Tracks) -> bool {
        if lead_samples.right.is_some() != self.right.is_some() {
            // Only the lead has a second channel, which the recording has not had so far.
            return false;
        }
        self.decoded_so_far.add(lead_samples.left.len(), self.rate);
        lead_samples.keep_last(usize::try_from(self.native).unwrap_or(usize::MAX));
        let (start, at) = (self.native - lead_samples.left.len() as u64, self.grid.at(point.number));
        let first = self.base + first_from(self.rate, start);
        let mut left = ChannelPath::beginning_at(self.rate, start, &self.left);
        let mut right = self.right.as_ref().map(|path| ChannelPath::beginning_at(self.rate, start, path));
        let mut out = self.empty();
        left.resampler.push(&lead_samples.left, &mut out.left);
        left.condition(&mut out.left);
        if let (Some(path), Some(lead_samples), Some(out)) = (&mut right, &lead_samples.right, &mut out.right) {
            path.resampler.push(lead_samples, out);
            path.condition(out);
        }
        let Some(before) = at.checked_sub(first).and_then(|before| usize::try_from(before).ok()) else { return false };
        if before >= out.left.len() {
            return false;
        }
        (self.left, self.right) = (left, right);
        let rest = out.split_off(before);
        self.behind = Some(PassedPoint { number: point.number, reported: false, warm: out, rest });
        true
    }

    fn take(&mut self, step: Step) {
        let channels = self.steps.channels();
        self.decoded.push(&self.stepped, channels);
        if self.decoded.right.is_some() && self.right.is_none() {
            // Up to now the second channel was the same as the first.
            self.right = Some(self.left.clone());
            self.out.right = Some(Vec::new());
        }
        if self.steps.rate() != self.rate {
            let rate = self.steps.rate();
            self.rate = rate;
            self.each(|path, _, out| path.change_rate(rate, out));
            (self.base, self.native) = (self.stats.samples + self.out.left.len() as u64, 0);
        }
        let lost = self.channel_loss.push(&self.stepped, channels, &self.decoded, self.rate);
        self.stats.miss((count_unusable(&self.stepped) / channels.max(1)) as u64, self.rate, lost);
        self.stats.take(&step, self.rate);
        self.native += self.decoded.left.len() as u64;
        if !self.replayed {
            self.decoded_so_far.add(self.decoded.left.len(), self.rate);
        }
        self.each(|path, decoded, out| path.resampler.push(decoded, out));
    }

    /// Calls `work` for each channel with its path, its decoded samples, and its output.
    fn each(&mut self, mut work: impl FnMut(&mut ChannelPath, &[f32], &mut Vec<f32>)) {
        work(&mut self.left, &self.decoded.left, &mut self.out.left);
        if let (Some(path), Some(decoded), Some(out)) = (&mut self.right, &self.decoded.right, &mut self.out.right) {
            work(path, decoded, out);
        }
    }

    pub fn damage(&self) -> Damage {
        self.steps.damage()
    }

    /// Saves what the source has met and not reported yet.
    pub fn pack(&self, to: &mut Packer) {
        self.steps.pack(to);
    }

    pub fn unpack(&mut self, from: &mut Unpacker) -> Option<()> {
        self.steps.unpack(from)
    }

    pub fn stats(&self) -> ReadStats {
        self.stats
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The restart points that were passed.
    pub fn restart_points(&self) -> &RestartPoints {
        &self.points
    }

    /// Adds restart points that are known from before.
    pub fn with_restart_points(mut self, points: RestartPoints) -> Self {
        self.points = points;
        self
    }
}

#[cfg(test)]
mod tests;
