//! A decoder that can begin anew: beside it stand the last packets that it was given, which lead another one to where it
//! is. What the other one makes of the same packets is the same for everybody who begins there.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame_decoder::FrameDecoder;
use crate::steps::{Step, decode};

/// Of uncompressed audio of many channels less than the wanted time is kept.
const MOST_BYTES: usize = 4 << 20;
/// Packets without any sound take no time: they are not kept without end.
const MOST_PACKETS: usize = 4_096;

pub(crate) struct Rolling {
    decoder: Box<dyn FrameDecoder>,
    recent: VecDeque<Packet>,
    bytes: usize,
    samples: usize,
    /// How long packets are kept at hand.
    keeps: Duration,
    /// Packets so far, passed ones included.
    given: u64,
    /// What one packet sounds like.
    one: Vec<f32>,
    /// Rooms of packets that are not kept any more.
    spare: Vec<Vec<u8>>,
}

struct Packet {
    data: Vec<u8>,
    /// Where in the file it was found.
    place: u64,
    /// How many samples a channel it gave.
    samples: usize,
}

/// The packets that lead to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The number of the first, and where in the file it was found.
    pub first: u64,
    pub place: u64,
    /// Packets so far: the last one leads there too.
    pub given: u64,
}

impl Rolling {
    pub fn new(decoder: Box<dyn FrameDecoder>, keeps: Duration) -> Self {
        let (recent, one, spare) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { decoder, recent, bytes: 0, samples: 0, keeps, given: 0, one, spare }
    }

    /// Another stream begins.
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

    /// Appends what the packet sounds like.
    pub fn decode(&mut self, packet: &[u8], place: u64, out: &mut Vec<f32>) -> Step {
        let (before, rate) = (out.len(), self.rate());
        let step = decode(&mut *self.decoder, packet, out);
        if self.rate() != rate {
            // Another rate begins: what was before it leads nobody here.
            self.forget();
        }
        let samples = (out.len() - before) / self.channels().max(1);
        self.keep(packet, place, samples);
        self.drop_what_is_older_than(self.keeps);
        self.given += 1;
        step
    }

    /// Packets that nobody wants to hear.
    pub fn pass(&mut self, packets: u64) {
        self.given += packets;
    }

    /// A packet that leads to where decoding begins.
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

    /// The first packets go as long as those behind them last that long.
    fn drop_what_is_older_than(&mut self, time: Duration) {
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

    /// Nothing that was before leads to what is next.
    pub fn forget(&mut self) {
        while !self.recent.is_empty() {
            self.drop_first();
        }
    }

    /// Begins anew: a decoder that knows nothing but the packets of the last `time` (`None`: all that are at hand) stands
    /// where this one stood. Gives what they sound like to it to `out`, packet by packet and with the number of channels.
    /// `None`: to the new one they are of another rate, or there can be no new one. Then nothing has changed.
    pub fn begin_anew(&mut self, time: Option<Duration>, out: &mut dyn FnMut(&[f32], usize)) -> Option<Lead> {
        let mut decoder = self.decoder.fresh()?;
        if let Some(time) = time {
            self.drop_what_is_older_than(time);
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
        // Who goes on here knows no other lengths: both have to forget the same packets at the same time.
        self.samples = lengths.iter().map(|(samples, _)| samples).sum();
        self.recent.iter_mut().zip(lengths).for_each(|(packet, (samples, _))| packet.samples = samples);
        Some(lead)
    }
}
