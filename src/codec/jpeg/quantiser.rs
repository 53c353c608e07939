//! JPEG quantiser tables on a continuous scale.

use std::ops::RangeInclusive;

/// Steps of luma and of chroma at a scale of 1, natural order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Steps of Y, in the unit of JPEG's coefficients.
    pub luma: [f64; 64],
    /// Steps of Cb and Cr, in the same unit.
    pub chroma: [f64; 64],
}

/// The tables in use, found by coordinate descent from mozjpeg's default (jcparam.c, table 3, by N. Robidoux), on 46
/// photographs of at most 768 pixels a side at 4:2:0. `cargo run --release -p bytefit-tools --bin jpeg_tables` goes on
/// from here.
///
/// docs/model.md, JPEG, says what they gain.
pub static TABLES: Tables = Tables {
    luma: [
        7.3, 9.8, 36.0, 27.0, 38.8, 34.9, 57.5, 56.7, 9.8, 13.7, 32.1, 26.5, 43.7, 35.0, 45.7, 45.5, 36.0, 32.1, 35.6,
        40.3, 45.6, 42.9, 53.9, 75.2, 27.0, 26.5, 40.3, 35.0, 45.7, 45.0, 60.8, 84.2, 38.8, 43.7, 45.6, 45.7, 49.1,
        54.7, 72.2, 98.3, 34.9, 35.0, 42.9, 45.0, 54.7, 68.8, 89.1, 118.7, 57.5, 45.7, 53.9, 60.8, 72.2, 89.1, 113.4,
        148.1, 56.7, 45.5, 75.2, 84.2, 98.3, 118.7, 148.1, 189.4,
    ],
    chroma: [
        5.3, 13.2, 16.9, 19.7, 27.4, 34.4, 55.8, 73.8, 13.2, 12.5, 17.7, 19.6, 26.1, 34.0, 39.9, 49.2, 16.9, 17.7,
        17.7, 24.1, 36.2, 45.8, 58.3, 82.5, 19.7, 19.6, 24.1, 34.0, 39.9, 48.6, 66.7, 93.7, 27.4, 26.1, 36.2, 39.9,
        45.7, 60.0, 80.4, 111.0, 34.4, 34.0, 45.8, 48.6, 60.0, 76.6, 100.6, 136.0, 55.8, 39.9, 58.3, 66.7, 80.4, 100.6,
        129.9, 172.0, 73.8, 49.2, 82.5, 93.7, 111.0, 136.0, 172.0, 223.2,
    ],
};

/// What is added to ln(step) for each unit of ln(scale) up to 1, by the sum of the two frequencies. The coarser the
/// tables, the finer the lowest frequencies are kept in comparison.
const RELIEF: [f64; 8] = [-0.130, -0.072, -0.005, 0.039, 0.045, 0.039, 0.027, 0.014];

/// ln(scale) below which steps that are coarser than the geometric mean of their table are drawn towards it; a unit
/// below, they have reached it. docs/model.md, JPEG, says what that gains.
const FLATTER_BELOW: f64 = -0.4;

/// ln of the table scale that the search may use. At -3.2 most steps are 1, which is nearly lossless. At 3.7 nearly all
/// are 255, the largest in a baseline table.
pub const LN_STEP_RANGE: RangeInclusive<f64> = -3.2..=3.7;

impl Tables {
    /// The tables of luma and of chroma at `exp(ln_step)` times their steps, each 1 to 255 so that the file stays
    /// baseline-legal. Whole JPEG quality units are 2 to 4 % of bytes apart; this scale moves single steps, 0.05 %
    /// apart.
    pub fn at(&self, ln_step: f64) -> [[u16; 64]; 2] {
        let flatness = (FLATTER_BELOW - ln_step).clamp(0.0, 1.0);
        [&self.luma, &self.chroma].map(|steps| {
            let ln_steps = steps.map(f64::ln);
            let ln_mean = ln_steps.iter().sum::<f64>() / 64.0;
            std::array::from_fn(|index| {
                let relief = RELIEF.get(index / 8 + index % 8).unwrap_or(&0.0) * ln_step.min(1.0);
                let above_mean = (ln_steps[index] - ln_mean).max(0.0);
                (steps[index] * (ln_step + relief - flatness * above_mean).exp()).round().clamp(1.0, 255.0) as u16
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_legal_and_grow_with_the_scale() {
        let mut last = [[0; 64]; 2];
        for tenth in -32..=37 {
            let tables = TABLES.at(f64::from(tenth) / 10.0);
            assert!(tables.as_flattened().iter().all(|step| (1..=255).contains(step)));
            assert!(tables.as_flattened().iter().zip(last.as_flattened()).all(|(step, before)| step >= before));
            last = tables;
        }
    }
}
