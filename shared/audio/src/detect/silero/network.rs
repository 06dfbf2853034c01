//! The Silero network: from windows of samples to the probability of speech in each, many windows at once.
//!
//! The file describes a convolution for each window, four columns wide, and a runtime spends most of its time on the
//! overhead of such small products. Here the same weights are applied to all windows of a batch in one product for each
//! layer. The part that carries state from window to window is run as the file has it. A test checks that both give the
//! same results.

use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_gemm::GemmExecutor;
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;

use super::error::{ModelError, unexpected};
use super::layer::{Layer, neighbours};

/// Samples in a window: 32 ms.
pub const WINDOW: usize = 512;
/// Samples from the end of the previous window that are given with each window.
pub const CONTEXT: usize = 64;
/// Samples that are mirrored at the end of a window, so that the last spectrum is complete.
const MIRRORED: usize = 64;
/// The number of spectra in a window, the samples in each, and the distance between them.
const SPECTRA: usize = 4;
const SPECTRUM: usize = 256;
const HOP: usize = 128;
/// Frequencies in a spectrum.
const BANDS: usize = SPECTRUM / 2 + 1;
/// The size of the state that is carried from window to window; there are two such vectors.
const CARRIED: usize = 128;

/// The weights. Detectors share one instance in a process.
pub struct Network {
    model: Model,
    spectra: Layer,
    first: Layer,
    second: Layer,
    third: Layer,
    fourth: Layer,
    features: NodeId,
    carried: [NodeId; 2],
    results: [NodeId; 3],
}

/// The state of one detector's network, and its working buffers.
pub struct Memory {
    carried: [Vec<f32>; 2],
    one: Vec<f32>,
    other: Vec<f32>,
    /// Created when there is something to hear.
    pool: Option<Arc<ThreadPool>>,
}

impl Default for Memory {
    fn default() -> Self {
        let carried = || vec![0.0; CARRIED];
        Self { carried: [carried(), carried()], one: Vec::new(), other: Vec::new(), pool: None }
    }
}

impl Memory {
    pub fn forget(&mut self) {
        self.carried.iter_mut().for_each(|carried| carried.fill(0.0));
    }

    /// Returns a pool with one thread. More threads do not help with matrices of this size, and other recordings use
    /// the other cores.
    fn pool(&mut self) -> Arc<ThreadPool> {
        Arc::clone(self.pool.get_or_insert_with(|| Arc::new(ThreadPool::with_num_threads(1))))
    }
}

impl Network {
    pub fn load(model: &'static [u8]) -> Result<Self, ModelError> {
        let mut options = ModelOptions::with_all_ops();
        // Parts of the model are run alone, so the names of its nodes have to stay.
        let model = options.enable_optimization(false).prepack_weights(true).load_static_slice(model)?;
        let weights = Weights { model: &model };
        let network = Self {
            spectra: weights.spectra()?,
            first: weights.convolution(0, BANDS, 128, 0..3)?,
            second: weights.convolution(1, 128, 64, 0..3)?,
            third: weights.convolution(2, 64, 64, 0..3)?,
            // Only one column is left, and its neighbours are zero.
            fourth: weights.convolution(3, 64, CARRIED, 1..2)?,
            features: node(&model, "/Transpose_output_0")?,
            carried: [node(&model, "h")?, node(&model, "c")?],
            results: [node(&model, "speech_probs")?, node(&model, "hn")?, node(&model, "cn")?],
            model,
        };
        network.run(&[0.0; CONTEXT + WINDOW], &mut Memory::default())?;
        Ok(network)
    }

    /// Returns the probability of speech in each window. `samples` begins with the context of the first window.
    pub fn run(&self, samples: &[f32], memory: &mut Memory) -> Result<Vec<f32>, ModelError> {
        let (pool, windows) = (memory.pool(), (samples.len() - CONTEXT) / WINDOW);
        pool.run(|| {
            self.front(samples, windows, memory)?;
            self.back(windows, memory)
        })
    }

    /// Computes the features of each window into `memory.one`: [`CARRIED`] numbers for each.
    fn front(&self, samples: &[f32], windows: usize, memory: &mut Memory) -> Result<(), ModelError> {
        let (gemm, Memory { one, other, .. }) = (GemmExecutor::default(), memory);
        cut_spectra(samples, windows, one);
        self.spectra.apply(&gemm, one, other)?;
        sizes(other, one);
        neighbours(one, windows, SPECTRA, 1, other);
        self.first.apply(&gemm, other, one)?;
        neighbours(one, windows, SPECTRA, 2, other);
        self.second.apply(&gemm, other, one)?;
        neighbours(one, windows, SPECTRA / 2, 2, other);
        self.third.apply(&gemm, other, one)?;
        self.fourth.apply(&gemm, one, other)?;
        std::mem::swap(one, other);
        Ok(())
    }

    fn back(&self, windows: usize, memory: &mut Memory) -> Result<Vec<f32>, ModelError> {
        let options = RunOptions::default().with_thread_pool(Some(memory.pool()));
        let features = NdTensorView::from_data([windows, 1, CARRIED], &memory.one[..]);
        let mut inputs = vec![(self.features, features.into())];
        for (id, carried) in self.carried.iter().zip(&memory.carried) {
            inputs.push((*id, NdTensorView::from_data([1, 1, CARRIED], &carried[..]).into()));
        }
        let [speech, hidden, cell] = self.model.run_n(inputs, self.results, Some(options)).map_err(unexpected)?;
        memory.carried = [numbers(hidden, CARRIED)?, numbers(cell, CARRIED)?];
        numbers(speech, windows)
    }
}

/// Copies the stretches of samples that spectra are computed from, one after another.
fn cut_spectra(samples: &[f32], windows: usize, out: &mut Vec<f32>) {
    out.clear();
    let mut window = [0.0; CONTEXT + WINDOW + MIRRORED];
    for index in 0..windows {
        let (heard, mirrored) = window.split_at_mut(CONTEXT + WINDOW);
        heard.copy_from_slice(&samples[index * WINDOW..][..CONTEXT + WINDOW]);
        // The last sample itself is not repeated.
        for (sample, mirrored) in heard.iter().rev().skip(1).zip(mirrored) {
            *mirrored = *sample;
        }
        (0..SPECTRA).for_each(|spectrum| out.extend_from_slice(&window[spectrum * HOP..][..SPECTRUM]));
    }
}

/// Converts real and imaginary parts to magnitudes.
fn sizes(parts: &[f32], out: &mut Vec<f32>) {
    out.clear();
    for parts in parts.chunks_exact(2 * BANDS) {
        let (real, imaginary) = parts.split_at(BANDS);
        out.extend(real.iter().zip(imaginary).map(|(a, b)| (a * a + b * b).sqrt()));
    }
}

/// Reads weights from the file and checks the shape of each.
struct Weights<'m> {
    model: &'m Model,
}

impl Weights<'_> {
    fn named(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let id = node(self.model, name)?;
        let found = self.model.run(Vec::new(), &[id], None).map_err(unexpected)?.into_iter().next();
        numbers(found.ok_or_else(|| unexpected(name))?, shape.iter().product())
    }

    fn spectra(&self) -> Result<Layer, ModelError> {
        let weights = self.named("stft.forward_basis_buffer", &[2 * BANDS, 1, SPECTRUM])?;
        let by_input = |input: usize| (0..2 * BANDS).map(move |output| (output, input));
        let weights = (0..SPECTRUM).flat_map(by_input).map(|(output, input)| weights[output * SPECTRUM + input]);
        Ok(Layer::new(weights.collect(), SPECTRUM, 2 * BANDS, None))
    }

    /// `taps` selects those of the three columns around each position that can be other than zero.
    fn convolution(
        &self,
        number: usize,
        inputs: usize,
        outputs: usize,
        taps: std::ops::Range<usize>,
    ) -> Result<Layer, ModelError> {
        let weights = self.named(&format!("encoder.{number}.weight"), &[outputs, inputs, 3])?;
        let bias = self.named(&format!("encoder.{number}.bias"), &[outputs])?;
        let mut by_input = Vec::with_capacity(weights.len());
        for tap in taps.clone() {
            for input in 0..inputs {
                by_input.extend((0..outputs).map(|output| weights[(output * inputs + input) * 3 + tap]));
            }
        }
        Ok(Layer::new(by_input, taps.len() * inputs, outputs, Some(bias)))
    }
}

fn node(model: &Model, name: &str) -> Result<NodeId, ModelError> {
    model.find_node(name).ok_or_else(|| unexpected(format!("it has no `{name}`")))
}

fn numbers(value: Value, count: usize) -> Result<Vec<f32>, ModelError> {
    let tensor: rten_tensor::Tensor<f32> = value.try_into().map_err(unexpected)?;
    let numbers = tensor.to_vec();
    if numbers.len() == count {
        Ok(numbers)
    } else {
        Err(unexpected(format!("{} numbers, not {count}", numbers.len())))
    }
}

#[cfg(test)]
mod tests;
