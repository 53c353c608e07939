//! The 8x8 DCT of JPEG, in the factorisation of Arai, Agui and Nakajima (1988).

/// 8x8 samples or coefficients, row by row.
pub(super) type Block = [[f32; 8]; 8];

/// Position of each coefficient in zigzag order, as `8 * vertical + horizontal` frequency (T.81 figure A.6).
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The same as `8 * horizontal + vertical` frequency.
const TURNED_ZIGZAG: [usize; 64] = {
    let mut turned = ZIGZAG;
    let mut index = 0;
    while index < 64 {
        turned[index] = ZIGZAG[index] % 8 * 8 + ZIGZAG[index] / 8;
        index += 1;
    }
    turned
};

/// Coefficients are stored at eight times the scale of T.81, in eighths of a level.
pub(super) const PRECISION: f64 = 8.0;

/// The factor that the factorisation leaves in each frequency: cos(k pi / 16) sqrt(2), and 1 for k = 0.
const LEFT_OVER: [f32; 8] = [1.0, 1.387_039_8, 1.306_563, 1.175_875_6, 1.0, 0.785_694_96, 0.541_196_1, 0.275_899_38];

/// The factors that scale each coefficient.
const FACTORS: Block = {
    let mut factors = [[0.0; 8]; 8];
    let mut index = 0;
    while index < 64 {
        factors[index / 8][index % 8] = 1.0 / (LEFT_OVER[index / 8] * LEFT_OVER[index % 8]);
        index += 1;
    }
    factors
};

/// Returns the coefficients of `samples` (centred on zero) in zigzag order, in units of 1 / [`PRECISION`].
#[inline(always)]
pub(super) fn forward(mut samples: Block) -> [i16; 64] {
    columns(&mut samples);
    let mut turned = transposed(&samples);
    columns(&mut turned);
    let mut rounded = [0; 64];
    let (values, factors) = (turned.as_flattened(), FACTORS.as_flattened());
    for (level, (value, factor)) in rounded.iter_mut().zip(values.iter().zip(factors)) {
        // This is faster than a cast. After adding this constant, the low bits of the float are a whole number.
        *level = (value * factor + WHOLE_NUMBERS).to_bits() as i16;
    }
    let mut levels = [0; 64];
    for (level, index) in levels.iter_mut().zip(TURNED_ZIGZAG) {
        *level = rounded[index];
    }
    levels
}

/// 1.5 * 2^23: floats from 2^23 to 2^24 are whole numbers, rounded to the nearest.
const WHOLE_NUMBERS: f32 = 12_582_912.0;

#[inline(always)]
fn transposed(block: &Block) -> Block {
    let mut turned = [[0.0; 8]; 8];
    for (row, samples) in block.iter().enumerate() {
        for (column, sample) in samples.iter().enumerate() {
            turned[column][row] = *sample;
        }
    }
    turned
}

/// The one-dimensional transform of every column. The loop runs over the columns, so that it vectorises.
#[expect(clippy::needless_range_loop, reason = "a column is no slice of the block")]
#[inline(always)]
fn columns(block: &mut Block) {
    for column in 0..8 {
        let at = |row: usize| block[row][column];
        let (s0, d0) = (at(0) + at(7), at(0) - at(7));
        let (s1, d1) = (at(1) + at(6), at(1) - at(6));
        let (s2, d2) = (at(2) + at(5), at(2) - at(5));
        let (s3, d3) = (at(3) + at(4), at(3) - at(4));

        let (even0, even3, even1, even2) = (s0 + s3, s0 - s3, s1 + s2, s1 - s2);
        let turned = (even2 + even3) * std::f32::consts::FRAC_1_SQRT_2;

        let (odd0, odd1, odd2) = (d3 + d2, d2 + d1, d1 + d0);
        // sin(pi/8); cos(pi/8) - sin(pi/8); cos(pi/8) + sin(pi/8).
        let shared = (odd0 - odd2) * 0.382_683_43;
        let (low, high) = (0.541_196_1 * odd0 + shared, 1.306_563 * odd2 + shared);
        let middle = odd1 * std::f32::consts::FRAC_1_SQRT_2;
        let (sum, difference) = (d0 + middle, d0 - middle);

        block[0][column] = even0 + even1;
        block[4][column] = even0 - even1;
        block[2][column] = even3 + turned;
        block[6][column] = even3 - turned;
        block[5][column] = difference + low;
        block[3][column] = difference - low;
        block[1][column] = sum + high;
        block[7][column] = sum - high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// T.81 A.3.3, written as in the standard.
    #[expect(clippy::needless_range_loop, reason = "the indexes are what the formula is about")]
    fn reference(samples: &Block, u: usize, v: usize) -> f64 {
        let norm = |k: usize| if k == 0 { (0.5f64).sqrt() } else { 1.0 };
        let mut sum = 0.0;
        for y in 0..8 {
            for x in 0..8 {
                let wave = |k: usize, n: usize| ((2 * n + 1) as f64 * k as f64 * PI / 16.0).cos();
                sum += f64::from(samples[y][x]) * wave(u, x) * wave(v, y);
            }
        }
        sum * norm(u) * norm(v) / 4.0
    }

    #[test]
    fn coefficients_are_those_of_the_definition() {
        let mut seed = 7u32;
        let samples: Block = std::array::from_fn(|_| {
            std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as f32 - 128.0
            })
        });
        let coefficients = forward(samples);
        for (index, coefficient) in coefficients.into_iter().enumerate() {
            let expected = PRECISION * reference(&samples, ZIGZAG[index] % 8, ZIGZAG[index] / 8);
            assert!((f64::from(coefficient) - expected).abs() <= 0.51, "{index}: {coefficient}, not {expected}");
        }
    }

    #[test]
    fn extremes_stay_in_range() {
        assert_eq!(forward([[127.0; 8]; 8])[0], 127 * 64);
        assert_eq!(forward([[-128.0; 8]; 8])[0], -128 * 64);
    }
}
