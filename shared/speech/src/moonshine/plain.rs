//! Multiplication in plain code. The compiler turns it into vector instructions that every processor of the architecture has
//! (SSE2, NEON).

/// The number of rows that stay in the fastest cache while all weights are read.
const ROWS_AT_ONCE: usize = 16;

/// Multiplies each row by the weights of each output. The `inputs` weights of an output are contiguous.
pub(super) fn multiply(rows: &[i16], weights: &[i8], inputs: usize, out: &mut [i32]) {
    let outputs = weights.len() / inputs;
    let mut wide = vec![0; inputs];
    let blocks = rows.chunks(ROWS_AT_ONCE * inputs).zip(out.chunks_mut(ROWS_AT_ONCE * outputs));
    for (rows, out) in blocks {
        for (output, weights) in weights.chunks_exact(inputs).enumerate() {
            wide.iter_mut().zip(weights).for_each(|(wide, weight)| *wide = i16::from(*weight));
            for (row, out) in rows.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
                out[output] = dot(row, &wide);
            }
        }
    }
}

/// The dot product. Both sides have 16 bits, which processors multiply and add in pairs. A sum of 32 bits holds 65,000
/// products of bytes, so nothing wraps; overflow checks would keep the compiler from using vector instructions.
fn dot(row: &[i16], weights: &[i16]) -> i32 {
    let products = row.iter().zip(weights).map(|(number, weight)| i32::from(*number).wrapping_mul(i32::from(*weight)));
    products.fold(0, i32::wrapping_add)
}
