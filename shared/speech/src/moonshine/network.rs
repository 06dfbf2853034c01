//! Moonshine's two networks: the encoder turns sound into features, the decoder turns them into tokens.

use std::sync::atomic::{AtomicBool, Ordering};

use rten::RunOptions;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::NetworkError;
use super::layer::Scratch;
use super::linear::Kernels;
use super::repeat;
use super::sequence::Sequence;
use crate::arithmetic::Arithmetic;
use crate::engine::SAMPLE_RATE;

const BEGIN: u32 = 1;
const END: u32 = 2;
/// The maximum number of tokens, as set by the model's authors. Nobody speaks faster: a model with more output is in a loop.
const TOKENS_PER_SECOND: f64 = 6.5;
/// The shortest input of the model: a tenth of a second.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize / 10;

pub(super) struct Network {
    arithmetic: Arithmetic,
    encoder: Encoder,
    decoder: Decoder,
    /// The number of steps of all calls, so that a test can see when a call was stopped.
    #[cfg(test)]
    steps: std::sync::atomic::AtomicUsize,
}

/// The tokens of one piece while they are decoded.
struct PieceOutput {
    sequence: Sequence,
    tokens: Vec<u32>,
    max_tokens: usize,
    is_done: bool,
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

    /// Transcribes pieces to tokens. The pieces are decoded together, but the result of each does not depend on the others.
    /// Decoding stops between two steps once `stop` is set.
    pub fn tokens(
        &self,
        pieces: &[&[f32]],
        options: &RunOptions,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<u32>>, NetworkError> {
        let mut scratch = Scratch::new(self.arithmetic);
        let mut outputs = Vec::with_capacity(pieces.len());
        for samples in pieces {
            check_not_stopped(stop)?;
            let features = self.encode(samples, options)?;
            let max_tokens = (samples.len() as f64 / f64::from(SAMPLE_RATE) * TOKENS_PER_SECOND).ceil() as usize;
            let sequence = self.decoder.begin(&features, &mut scratch)?;
            outputs.push(PieceOutput { sequence, tokens: Vec::new(), max_tokens, is_done: max_tokens == 0 });
        }
        loop {
            let mut unfinished: Vec<_> = outputs.iter_mut().filter(|output| !output.is_done).collect();
            if unfinished.is_empty() {
                return Ok(outputs.into_iter().map(|output| output.tokens).collect());
            }
            check_not_stopped(stop)?;
            #[cfg(test)]
            self.steps.fetch_add(1, Ordering::Relaxed);
            let mut batch: Vec<_> = unfinished.iter_mut().map(|output| output.next_input()).collect();
            let next = self.decoder.step(&mut batch, &mut scratch)?;
            unfinished.into_iter().zip(next).for_each(|(output, token)| output.push(token));
        }
    }

    pub fn encode(&self, samples: &[f32], options: &RunOptions) -> Result<Vec<f32>, NetworkError> {
        // A single NaN or infinity would spread to all features.
        let mut sound: Vec<f32> = samples.iter().map(|s| if s.is_finite() { *s } else { 0.0 }).collect();
        sound.resize(sound.len().max(MIN_SAMPLES), 0.0);
        self.encoder.encode(sound, self.arithmetic, options)
    }

    #[cfg(test)]
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }
}

impl PieceOutput {
    fn next_input(&mut self) -> (&mut Sequence, u32) {
        (&mut self.sequence, self.tokens.last().copied().unwrap_or(BEGIN))
    }

    fn push(&mut self, token: u32) {
        if token == END {
            self.is_done = true;
            return;
        }
        self.tokens.push(token);
        self.is_done = self.tokens.len() >= self.max_tokens;
        if let Some(length) = repeat::before_the_loop(&self.tokens) {
            self.tokens.truncate(length);
            self.is_done = true;
        }
    }
}

fn check_not_stopped(stop: &AtomicBool) -> Result<(), NetworkError> {
    if stop.load(Ordering::Relaxed) { Err(NetworkError::Stopped) } else { Ok(()) }
}
