//! The two networks of Moonshine in RTen: sound to features, features to tokens, one after the other.

use std::sync::atomic::{AtomicBool, Ordering};

use rten::{Model, ModelOptions, NodeId, RunError, RunOptions, Value, ValueOrView};
use rten_tensor::{NdTensor, NdTensorView};

use super::repeat;
use crate::engine::SAMPLE_RATE;

/// How large a model of the family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    layers: usize,
    head_width: usize,
}

pub(super) const TINY: Size = Size { layers: 6, head_width: 36 };
pub(super) const BASE: Size = Size { layers: 8, head_width: 52 };

const HEADS: usize = 8;
const BEGIN: i32 = 1;
const END: i32 = 2;
/// Nobody says more: a model that goes on is in a loop. As its authors have it.
const TOKENS_PER_SECOND: f64 = 6.5;
/// What the model takes, at least: a tenth of a second.
const SHORTEST: usize = SAMPLE_RATE as usize / 10;

pub(super) struct Network {
    encoder: Model,
    sound: NodeId,
    features: NodeId,
    decoder: Model,
    token: NodeId,
    given_features: NodeId,
    use_cache: NodeId,
    logits: NodeId,
    /// What a step leaves for the next one.
    spoken: Vec<Cache>,
    /// What the first step leaves for all others.
    heard: Vec<Cache>,
    size: Size,
    /// Steps behind the first one, so that a test sees when a call was given up.
    #[cfg(test)]
    steps: std::sync::atomic::AtomicUsize,
}

/// A value that goes out of one step and into the next.
struct Cache {
    past: NodeId,
    present: NodeId,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkError {
    #[error("the model cannot be loaded: {0}")]
    Load(String),
    #[error("the model cannot be run: {0}")]
    Run(#[from] RunError),
    #[error("the model answered with values of another shape")]
    Shape,
    #[error("nobody waits for the answer any more")]
    Stopped,
}

impl Network {
    pub fn load(encoder: &'static [u8], decoder: &'static [u8], size: Size) -> Result<Self, NetworkError> {
        let encoder = load(encoder, "encoder", true)?;
        // Its steps have one token each: packed weights would only cost memory.
        let decoder = load(decoder, "decoder", false)?;
        let node =
            |model: &Model, name: &str| model.node_id(name).map_err(|error| NetworkError::Load(error.to_string()));
        let caches = |side: &str| -> Result<Vec<Cache>, NetworkError> {
            let names =
                (0..size.layers).flat_map(|layer| ["key", "value"].map(|kind| format!("{layer}.{side}.{kind}")));
            let cache = |name: String| {
                let past = node(&decoder, &format!("past_key_values.{name}"))?;
                Ok(Cache { past, present: node(&decoder, &format!("present.{name}"))? })
            };
            names.map(cache).collect()
        };
        Ok(Self {
            sound: node(&encoder, "input_values")?,
            features: node(&encoder, "last_hidden_state")?,
            encoder,
            token: node(&decoder, "input_ids")?,
            given_features: node(&decoder, "encoder_hidden_states")?,
            use_cache: node(&decoder, "use_cache_branch")?,
            logits: node(&decoder, "logits")?,
            spoken: caches("decoder")?,
            heard: caches("encoder")?,
            decoder,
            size,
            #[cfg(test)]
            steps: Default::default(),
        })
    }

    #[cfg(test)]
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }

    /// The tokens of what is said. Stops between two steps once `stop` is set.
    pub fn tokens(&self, samples: &[f32], options: &RunOptions, stop: &AtomicBool) -> Result<Vec<u32>, NetworkError> {
        let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
        let most = (seconds * TOKENS_PER_SECOND).ceil() as usize;
        let features = self.hear(samples, options)?;
        going(stop)?;
        let (mut logits, mut spoken, heard) = self.first(&features, options)?;
        let mut tokens = Vec::new();
        loop {
            let token = likeliest(&logits)?;
            if token == END || tokens.len() >= most {
                return Ok(tokens);
            }
            tokens.push(token.unsigned_abs());
            if let Some(length) = repeat::before_the_loop(&tokens) {
                tokens.truncate(length);
                return Ok(tokens);
            }
            going(stop)?;
            (logits, spoken) = self.next(token, &features, spoken, &heard, options)?;
        }
    }

    fn hear(&self, samples: &[f32], options: &RunOptions) -> Result<Value, NetworkError> {
        // What is no number would make everything after it none.
        let mut sound: Vec<f32> = samples.iter().map(|s| if s.is_finite() { *s } else { 0.0 }).collect();
        sound.resize(sound.len().max(SHORTEST), 0.0);
        let sound = NdTensor::from_data([1, sound.len()], sound);
        let [features] =
            self.encoder.run_n(vec![(self.sound, sound.into())], [self.features], Some(options.clone()))?;
        Ok(features)
    }

    /// The step that has no past: it turns the features into what the other steps look at.
    fn first(&self, features: &Value, options: &RunOptions) -> Result<(Value, Vec<Value>, Vec<Value>), NetworkError> {
        let mut inputs = self.inputs(BEGIN, features, 0);
        for cache in self.spoken.iter().chain(&self.heard) {
            inputs.push((cache.past, NdTensor::<f32, 4>::zeros([0, HEADS, 1, self.size.head_width]).into()));
        }
        let outputs = self.spoken.iter().chain(&self.heard).map(|cache| cache.present);
        let outputs: Vec<_> = std::iter::once(self.logits).chain(outputs).collect();
        let mut answer = self.decoder.run(inputs, &outputs, Some(options.clone()))?;
        let heard = answer.split_off(1 + self.spoken.len());
        let spoken = answer.split_off(1);
        Ok((answer.pop().ok_or(NetworkError::Shape)?, spoken, heard))
    }

    fn next(
        &self,
        token: i32,
        features: &Value,
        spoken: Vec<Value>,
        heard: &[Value],
        options: &RunOptions,
    ) -> Result<(Value, Vec<Value>), NetworkError> {
        #[cfg(test)]
        self.steps.fetch_add(1, Ordering::Relaxed);
        let mut inputs = self.inputs(token, features, 1);
        // Given away, so that a step can go on in the same memory.
        inputs.extend(self.spoken.iter().zip(spoken).map(|(cache, value)| (cache.past, value.into())));
        inputs.extend(self.heard.iter().zip(heard).map(|(cache, value)| (cache.past, value.as_view().into())));
        let outputs: Vec<_> =
            std::iter::once(self.logits).chain(self.spoken.iter().map(|cache| cache.present)).collect();
        let mut answer = self.decoder.run(inputs, &outputs, Some(options.clone()))?;
        let spoken = answer.split_off(1);
        Ok((answer.pop().ok_or(NetworkError::Shape)?, spoken))
    }

    fn inputs<'a>(&self, token: i32, features: &'a Value, use_cache: i32) -> Vec<(NodeId, ValueOrView<'a>)> {
        vec![
            (self.token, NdTensor::from_data([1, 1], vec![token]).into()),
            (self.given_features, features.as_view().into()),
            (self.use_cache, NdTensor::from_data([1], vec![use_cache]).into()),
        ]
    }
}

fn load(bytes: &'static [u8], part: &str, prepack: bool) -> Result<Model, NetworkError> {
    let mut options = ModelOptions::with_all_ops();
    let loaded = options.prepack_weights(prepack).load_static_slice(bytes);
    loaded.map_err(|error| NetworkError::Load(format!("{part}: {error}")))
}

fn going(stop: &AtomicBool) -> Result<(), NetworkError> {
    if stop.load(Ordering::Relaxed) { Err(NetworkError::Stopped) } else { Ok(()) }
}

/// The token with the highest score of the only position there is.
fn likeliest(logits: &Value) -> Result<i32, NetworkError> {
    let scores: NdTensorView<f32, 3> = logits.as_view().try_into().map_err(|_| NetworkError::Shape)?;
    let scores = scores.data().ok_or(NetworkError::Shape)?;
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).ok_or(NetworkError::Shape)?;
    i32::try_from(best.0).map_err(|_| NetworkError::Shape)
}
