//! How much better a smaller picture looks at the same bytes, as expected before anything is encoded. The coefficients
//! are in the model of each format; docs/model.md says how they were measured.

use crate::codec::Format;
pub use crate::codec::model::MEASURED_STEPS;
use crate::codec::model::{AlphaScales, ScaleGainModel, SmallerModel};
use crate::codec::rate::{Spectrum, dot, rows_for};
use crate::picture::{Chroma, Picture};

/// The scales that are tried, the whole picture first. Simple ratios look better than those beside them: docs/model.md.
pub const SCALES: [f64; 16] = [
    1.0,
    3.0 / 4.0,
    2.0 / 3.0,
    1.0 / 2.0,
    2.0 / 5.0,
    1.0 / 3.0,
    1.0 / 4.0,
    1.0 / 5.0,
    1.0 / 6.0,
    1.0 / 8.0,
    1.0 / 12.0,
    1.0 / 16.0,
    1.0 / 24.0,
    1.0 / 32.0,
    1.0 / 48.0,
    1.0 / 64.0,
];

/// Pixels of the long side that a picture is not made smaller than.
pub(crate) const LEAST_SIDE: u32 = 64;

/// Points of SSIMULACRA2 below which the gain of so many steps is not worth the pixels of the first scale. What the
/// steps gain beyond the fit does not count here: with it one of 24 Kodak pictures lost 4 points.
pub fn least_gain(format: Format, steps: usize) -> f64 {
    let model = model(format);
    model.margin + model.beyond_fit * steps as f64
}

/// Points of SSIMULACRA2 that the step from `SCALES[index]` to the next scale is expected to gain. The larger picture
/// may have `bits_per_pixel` and is expected to reach `quality` with them; the whole picture has `details`.
pub fn gain(format: Format, index: usize, quality: f64, bits_per_pixel: f64, details: &Details) -> f64 {
    let detail = details.get(index).copied().unwrap_or_default();
    let model = model(format);
    let coefficients = model.coefficients.get(index).unwrap_or(&FURTHER);
    dot(coefficients, &features(format, quality, bits_per_pixel, detail)) + model.beyond_fit
}

/// What a gain depends on: the quality of the larger picture, its bits, and the detail that the step loses.
pub fn features(format: Format, quality: f64, bits_per_pixel: f64, detail: f64) -> [f64; 4] {
    [1.0, quality, if model(format).uses_bits { bits_per_pixel.ln() } else { 0.0 }, detail]
}

/// The detail of the whole picture that is lost after each measured step: ln of its energy for each pixel, in squared
/// levels of luma.
pub type Details = [f64; MEASURED_STEPS];

/// Measures the detail of `picture`.
pub fn details(picture: &Picture) -> Details {
    let spectrum = Spectrum::of(picture, Chroma::Halved, rows_for(picture, SAMPLED_PIXELS));
    let ends: Details = std::array::from_fn(|index| SCALES[index + 1]);
    spectrum.energy_beyond(ends).map(|energy| (LEAST_DETAIL + energy).ln())
}

/// At most so many pixels are measured for detail.
const SAMPLED_PIXELS: u64 = 500_000;

/// Energy that rounding leaves in a picture without detail, in squared levels.
const LEAST_DETAIL: f64 = 1.0 / 12.0;

/// Whether the whole picture looks so decent at `quality` that no smaller one is considered. A picture that takes
/// many bits for a poor quality is full of detail that a smaller one would lose: docs/model.md.
pub fn is_decent(format: Format, quality: f64, bits_per_pixel: f64) -> bool {
    let model = model(format);
    let is_detailed = bits_per_pixel >= model.detailed_bits_per_pixel;
    quality >= if is_detailed { model.decent_quality_of_detail } else { model.decent_quality }
}

/// Whether a smaller picture looks so decent at `quality` that it is the last that is considered.
pub fn ends_choice(format: Format, quality: f64) -> bool {
    model(format).last_quality.is_some_and(|last| quality >= last)
}

/// Quality from which on a smooth picture is not made smaller: it loses nothing by that, and what compression leaves is
/// seen best in it.
pub(crate) fn decent_quality_of_smooth(format: Format) -> f64 {
    model(format).decent_quality_of_smooth
}

/// How photographs with alpha are made smaller.
pub(crate) fn with_alpha(format: Format) -> Option<AlphaScales> {
    model(format).with_alpha
}

/// When the next smaller picture is tried, whatever is expected of it.
pub(crate) fn smaller(format: Format, has_alpha: bool) -> Option<SmallerModel> {
    model(format).smaller.map(|[opaque, with_alpha]| if has_alpha { with_alpha } else { opaque })
}

/// Coefficients of the steps that were not measured, which gain below a quality of 50: docs/model.md.
const FURTHER: [f64; 4] = [10.0, -0.2, 0.0, 0.0];

/// # Panics
/// For a format that is not written: none is ever searched.
fn model(format: Format) -> &'static ScaleGainModel {
    &format.output().expect("only formats that are written are searched").scale_gain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poor_picture_gains_by_every_step_and_a_perfect_one_by_none() {
        for format in Format::OUTPUT {
            let mut of_perfect = 0.0;
            for index in 0..SCALES.len() {
                assert!(gain(format, index, 20.0, 0.2, &[0.0; MEASURED_STEPS]) > 0.0, "{format:?} {index}");
                of_perfect += gain(format, index, 100.0, 1.0, &[1.0; MEASURED_STEPS]);
                assert!(of_perfect < 0.0, "{format:?} {index}");
            }
        }
    }

    #[test]
    fn a_picture_of_decent_quality_stays_whole() {
        assert!(is_decent(Format::Jpeg, 53.0, 0.2) && !is_decent(Format::Jpeg, 51.0, 0.2));
        assert!(is_decent(Format::Jpeg, 36.0, 0.8) && !is_decent(Format::Jpeg, 34.0, 0.8));
    }
}
