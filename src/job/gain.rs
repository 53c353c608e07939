//! What going smaller gains in looks, told from the quality that the model expects before anything is encoded.
//! Must not know how pictures are scaled or searched. The coefficients are printed by `cargo run --release
//! --example scale`, from 46 photographs of at most 1,024 pixels a side and 22 of 2,048, at 0.03 to 0.8 bits a pixel (PNG: 0.4 to 3).

use crate::codec::Format;
use crate::codec::rate::apply;

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

/// Steps from one of [`SCALES`] to the next whose gain was measured.
pub const MEASURED_STEPS: usize = 6;

/// Points of SSIMULACRA2 below which a gain over the whole picture is not worth its pixels: of 640 choices for JPEG, on
/// pictures that the coefficients were not fitted to, one then loses more than 0.5 points, where at 0.3 four do, up to 2.6;
/// the mean gain is the same.
pub const MARGIN: f64 = 1.0;

/// Points of SSIMULACRA2 that the step at `place` of [`SCALES`] to the next gains, where the larger picture has
/// `bits_per_pixel` within the target, of which the model expects `quality`.
pub fn gain(format: Format, place: usize, quality: f64, bits_per_pixel: f64) -> f64 {
    apply(coefficients(format).get(place).unwrap_or(&FURTHER), &features(format, quality, bits_per_pixel))
}

/// What decides a gain: the look that there is, and what it costs, which tells how much detail there is to lose. Of
/// PNG's palette the look is itself told from the bits alone.
pub fn features(format: Format, quality: f64, bits_per_pixel: f64) -> [f64; 3] {
    [1.0, quality, if format == Format::Png { 0.0 } else { bits_per_pixel.ln() }]
}

/// Whether the whole picture looks decent enough at `quality` that no smaller one is considered. Where it takes many
/// bits for a poor quality it is full of detail that a smaller one would lose: at 0.8 bits a pixel of WebP and 0.4 of
/// AVIF gains were 0.3 points in the mean, and up to 10 were lost; at 0.3 of JPEG 1.5 and up to 4.5, below a quality of 35
/// 0.7 and 0.4.
pub fn is_decent(format: Format, quality: f64, bits_per_pixel: f64) -> bool {
    let (decent, many_bits, decent_for_many) = match format {
        Format::Webp => (65.0, 0.7, 35.0),
        Format::Avif => (55.0, 0.35, 20.0),
        Format::Png => (60.0, f64::INFINITY, 60.0),
        _ => (52.0, 0.25, 35.0),
    };
    quality >= if bits_per_pixel < many_bits { decent } else { decent_for_many }
}

/// Of the steps that were not measured: they pay below a quality of 50. Of 22 photographs of 2 to 16 megapixels brought
/// to 20 KB of WebP, nine that landed at 53 to 61 looked 1.8 to 14 points better than smaller ones at 72 to 83.
const FURTHER: [f64; 3] = [10.0, -0.2, 0.0];

/// Of [`features`], for each of the measured steps.
fn coefficients(format: Format) -> &'static [[f64; 3]; MEASURED_STEPS] {
    match format {
        Format::Webp => &WEBP,
        Format::Avif => &AVIF,
        Format::Png => &PNG,
        _ => &JPEG,
    }
}

const JPEG: [[f64; 3]; MEASURED_STEPS] = [
    [-7.366, 0.013, -5.808],
    [3.940, -0.041, 0.034],
    [2.361, -0.046, -2.027],
    [-3.040, -0.006, -3.126],
    [6.054, -0.100, -0.716],
    [7.382, -0.133, -2.132],
];
const WEBP: [[f64; 3]; MEASURED_STEPS] = [
    [2.692, -0.048, -1.715],
    [1.769, -0.040, -0.868],
    [13.147, -0.187, -0.180],
    [7.115, -0.139, -2.956],
    [16.923, -0.259, -1.178],
    [36.747, -0.523, -2.655],
];
const AVIF: [[f64; 3]; MEASURED_STEPS] = [
    [-1.208, -0.025, -1.702],
    [2.131, -0.029, 0.079],
    [2.789, -0.060, -0.628],
    [-1.719, -0.036, -2.038],
    [2.585, -0.075, -0.558],
    [2.852, -0.087, -0.792],
];
const PNG: [[f64; 3]; MEASURED_STEPS] = [
    [37.534, -0.426, 0.000],
    [18.946, -0.246, 0.000],
    [32.744, -0.346, 0.000],
    [21.289, -0.289, 0.000],
    [23.852, -0.374, 0.000],
    [11.716, -0.248, 0.000],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poor_picture_gains_by_every_step_and_a_perfect_one_by_none() {
        for format in [Format::Jpeg, Format::Webp, Format::Avif, Format::Png] {
            let mut of_perfect = 0.0;
            for place in 0..SCALES.len() {
                assert!(gain(format, place, 20.0, 0.2) > 0.0, "{format:?} {place}");
                of_perfect += gain(format, place, 100.0, 1.0);
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
