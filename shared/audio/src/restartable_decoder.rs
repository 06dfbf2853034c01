//! A decoder that can be replaced by a fresh one. It keeps the last packets, which bring the fresh decoder to the
//! current position. What the fresh decoder makes of these packets is the same for every run that restarts there.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame_decoder::FrameDecoder;
use crate::sample_source::{Step, decode};

/// The limit on kept bytes. For uncompressed audio with many channels, less than the wanted time is kept.
const MOST_BYTES: usize = 4 << 20;
/// The limit on kept packets. Packets without audio take no time, so time alone does not limit them.
const MOST_PACKETS: usize = 4_096;

pub(crate) struct Rolling {
    decoder: Box<dyn FrameDecoder>,
    recent: VecDeque<Packet>,
    bytes: usize,
    samples: usize,
    /// How much audio the kept packets cover.
    keeps: Duration,
    /// The number of packets so far, including those that were passed without decoding.
    given: u64,
    /// The decoded samples of one packet.
    one: Vec<f32>,
    /// Buffers of packets that are no longer kept.
    spare: Vec<Vec<u8>>,
}

struct Packet {
    data: Vec<u8>,
    /// The packet's position in the file.
    place: u64,
    /// The number of samples per channel that it decoded to.
    samples: usize,
}

/// The packets that lead to a restart point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The number of the first packet, and its position in the file.
    pub first: u64,
    pub place: u64,
    /// The number of packets so far, including the last one that leads to the restart point.
    pub given: u64,
}

impl Rolling {
    pub fn new(decoder: Box<dyn FrameDecoder>, keeps: Duration) -> Self {
        let (recent, one, spare) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { decoder, recent, bytes: 0, samples: 0, keeps, given: 0, one, spare }
    }

    /// Starts another stream with this decoder.
    pub fn change(&mut self, decoder: Box<dyn FrameDecoder>) {
        self.decoder = decoder;
        self.forget();
    }

    pub fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    pub fn channels(&self) -> usize {
        self.decoder.channels()
    }

    pub fn given(&self) -> u64 {
        self.given
    }

    /// Decodes the packet and appends its samples.
    pub fn decode(&mut self, packet: &[u8], place: u64, out: &mut Vec<f32>) -> Step {
        let (before, rate) = (out.len(), self.rate());
        let step = decode(&mut *self.decoder, packet, out);
        if self.rate() != rate {
            // The rate has changed: the packets before cannot lead to what follows.
            self.forget();
        }
        let samples = (out.len() - before) / self.channels().max(1);
        self.keep(packet, place, samples);
        self.drop_older_than(self.keeps);
        self.given += 1;
        step
    }

    /// Counts packets that are skipped without decoding.
    pub fn pass(&mut self, packets: u64) {
        self.given += packets;
    }

    /// Keeps a packet that leads to the position at which decoding restarts.
    pub fn lead(&mut self, packet: &[u8], place: u64) {
        self.keep(packet, place, 0);
        self.given += 1;
    }

    fn keep(&mut self, packet: &[u8], place: u64, samples: usize) {
        let mut data = self.spare.pop().unwrap_or_default();
        data.clear();
        data.extend_from_slice(packet);
        self.bytes += data.len();
        self.samples += samples;
        self.recent.push_back(Packet { data, place, samples });
    }

    /// Drops the oldest packets as long as the others cover this time.
    fn drop_older_than(&mut self, time: Duration) {
        let wanted = time.as_micros() * u128::from(self.rate()) / 1_000_000;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        while let Some(first) = self.recent.front()
            && (self.samples - first.samples >= wanted || self.bytes > MOST_BYTES || self.recent.len() > MOST_PACKETS)
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.recent.pop_front() {
            self.bytes -= first.data.len();
            self.samples -= first.samples;
            self.spare.push(first.data);
        }
    }

    /// Drops all kept packets, because they do not lead to what follows.
    pub fn forget(&mut self) {
        while !self.recent.is_empty() {
            self.drop_first();
        }
    }

    /// Restarts: replaces the decoder by a fresh one that has received only the packets of the last `time` (`None`: all
    /// kept packets). Passes the fresh decoder's samples of these packets to `out`, packet by packet, with the number
    /// of channels. Returns `None` and changes nothing if the fresh decoder has another rate, or if there can be none.
    pub fn restart(&mut self, time: Option<Duration>, out: &mut dyn FnMut(&[f32], usize)) -> Option<Lead> {
        let mut decoder = self.decoder.fresh()?;
        if let Some(time) = time {
            self.drop_older_than(time);
        }
        let (mut sounds, mut lengths) = (Vec::new(), Vec::with_capacity(self.recent.len()));
        for packet in &self.recent {
            self.one.clear();
            decode(&mut *decoder, &packet.data, &mut self.one);
            let channels = decoder.channels().max(1);
            lengths.push((self.one.len() / channels, channels));
            sounds.extend_from_slice(&self.one);
        }
        let first = self.recent.front().filter(|_| decoder.rate() == self.decoder.rate())?;
        let lead = Lead { first: self.given - self.recent.len() as u64, place: first.place, given: self.given };
        let mut from = 0;
        for (samples, channels) in &lengths {
            out(&sounds[from..from + samples * channels], *channels);
            from += samples * channels;
        }
        self.decoder = decoder;
        // A run that continues here knows only these lengths; both runs have to drop the same packets at the same time.
        self.samples = lengths.iter().map(|(samples, _)| samples).sum();
        self.recent.iter_mut().zip(lengths).for_each(|(packet, (samples, _))| packet.samples = samples);
        Some(lead)
    }
}
