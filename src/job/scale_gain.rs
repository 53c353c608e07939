//! What going smaller gains in looks, told from the quality that the model expects before anything is encoded.
//! Must not know how pictures are scaled or searched. The coefficients are printed by `cargo run --release
//! -p bytefit-tools --bin scale`, from 46 photographs of at most 1,024 pixels a side and 22 of 2,048, at 0.03 to 0.8 bits a pixel (PNG: 0.4 to 3).

use crate::codec::Format;
pub use crate::codec::model::MEASURED_STEPS;
use crate::codec::model::ScaleGainModel;
use crate::codec::rate::{Spectrum, dot, rows_for};
use crate::picture::{Chroma, Picture};

/// The scales that are tried, the whole picture first. Simple ratios look better than those beside them: a picture
/// brought to exactly a half and back has 1.6 (bilinear), 3.4 (bicubic) and 2.7 (Lanczos) points of SSIMULACRA2 more
/// than the mean of 0.48 and 0.52 (ten Kodak pictures).
pub const SCALES: [f64; 15] = [
    1.0,
    3.0 / 4.0,
    2.0 / 3.0,
    1.0 / 2.0,
    2.0 / 5.0,
    1.0 / 3.0,
    1.0 / 4.0,
    1.0 / 6.0,
    1.0 / 8.0,
    1.0 / 12.0,
    1.0 / 16.0,
    1.0 / 24.0,
    1.0 / 32.0,
    1.0 / 48.0,
    1.0 / 64.0,
];

/// Points of SSIMULACRA2 below which a gain over the whole picture is not worth its pixels.
pub fn margin(format: Format) -> f64 {
    model(format).margin
}

/// Points of SSIMULACRA2 that the step at `place` of [`SCALES`] to the next gains, where the larger picture has
/// `bits_per_pixel` within the target, of which the model expects `quality`, and the whole one has [`details`].
pub fn gain(format: Format, place: usize, quality: f64, bits_per_pixel: f64, details: &Details) -> f64 {
    let detail = details.get(place).copied().unwrap_or_default();
    dot(model(format).coefficients.get(place).unwrap_or(&FURTHER), &features(format, quality, bits_per_pixel, detail))
}

/// What decides a gain: the look that there is, what it costs, and the detail that there is to lose. Of PNG's palette the
/// look is itself told from the bits alone.
pub fn features(format: Format, quality: f64, bits_per_pixel: f64, detail: f64) -> [f64; 4] {
    [1.0, quality, if model(format).uses_bits { bits_per_pixel.ln() } else { 0.0 }, detail]
}

/// What of the whole picture is lost at the end of each measured step: ln of the energy for each pixel, in squared levels
/// of luma.
pub type Details = [f64; MEASURED_STEPS];

pub fn details(picture: &Picture) -> Details {
    let spectrum = Spectrum::of(picture, Chroma::Halved, rows_for(picture, SEEN_PIXELS));
    let ends: Details = std::array::from_fn(|place| SCALES[place + 1]);
    spectrum.energy_beyond(ends).map(|energy| (LEAST_DETAIL + energy).ln())
}

/// Pixels that are looked at for detail, at the most.
const SEEN_PIXELS: u64 = 500_000;

/// Squared levels that rounding leaves in a picture without any detail: a twelfth.
const LEAST_DETAIL: f64 = 1.0 / 12.0;

/// Whether the whole picture looks decent enough at `quality` that no smaller one is considered. Where it takes many
/// bits for a poor quality it is full of detail that a smaller one would lose: at 0.8 bits a pixel of WebP and 0.4 of
/// AVIF gains were 0.3 points in the mean, and up to 10 were lost, before detail was looked at; at 0.3 of JPEG they are 0.6
/// with it.
pub fn is_decent(format: Format, quality: f64, bits_per_pixel: f64) -> bool {
    let model = model(format);
    let is_detailed = bits_per_pixel >= model.detailed_bits_per_pixel;
    quality >= if is_detailed { model.decent_quality_of_detail } else { model.decent_quality }
}

/// Of the steps that were not measured: they pay below a quality of 50. Of 22 photographs of 2 to 16 megapixels brought
/// to 20 KB of WebP, nine that landed at 53 to 61 looked 1.8 to 14 points better than smaller ones at 72 to 83.
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
        for format in [Format::Jpeg, Format::Webp, Format::Avif, Format::Png] {
            let mut of_perfect = 0.0;
            for place in 0..SCALES.len() {
                assert!(gain(format, place, 20.0, 0.2, &[0.0; MEASURED_STEPS]) > 0.0, "{format:?} {place}");
                of_perfect += gain(format, place, 100.0, 1.0, &[1.0; MEASURED_STEPS]);
                assert!(of_perfect < 0.0, "{format:?} {place}");
            }
        }
    }

    #[test]
    fn what_looks_decent_stays_whole() {
        assert!(is_decent(Format::Jpeg, 53.0, 0.2) && !is_decent(Format::Jpeg, 51.0, 0.2));
        assert!(is_decent(Format::Jpeg, 36.0, 0.8) && !is_decent(Format::Jpeg, 34.0, 0.8));
    }
}
