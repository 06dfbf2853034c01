//! The arithmetic of attention: scores of keys, rotary position embeddings, and layer normalization.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;
use rten_vecmath::{Softmax, Sum, SumSquareSub};

const HEADS: usize = 8;
/// The numbers of a head that are rotated by position, in pairs. The others are not rotated.
const ROTATED: usize = 32;
/// The base of the rotation's frequencies, as in the training of the model.
const ROTATION_BASE: f32 = 10_000.0;
const NORM_EPSILON: f32 = 1e-5;

/// The keys and values that attention uses, with a row for each position.
#[derive(Default)]
pub(super) struct KeyValues {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

/// Whether this module can compute attention for rows of this width.
pub(super) fn fits(width: usize) -> bool {
    width.is_multiple_of(HEADS * 4) && width / HEADS >= ROTATED
}

impl KeyValues {
    /// Adds the values of all positions to `out`, weighted by the scores of their keys.
    pub fn attend(&self, query: &[f32], out: &mut [f32], scores: &mut Vec<f32>) {
        let (width, head) = (query.len(), query.len() / HEADS);
        let scale = (head as f32).sqrt().recip();
        for at in (0..width).step_by(head) {
            let query = &query[at..at + head];
            scores.clear();
            scores.extend(self.keys.chunks_exact(width).map(|keys| dot(query, &keys[at..at + head]) * scale));
            Softmax::new_mut(scores).dispatch();
            let out = &mut out[at..at + head];
            for (values, score) in self.values.chunks_exact(width).zip(scores.iter()) {
                out.iter_mut().zip(&values[at..at + head]).for_each(|(sum, value)| *sum += score * value);
            }
        }
    }
}

/// Layer normalization: each row is scaled to mean 0 and variance 1 and multiplied by the weights.
pub(super) fn norm(rows: &[f32], weights: &[f32], out: &mut Vec<f32>) {
    out.clear();
    for row in rows.chunks_exact(weights.len()) {
        let count = row.len() as f32;
        let mean = Sum::new(row).dispatch() / count;
        let variance = SumSquareSub::new(row, mean).dispatch() / count;
        let scale = (variance + NORM_EPSILON).sqrt().recip();
        out.extend(row.iter().zip(weights).map(|(number, weight)| (number - mean) * scale * weight));
    }
}

/// The dot product. It adds up four independent sums, because with one, each addition would wait for the previous one.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<4>().0, b.as_chunks::<4>().0);
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// The rotation of a position: sine and cosine of the angle for each pair of a head.
pub(super) struct Rotation([(f32, f32); ROTATED / 2]);

impl Rotation {
    pub fn at(position: usize) -> Self {
        Self(std::array::from_fn(|pair| {
            let speed = ROTATION_BASE.powf(-2.0 * pair as f32 / ROTATED as f32);
            (position as f32 * speed).sin_cos()
        }))
    }

    /// Rotates each head of the row.
    pub fn apply(&self, row: &mut [f32]) {
        let head = row.len() / HEADS;
        for head in row.chunks_exact_mut(head) {
            for ([first, second], (sin, cos)) in head.as_chunks_mut::<2>().0.iter_mut().zip(&self.0) {
                (*first, *second) = (*first * cos - *second * sin, *second * cos + *first * sin);
            }
        }
    }
}

/// Rows of queries, keys and values for self-attention, one of each for every position.
pub(super) struct SelfAttention<'a> {
    pub queries: &'a [f32],
    pub keys: &'a [f32],
    pub values: &'a [f32],
    pub width: usize,
}

impl SelfAttention<'_> {
    /// Writes for each position the values of all positions, weighted by the scores of their keys.
    pub fn attend(
        &self,
        gemm: &GemmExecutor<f32, f32, f32>,
        out: &mut [f32],
        scores: &mut Vec<f32>,
        mixed: &mut Vec<f32>,
    ) -> Result<(), GemmError> {
        let (width, head) = (self.width, self.width / HEADS);
        let count = out.len() / width;
        let scaled = GemmOptions { alpha: (head as f32).sqrt().recip(), ..GemmOptions::default() };
        scores.resize(count * count, 0.0);
        mixed.resize(count * head, 0.0);
        for at in (0..width).step_by(head) {
            let of_head = |rows| NdTensorView::from_data([count, width], rows).slice_axis(1, at..at + head);
            let (queries, keys, values) = (of_head(self.queries), of_head(self.keys), of_head(self.values));
            let (queries, keys) = (GemmInputA::Unpacked(queries), GemmInputB::Unpacked(keys.transposed()));
            gemm.gemm(scores, queries, keys, scaled.clone())?;
            scores.chunks_exact_mut(count).for_each(|row| _ = Softmax::new_mut(row).dispatch());
            let weights = GemmInputA::Unpacked(NdTensorView::from_data([count, count], &scores[..]));
            gemm.gemm(mixed, weights, GemmInputB::Unpacked(values), GemmOptions::default())?;
            for (row, mixed) in out.chunks_exact_mut(width).zip(mixed.chunks_exact(head)) {
                row[at..at + head].copy_from_slice(mixed);
            }
        }
        Ok(())
    }
}
