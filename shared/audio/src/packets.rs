//! The second pass for an engine that accepts Opus: returns the original packets of each segment without decoding them.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use domain::{Codec, Format, Levels, name::SoundFile};

use crate::channels::Tracks;
use crate::cut::{self, cut_from, cut_samples, sample_at};
use crate::error::AudioError;
use crate::frame_decoder::FrameDecoder;
use crate::frames::Frames;
use crate::input::Input;
use crate::mix::{MixedSamples, Mixer};
use crate::offset_removal::Condition;
use crate::opus::{Lengths, Opus};
use crate::resample::RATE;
use crate::sample_source::decode;
use crate::samples::Samples;
use crate::segment::Span;
use crate::sound::{self, Coding, MOST_PADDING, Part, Parts, Stream};

/// A decoder looks 6.5 ms ahead: a reader that takes the packets as a file of their own drops that much at their start.
const LOOK_AHEAD: u64 = RATE as u64 * 65 / 10_000;
/// The memory that a packet takes besides its bytes.
const PACKET_COST: usize = 32;

/// The audio of a span in the form that an engine accepts.
#[derive(Debug)]
pub enum Cut {
    /// Mono, 16 kHz.
    Samples(Vec<f32>),
    Packets(Packets),
}

/// Opus packets as they were recorded. A packet that cannot be decoded is replaced by a lost packet of the same length.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Packets {
    pub packets: Vec<Vec<u8>>,
    /// How long before the span the first packet begins: at least 6.5 ms, except at the start of the recording.
    pub lead: Duration,
    /// The length of the span, or less if the recording ends within it.
    pub duration: Duration,
}

/// Whether a recording of this format may consist of Opus packets. Only its bytes tell whether it does.
pub fn has_packets(format: &Format) -> bool {
    match format {
        Format::Frames(frames) => matches!(frames.codec, Codec::Opus | Codec::OpusFs320),
        Format::Sound(kind) => matches!(kind, SoundFile::Ogg | SoundFile::Opus | SoundFile::Webm),
    }
}

/// Like [`cut`](crate::cut), but gives `sink` the Opus packets of a recording that consists of them, in a device file
/// or a sound file, if its levels are near those at which it was recorded. A span whose packets would take more memory
/// than its samples is decoded instead.
pub fn cut_packets<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    levels: &Levels,
    spans: &[Span],
    sink: &mut dyn FnMut(Span, Cut) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    let input = input.into();
    let mut samples = |samples: Samples<'_>| {
        cut_samples(MixedSamples::new(samples, levels), spans, &mut |span, cut| sink(span, Cut::Samples(cut)))
    };
    match format {
        _ if matches!(input, Input::Kept(_)) || !levels.is_near_one() => samples(Samples::new(format, input)?),
        Format::Frames(frames) if matches!(frames.codec, Codec::Opus | Codec::OpusFs320) => {
            let source = Source::Frames(Frames::new(input.stream()));
            Cutter { source, lengths: Lengths::named(frames), skip: 0 }.cut(spans, sink)
        }
        Format::Sound(_) => {
            let mut parts = sound::parts(input)?;
            match parts.next(&mut Vec::new())? {
                Some(Part::Stream(Stream { coding: Coding::Opus, skip, .. })) => {
                    let source = Source::Sound { parts, data: Vec::new() };
                    Cutter { source, lengths: Lengths::of(sound::OPUS_SAMPLES), skip }.cut(spans, sink)
                }
                Some(Part::Stream(stream)) => samples(Samples::of(sound::decoded(parts, stream)?)),
                _ => Err(sound::NO_AUDIO),
            }
        }
        Format::Frames(_) => samples(Samples::new(format, input)?),
    }
}

enum Source<'r> {
    Frames(Frames<'r>),
    Sound { parts: Box<dyn Parts + 'r>, data: Vec<u8> },
}

/// The next item of a source.
enum Next<'s> {
    Packet(&'s [u8], Option<u64>),
    Stream(Stream),
    End,
}

impl Source<'_> {
    fn next(&mut self) -> Result<Next<'_>, AudioError> {
        match self {
            Self::Frames(frames) => Ok(frames.next_frame()?.map_or(Next::End, |frame| Next::Packet(frame, None))),
            Self::Sound { parts, data } => Ok(match parts.next(data)? {
                Some(Part::Packet { until, .. }) => Next::Packet(data, until),
                Some(Part::Stream(stream)) => Next::Stream(stream),
                None => Next::End,
            }),
        }
    }
}

/// A packet and its position, in samples at 16 kHz.
struct Packet {
    at: u64,
    end: u64,
    data: Vec<u8>,
}

struct Cutter<'r> {
    source: Source<'r>,
    lengths: Lengths,
    /// Samples that the encoder put before the audio.
    skip: u64,
}

impl Cutter<'_> {
    fn cut(mut self, spans: &[Span], sink: &mut dyn FnMut(Span, Cut) -> ControlFlow<()>) -> Result<(), AudioError> {
        let mut left = spans.iter().copied();
        let Some(first) = left.next() else { return Ok(()) };
        let mut open = Open::new(first, self.skip);
        // Packets that the span after this one may need too.
        let mut recent = VecDeque::<Packet>::new();
        let (mut at, mut ends_at) = (0, None);
        loop {
            let data = match self.source.next()? {
                Next::End => break,
                Next::Packet(data, until) => {
                    ends_at = until;
                    self.lengths.decodable(data)
                }
                Next::Stream(stream) => {
                    at = self.end_of_stream(at, ends_at.take());
                    if matches!(stream.coding, Coding::Opus) {
                        // Packets of the new stream are placed by when they are heard; what the encoder added lies
                        // before that.
                        at = at.saturating_sub(stream.skip);
                        continue;
                    }
                    let mut samples = open.samples()?;
                    // Removes the padding of the stream that ended.
                    samples.truncate(usize::try_from(at.saturating_sub(open.start)).unwrap_or(usize::MAX));
                    let open = cut::Open { samples, span: open.span };
                    return self.cut_decoded(stream, at, open, left, sink);
                }
            };
            let packet = Packet { at, end: at + self.lengths.last(), data };
            at = packet.end;
            while recent.front().is_some_and(|old| old.end + LOOK_AHEAD <= packet.at) {
                recent.pop_front();
            }
            open.take(&packet)?;
            recent.push_back(packet);
            while at >= open.end {
                let next = left.next();
                let full = std::mem::replace(&mut open, Open::new(next.unwrap_or(first), self.skip));
                let more = sink(full.span, full.close());
                if next.is_none() || more.is_break() {
                    return Ok(());
                }
                recent.iter().try_for_each(|packet| open.take(packet))?;
            }
        }
        // The recording ends before its spans do.
        if sink(open.span, open.close()).is_continue() {
            let _ = left.try_for_each(|span| sink(span, Cut::Samples(Vec::new())));
        }
        Ok(())
    }

    /// Returns the end of the stream without the padding that the first pass removed there.
    fn end_of_stream(&self, at: u64, ends_at: Option<u64>) -> u64 {
        let heard = at.saturating_sub(self.skip);
        let padding = ends_at.map_or(0, |until| heard.saturating_sub(until));
        if padding <= MOST_PADDING as u64 { at - padding } else { at }
    }

    /// Continues with samples where another codec begins.
    fn cut_decoded(
        self,
        stream: Stream,
        at: u64,
        open: cut::Open,
        left: impl Iterator<Item = Span>,
        sink: &mut dyn FnMut(Span, Cut) -> ControlFlow<()>,
    ) -> Result<(), AudioError> {
        let Source::Sound { parts, .. } = self.source else { return Ok(()) };
        let samples = MixedSamples::new(Samples::of(sound::decoded(parts, stream)?), &Levels::default());
        let at = at.saturating_sub(self.skip);
        cut_from(samples, at, open, left, &mut |span, samples| sink(span, Cut::Samples(samples)))
    }
}

struct Open {
    span: Span,
    start: u64,
    end: u64,
    packets: Vec<Vec<u8>>,
    bytes: usize,
    /// The start of the first packet and the end of the last one.
    covered: Option<(u64, u64)>,
    decoded: Option<Decoding>,
}

/// A span that is decoded instead of returned as packets.
struct Decoding {
    decoder: Opus,
    packet: Vec<f32>,
    samples: Tracks,
}

impl Open {
    fn new(span: Span, skip: u64) -> Self {
        let (start, end) = (sample_at(span.start_ms) + skip, sample_at(span.end_ms) + skip);
        Self { span, start, end, packets: Vec::new(), bytes: 0, covered: None, decoded: None }
    }

    fn take(&mut self, packet: &Packet) -> Result<(), AudioError> {
        if packet.end + LOOK_AHEAD <= self.start || packet.at >= self.end {
            return Ok(());
        }
        let (first, _) = self.covered.unwrap_or((packet.at, packet.end));
        self.covered = Some((first, packet.end));
        if let Some(decoding) = &mut self.decoded {
            decoding.push(&packet.data);
            return Ok(());
        }
        self.packets.push(packet.data.clone());
        self.bytes += packet.data.len() + PACKET_COST;
        // The memory that the samples would take. Opus at its best quality takes less.
        let most = usize::try_from(self.end - self.start).unwrap_or(usize::MAX).saturating_mul(size_of::<f32>());
        if self.bytes > most.max(MOST_AT_ONCE) {
            let mut decoding = Decoding::new()?;
            std::mem::take(&mut self.packets).iter().for_each(|packet| decoding.push(packet));
            self.decoded = Some(decoding);
        }
        Ok(())
    }

    /// Returns the samples of the span that are available, from its start on.
    fn samples(&mut self) -> Result<Vec<f32>, AudioError> {
        let Some((first, last)) = self.covered else { return Ok(Vec::new()) };
        let mut decoding = match self.decoded.take() {
            Some(decoding) => decoding,
            None => Decoding::new()?,
        };
        std::mem::take(&mut self.packets).iter().for_each(|packet| decoding.push(packet));
        let mut samples = decoding.into_samples();
        let (lead, length) = (self.start.saturating_sub(first), self.end.min(last).saturating_sub(self.start));
        samples.drain(..usize::try_from(lead).unwrap_or(usize::MAX).min(samples.len()));
        samples.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(samples)
    }

    fn close(self) -> Cut {
        let Some((first, last)) = self.covered else { return Cut::Samples(Vec::new()) };
        let lead = self.start.saturating_sub(first);
        let length = self.end.min(last).saturating_sub(self.start);
        if let Some(decoding) = self.decoded {
            let mut samples = decoding.into_samples();
            samples.drain(..usize::try_from(lead).unwrap_or(usize::MAX).min(samples.len()));
            samples.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            return Cut::Samples(samples);
        }
        if length == 0 {
            return Cut::Samples(Vec::new());
        }
        Cut::Packets(Packets { packets: self.packets, lead: lasting(lead), duration: lasting(length) })
    }
}

/// The size up to which a span is never decoded: short spans have few packets, and these may be long.
const MOST_AT_ONCE: usize = 256 * 1024;

impl Decoding {
    fn new() -> Result<Self, AudioError> {
        let decoder = Opus::lasting(sound::OPUS_SAMPLES)?;
        Ok(Self { decoder, packet: Vec::new(), samples: Tracks::default() })
    }

    fn push(&mut self, packet: &[u8]) {
        self.packet.clear();
        decode(&mut self.decoder as &mut dyn FrameDecoder, packet, &mut self.packet);
        self.samples.push(&self.packet, self.decoder.channels());
    }

    /// Returns the samples without any gain, because only recordings with a gain near one are cut into packets.
    fn into_samples(mut self) -> Vec<f32> {
        let mut heard = Vec::with_capacity(self.samples.left.len());
        Condition::default().apply(&mut self.samples.left);
        if let Some(right) = &mut self.samples.right {
            Condition::default().apply(right);
        }
        Mixer::new(&Levels::default()).push(self.samples.piece(), &mut heard);
        heard
    }
}

fn lasting(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / u64::from(RATE))
}

#[cfg(test)]
mod tests;
