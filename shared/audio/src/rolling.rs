//! A decoder that can begin anew: beside it stand the last packets that it was given, which lead another one to where it
//! is. What the other one makes of the same packets is the same for everybody who begins there.

use std::collections::VecDeque;
use std::time::Duration;

use crate::decode::FrameDecoder;
use crate::error::AudioError;
use crate::samples::{Step, decode};

/// Of uncompressed audio of many channels less than the wanted time is kept.
const MOST_BYTES: usize = 4 << 20;
/// Packets without any sound take no time: they are not kept without end.
const MOST_PACKETS: usize = 4_096;

/// Makes the recording's decoder, as it was at its start.
pub(crate) type Make = Box<dyn Fn() -> Result<Box<dyn FrameDecoder>, AudioError> + Send>;

pub(crate) struct Rolling {
    make: Make,
    decoder: Box<dyn FrameDecoder>,
    recent: VecDeque<Packet>,
    bytes: usize,
    samples: usize,
    /// How long packets are kept at hand.
    keeps: Duration,
    /// Packets so far.
    given: u64,
    /// Rooms of packets that are not kept any more.
    spare: Vec<Vec<u8>>,
}

struct Packet {
    data: Vec<u8>,
    /// How many samples a channel it gave.
    samples: usize,
}

impl Rolling {
    pub fn new(make: Make, keeps: Duration) -> Result<Self, AudioError> {
        let decoder = make()?;
        let (recent, spare) = (VecDeque::new(), Vec::new());
        Ok(Self { make, decoder, recent, bytes: 0, samples: 0, keeps, given: 0, spare })
    }

    pub fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    /// Packets so far, passed ones included.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Appends what the packet sounds like.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Step {
        let (before, rate) = (out.len(), self.rate());
        let step = decode(&mut *self.decoder, packet, out);
        if self.rate() != rate {
            // Another rate begins: what is before it leads nobody here.
            self.forget();
        }
        self.keep(packet, out.len() - before);
        step
    }

    /// A packet that nobody wants to hear.
    pub fn pass(&mut self) {
        self.given += 1;
    }

    /// A packet that leads to where decoding begins.
    pub fn lead(&mut self, packet: &[u8]) {
        self.keep(packet, 0);
    }

    fn keep(&mut self, packet: &[u8], samples: usize) {
        self.given += 1;
        let mut data = self.spare.pop().unwrap_or_default();
        data.clear();
        data.extend_from_slice(packet);
        self.bytes += data.len();
        self.samples += samples;
        self.recent.push_back(Packet { data, samples });
        self.drop_what_is_older_than(self.keeps);
    }

    /// The first packets go as long as those behind them last that long.
    fn drop_what_is_older_than(&mut self, time: Duration) {
        let wanted = usize::try_from(time.as_micros() * u128::from(self.rate()) / 1_000_000).unwrap_or(usize::MAX);
        while let Some(first) = self.recent.front()
            && (self.samples - first.samples >= wanted
                || self.bytes > MOST_BYTES
                || self.recent.len() > MOST_PACKETS)
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

    fn forget(&mut self) {
        while !self.recent.is_empty() {
            self.drop_first();
        }
    }

    /// Begins anew: a decoder that knows nothing but the packets of the last `time` stands where this one stood. Appends
    /// what these sound like to it, and says how many they are. `None`: to the new one they are of another rate; nothing
    /// has changed.
    pub fn begin_anew(&mut self, time: Duration, out: &mut Vec<f32>) -> Result<Option<u64>, AudioError> {
        let mut decoder = (self.make)()?;
        self.drop_what_is_older_than(time);
        let (from, mut lengths) = (out.len(), Vec::with_capacity(self.recent.len()));
        for packet in &self.recent {
            let before = out.len();
            let mut piece = Vec::new();
            decode(&mut *decoder, &packet.data, &mut piece);
            out.append(&mut piece);
            lengths.push(out.len() - before);
        }
        if decoder.rate() != self.decoder.rate() {
            out.truncate(from);
            return Ok(None);
        }
        self.decoder = decoder;
        // Who goes on here knows no other lengths: both have to forget the same packets at the same time.
        self.samples = lengths.iter().sum();
        self.recent.iter_mut().zip(lengths).for_each(|(packet, samples)| packet.samples = samples);
        Ok(Some(self.recent.len() as u64))
    }
}
