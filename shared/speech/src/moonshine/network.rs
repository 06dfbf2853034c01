//! Moonshine's two networks: the encoder turns sound into features, the decoder turns them into tokens.

use std::sync::atomic::{AtomicBool, Ordering};

use rten::RunOptions;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::NetworkError;
use super::layer::Room;
use super::linear::Kernels;
use super::repeat;
use super::speech::Speech;
use crate::arithmetic::Arithmetic;
use crate::engine::SAMPLE_RATE;

const BEGIN: u32 = 1;
const END: u32 = 2;
/// Nobody says more: a model that goes on is in a loop. As its authors have it.
const TOKENS_PER_SECOND: f64 = 6.5;
/// What the model takes, at least: a tenth of a second.
const SHORTEST: usize = SAMPLE_RATE as usize / 10;

pub(super) struct Network {
    arithmetic: Arithmetic,
    encoder: Encoder,
    decoder: Decoder,
    /// Steps of all calls, so that a test sees when one was given up.
    #[cfg(test)]
    steps: std::sync::atomic::AtomicUsize,
}

/// One piece of sound on its way to text.
struct Saying {
    speech: Speech,
    tokens: Vec<u32>,
    most: usize,
    over: bool,
}

impl Network {
    pub fn load(encoder: &'static [u8], decoder: &'static [u8], arithmetic: Arithmetic) -> Result<Self, NetworkError> {
        let kernels = Kernels::new(arithmetic);
        let encoder = Encoder::read(encoder, &kernels).map_err(|why| NetworkError::Load("encoder", why))?;
        let decoder = Decoder::read(decoder, &kernels).map_err(|why| NetworkError::Load("decoder", why))?;
        if encoder.width() != decoder.width() {
            return Err(NetworkError::Shape);
        }
        Ok(Self {
            arithmetic,
            encoder,
            decoder,
            #[cfg(test)]
            steps: Default::default(),
        })
    }

    /// The tokens of what is said in each piece. The pieces go side by side; what one says does not depend on the others.
    /// Stops between two steps once `stop` is set.
    pub fn tokens(
        &self,
        pieces: &[&[f32]],
        options: &RunOptions,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<u32>>, NetworkError> {
        let mut room = Room::new(self.arithmetic);
        let mut sayings = Vec::with_capacity(pieces.len());
        for samples in pieces {
            going(stop)?;
            let features = self.hear(samples, options)?;
            let most = (samples.len() as f64 / f64::from(SAMPLE_RATE) * TOKENS_PER_SECOND).ceil() as usize;
            let speech = self.decoder.begin(&features, &mut room)?;
            sayings.push(Saying { speech, tokens: Vec::new(), most, over: most == 0 });
        }
        loop {
            let mut open: Vec<_> = sayings.iter_mut().filter(|saying| !saying.over).collect();
            if open.is_empty() {
                return Ok(sayings.into_iter().map(|saying| saying.tokens).collect());
            }
            going(stop)?;
            #[cfg(test)]
            self.steps.fetch_add(1, Ordering::Relaxed);
            let mut said: Vec<_> = open.iter_mut().map(|saying| saying.last()).collect();
            let next = self.decoder.step(&mut said, &mut room)?;
            open.into_iter().zip(next).for_each(|(saying, token)| saying.says(token));
        }
    }

    pub fn hear(&self, samples: &[f32], options: &RunOptions) -> Result<Vec<f32>, NetworkError> {
        // What is no number would make everything after it none.
        let mut sound: Vec<f32> = samples.iter().map(|s| if s.is_finite() { *s } else { 0.0 }).collect();
        sound.resize(sound.len().max(SHORTEST), 0.0);
        self.encoder.hear(sound, self.arithmetic, options)
    }

    #[cfg(test)]
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Saying {
    fn last(&mut self) -> (&mut Speech, u32) {
        (&mut self.speech, self.tokens.last().copied().unwrap_or(BEGIN))
    }

    fn says(&mut self, token: u32) {
        if token == END {
            self.over = true;
            return;
        }
        self.tokens.push(token);
        self.over = self.tokens.len() >= self.most;
        if let Some(length) = repeat::before_the_loop(&self.tokens) {
            self.tokens.truncate(length);
            self.over = true;
        }
    }
}

fn going(stop: &AtomicBool) -> Result<(), NetworkError> {
    if stop.load(Ordering::Relaxed) { Err(NetworkError::Stopped) } else { Ok(()) }
}
