//! JPEG quantiser tables on a continuous scale.

use std::ops::RangeInclusive;

/// The base table for luma and chroma, natural order: mozjpeg's default (jcparam.c, table 3, by N. Robidoux).
const BASE: [u16; 64] = [
    16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91, 135, 18, 27, 31, 40,
    53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94, 124, 169, 238, 56, 53, 91, 106, 131, 169,
    226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
];

/// ln of the table scale that the search may use. 0.04: base steps up to 36 become 1, nearly lossless;
/// 16: all become 255, the largest a baseline table holds.
pub const LN_STEP_RANGE: RangeInclusive<f64> = -3.2..=2.77;

/// The table at `exp(ln_step)` times the base, each step 1 to 255 so that the file stays baseline-legal.
/// Whole JPEG quality units are 2 to 4 % of bytes apart; this scale moves single steps, 0.05 % apart.
pub fn table(ln_step: f64) -> [u16; 64] {
    let scale = ln_step.exp();
    BASE.map(|step| (f64::from(step) * scale).round().clamp(1.0, 255.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_legal_and_grow_with_the_scale() {
        let mut last = [0; 64];
        for tenth in -32..=27 {
            let table = table(f64::from(tenth) / 10.0);
            assert!(table.iter().all(|step| (1..=255).contains(step)));
            assert!(table.iter().zip(last).all(|(step, before)| *step >= before));
            last = table;
        }
    }
}
