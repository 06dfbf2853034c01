//! The default detector: Silero, a small network that was trained to tell voices from everything else.
//!
//! The detector sleeps while nothing is audible: the network is not run until a window is loud enough to hold anything.
//! It is then given the windows just before as well, so that it hears the beginning as if it had been awake. It wakes
//! with an empty memory, as at the start of a recording: minutes of silence drive the network's memory to a state in
//! which it hears worse, and so silence of any length has the same effect.
//!
//! Noise and music do the same within ten seconds: the network then hears a voice behind them half a second late, or
//! later. So after two seconds in which nobody speaks it forgets what came before them. Noise of any length has the
//! same effect as two seconds of it.

mod error;
mod layer;
mod network;

use std::collections::VecDeque;
use std::sync::Arc;

pub use self::error::ModelError;
pub use self::network::Network;
use self::network::{CONTEXT, Memory, WINDOW};
use super::{Detector, Hysteresis, Region, samples_to_ms};
use crate::level::AUDIBLE;
use crate::resample::RATE;

const START: f32 = 0.5;
const STOP: f32 = 0.35;
const WINDOW_MS: u32 = WINDOW as u32 * 1_000 / RATE;

/// Windows that are judged at once. More do not make it faster, and these fit into a core's cache. They are also what
/// the network remembers while nobody speaks: 2 s.
const BATCH: usize = 64;
/// The number of inaudible windows after which the detector sleeps: about a second, longer than any region stays open
/// over a pause.
const DOZE: usize = 32;
/// Windows before the first audible one that the network is given when it wakes: half a second.
const LEAD: usize = 16;

/// See the module.
pub struct Silero {
    network: Arc<Network>,
    memory: Memory,
    /// The context of the first window, followed by the windows that are to be judged.
    batch: Vec<f32>,
    /// The samples of the window that is not full yet.
    open: Vec<f32>,
    /// The number of inaudible windows in a row while awake.
    quiet: usize,
    /// While asleep: the last windows, which the network has not seen.
    asleep: Option<VecDeque<[f32; WINDOW]>>,
    scores: Hysteresis,
    samples: u64,
    sleeps: bool,
}

impl Silero {
    pub fn new(network: Arc<Network>) -> Self {
        Self {
            network,
            memory: Memory::default(),
            batch: vec![0.0; CONTEXT],
            open: Vec::with_capacity(WINDOW),
            quiet: 0,
            // Silence is assumed before the recording.
            asleep: Some(VecDeque::new()),
            scores: Hysteresis::new(START, STOP, WINDOW_MS),
            samples: 0,
            sleeps: true,
        }
    }

    fn as_new(&self) -> Self {
        Self { sleeps: self.sleeps, ..Self::new(Arc::clone(&self.network)) }
    }

    fn close_window(&mut self) {
        let mut window = [0.0; WINDOW];
        window[..self.open.len()].copy_from_slice(&self.open);
        self.open.clear();
        let power = window.iter().map(|sample| sample * sample).sum::<f32>() / WINDOW as f32;
        let audible = !self.sleeps || power >= AUDIBLE * AUDIBLE;
        match &mut self.asleep {
            Some(last) if !audible => {
                last.push_back(window);
                if last.len() > LEAD
                    && let Some(passed) = last.pop_front()
                {
                    self.batch.copy_from_slice(&passed[WINDOW - CONTEXT..]);
                    self.scores.push(0.0);
                }
            }
            Some(last) => {
                let lead = std::mem::take(last);
                (self.asleep, self.quiet) = (None, 0);
                self.memory.forget();
                lead.iter().for_each(|window| self.hear(window));
                self.hear(&window);
            }
            None => {
                self.hear(&window);
                self.quiet = if audible { 0 } else { self.quiet + 1 };
                if self.quiet == DOZE {
                    self.judge();
                    self.asleep = Some(VecDeque::with_capacity(LEAD + 1));
                }
            }
        }
    }

    fn hear(&mut self, window: &[f32; WINDOW]) {
        self.batch.extend_from_slice(window);
        if self.batch.len() >= CONTEXT + BATCH * WINDOW {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let windows = (self.batch.len() - CONTEXT) / WINDOW;
        if windows == 0 {
            return;
        }
        match self.network.run(&self.batch, &mut self.memory) {
            Ok(scores) => {
                if scores.iter().all(|score| *score < START) {
                    self.remember_batch_alone();
                }
                scores.into_iter().for_each(|score| self.scores.push(score));
            }
            // The network ran when it was loaded, so this is not expected. A wasted engine call is better than a lost
            // sentence.
            Err(_) => (0..windows).for_each(|_| self.scores.push(1.0)),
        }
        let context = self.batch.len() - CONTEXT;
        self.batch.copy_within(context.., 0);
        self.batch.truncate(CONTEXT);
    }

    /// Sets the memory as if the first window of this batch had woken the detector.
    fn remember_batch_alone(&mut self) {
        self.memory.forget();
        // The scores are known already. If the network cannot run, its memory stays empty, as when it wakes.
        let _ = self.network.run(&self.batch, &mut self.memory);
    }
}

impl Detector for Silero {
    fn push(&mut self, mut samples: &[f32]) {
        self.samples += samples.len() as u64;
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WINDOW - self.open.len()));
            self.open.extend_from_slice(now);
            samples = later;
            if self.open.len() == WINDOW {
                self.close_window();
            }
        }
    }

    fn fresh(&self) -> Box<dyn Detector> {
        Box::new(self.as_new())
    }

    fn finish(&mut self) -> Vec<Region> {
        if !self.open.is_empty() {
            self.close_window();
        }
        self.judge();
        let fresh = self.as_new();
        let heard = std::mem::replace(self, fresh);
        heard.scores.finish(u32::try_from(samples_to_ms(heard.samples)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
