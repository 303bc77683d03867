//! Sums of multiples over GF(2^8).

use reed_solomon_erasure::galois_8::{div, mul, mul_slice, mul_slice_xor};

/// Buffers are worked on in pieces of this size, so that the outputs stay in the nearest cache while
/// one input after the other is added to them.
const PIECE_BYTES: usize = 8 << 10;

/// Lagrange's coefficient: how much the value at `point` contributes to the value at `wanted`, when
/// the values at all of `points` are known. The points differ, and `point` is one of them.
pub(crate) fn coefficient(points: &[u8], point: u8, wanted: u8) -> u8 {
    points
        .iter()
        .filter(|&&k| k != point)
        .fold(1, |product, &k| mul(product, div(wanted ^ k, point ^ k)))
}

/// `output[o] = Σ coefficients[o][i] · inputs[i]`. All buffers have the same length, and there is a
/// coefficient for each output and input.
pub(crate) fn combine(coefficients: &[Vec<u8>], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let length = outputs.first().map_or(0, |output| output.len());
    let mut from = 0;
    while from < length {
        let piece = from..length.min(from + PIECE_BYTES);
        for (i, input) in inputs.iter().enumerate() {
            for (row, output) in coefficients.iter().zip(outputs.iter_mut()) {
                let (input, output) = (&input[piece.clone()], &mut output[piece.clone()]);
                match i {
                    0 => mul_slice(row[i], input, output),
                    _ => mul_slice_xor(row[i], input, output),
                }
            }
        }
        from = piece.end;
    }
}

/// `output[o] += coefficients[o] · input`, for buffers of the same length.
pub(crate) fn accumulate<'a>(
    coefficients: impl Iterator<Item = u8>,
    input: &[u8],
    outputs: impl Iterator<Item = &'a mut [u8]>,
) {
    if input.is_empty() {
        return;
    }
    for (coefficient, output) in coefficients.zip(outputs) {
        mul_slice_xor(coefficient, input, output);
    }
}
