//! Opus packets with their times: where they are quiet, and which of them a part of the audio needs.

use std::time::Duration;

use crate::engine::{Audio, Frames};
use crate::opus::{self, LOOK_AHEAD};

pub(super) struct Timeline<'a> {
    frames: Frames<'a>,
    /// When each packet ends, counted from the start of the first packet.
    ends: Vec<Duration>,
    /// The duration of the audio, or less if the packets are shorter.
    duration: Duration,
}

impl<'a> Timeline<'a> {
    pub fn new(frames: Frames<'a>, duration: Duration) -> Self {
        let mut end = Duration::ZERO;
        let mut ends = Vec::with_capacity(frames.packets.len());
        for packet in frames.packets {
            end += opus::duration(packet);
            ends.push(end);
        }
        Self { frames, ends, duration: duration.min(end.saturating_sub(frames.lead)) }
    }

    /// The loudness of each step of the audio: quiet audio needs fewer bytes.
    pub fn loudness(&self, step: Duration) -> Vec<f32> {
        let mut middle = step / 2;
        let mut steps = Vec::new();
        while middle < self.duration + step / 2 {
            steps.push(self.bytes_per_second(middle));
            middle += step;
        }
        steps
    }

    /// The bytes per second of the packet that holds this time of the audio.
    fn bytes_per_second(&self, at: Duration) -> f32 {
        let index = self.ends.partition_point(|end| *end <= self.frames.lead + at);
        let packet = self.frames.packets.get(index);
        packet.map_or(0.0, |packet| packet.len() as f32 / opus::duration(packet).as_secs_f32())
    }

    /// A part of the audio. It begins with the packets that its decoder needs to start and ends with the packet that
    /// holds its end.
    pub fn part(&self, start: Duration, end: Duration) -> Audio<'a> {
        let duration = end.min(self.duration).saturating_sub(start);
        let start = self.frames.lead + start;
        let first = self.ends.partition_point(|end| *end + LOOK_AHEAD <= start);
        let begins = first.checked_sub(1).map_or(Duration::ZERO, |before| self.ends[before]);
        let last = self.ends.partition_point(|end| *end < start + duration);
        let packets = &self.frames.packets[first..self.ends.len().min(last + 1)];
        Audio::opus(Frames { packets, lead: start - begins }, duration)
    }
}
