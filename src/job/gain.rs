//! What going smaller gains in looks, told from the qualities that the model expects before anything is encoded.
//! Must not know how pictures are scaled or searched. The constants are printed by `cargo run --release --example
//! scale`, from 46 photographs at 0.05 to 0.8 bits a pixel (PNG: 0.4 to 3).

use crate::codec::Format;
use crate::codec::rate::apply;

/// The scales that a gain is known of, largest first. Simple ratios look better than those beside them: a picture
/// brought to exactly a half and back has 1.6 (bilinear), 3.4 (bicubic) and 2.7 (Lanczos) points of SSIMULACRA2 more
/// than the mean of 0.48 and 0.52 (ten Kodak pictures).
pub const SCALES: [f64; 6] = [3.0 / 4.0, 2.0 / 3.0, 1.0 / 2.0, 2.0 / 5.0, 1.0 / 3.0, 1.0 / 4.0];

/// Gains that are expected to be less are not taken: the error of what is expected is 3 points
/// (JPEG), 2 (WebP) and 1.3 (AVIF) in the median where a gain is to be had.
pub const MARGIN: f64 = 1.5;

/// What is known of a picture at two sizes before it is encoded at either.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// Quality that the model expects of the whole picture within the target.
    pub whole: f64,
    /// The same of the smaller one.
    pub smaller: f64,
    /// The target, in bits a pixel of the whole picture: what the whole takes for its quality tells how much detail a
    /// smaller one would lose.
    pub bits_per_pixel: f64,
}

impl Outlook {
    /// What decides the gain.
    pub fn features(&self) -> [f64; 5] {
        [1.0, self.whole, self.smaller, self.smaller * self.smaller / 100.0, self.bits_per_pixel.ln()]
    }
}

/// Points of SSIMULACRA2 that a picture gains at the scale at `place` of [`SCALES`].
pub fn gain(format: Format, place: usize, outlook: &Outlook) -> f64 {
    apply(&coefficients(format)[place], &outlook.features())
}

/// Whether the whole picture looks decent enough at `quality` that no smaller one is considered. Where it takes many
/// bits for a poor quality it is full of detail that a smaller one would lose: at 0.8 bits a pixel (AVIF: 0.4) gains
/// were 0.3 points in the mean, and up to 10 were lost.
pub fn is_decent(format: Format, quality: f64, bits_per_pixel: f64) -> bool {
    let (decent, many_bits, decent_for_many) = match format {
        Format::Webp => (65.0, 0.7, 35.0),
        Format::Avif => (55.0, 0.35, 20.0),
        Format::Png => (70.0, f64::INFINITY, 70.0),
        _ => (60.0, 0.7, 40.0),
    };
    quality >= if bits_per_pixel < many_bits { decent } else { decent_for_many }
}

/// Of [`Outlook::features`], for each of [`SCALES`].
fn coefficients(format: Format) -> &'static [[f64; 5]; 6] {
    match format {
        Format::Webp => &WEBP,
        Format::Avif => &AVIF,
        Format::Png => &PNG,
        _ => &JPEG,
    }
}

const JPEG: [[f64; 5]; 6] = [
    [-5.182, -0.179, 0.293, -0.178, -8.799],
    [-12.578, -0.349, 0.475, -0.126, -9.162],
    [-13.576, -0.104, 0.649, -0.612, -12.737],
    [-54.885, -0.228, 1.136, -0.662, -18.508],
    [-106.839, -0.144, 2.560, -1.769, -21.212],
    [-310.100, -0.153, 6.812, -4.152, -27.216],
];
const WEBP: [[f64; 5]; 6] = [
    [-3.335, -0.250, 0.226, 0.047, -1.575],
    [-0.765, -0.106, 0.135, -0.065, -2.033],
    [-4.350, -0.108, 0.554, -0.529, -1.935],
    [-26.815, -0.028, 1.382, -1.313, -3.820],
    [-57.265, -0.044, 2.480, -2.207, -4.548],
    [-123.953, -0.229, 4.298, -3.392, -7.407],
];
const AVIF: [[f64; 5]; 6] = [
    [0.618, 0.051, -0.025, -0.082, -1.658],
    [1.361, -0.012, 0.097, -0.177, -1.184],
    [-0.890, 0.001, 0.386, -0.512, -1.231],
    [-17.470, 0.006, 0.885, -0.926, -2.219],
    [-48.133, 0.012, 1.881, -1.702, -2.204],
    [-175.379, -0.059, 4.850, -3.435, -4.231],
];
const PNG: [[f64; 5]; 6] = [
    [28.160, 0.006, 0.801, -0.327, -57.347],
    [22.335, -0.146, 0.826, -0.231, -51.244],
    [3.977, -0.352, 0.725, 0.171, -41.901],
    [-3.948, 0.430, -0.789, 2.349, -107.260],
    [-5.128, -0.708, 1.181, -0.645, -4.721],
    [0.004, -0.572, 0.290, 0.234, -15.355],
];

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = 2;

    fn gain_of_half(whole: f64, smaller: f64, bits_per_pixel: f64) -> impl Fn(Format) -> f64 {
        move |format| gain(format, HALF, &Outlook { whole, smaller, bits_per_pixel })
    }

    #[test]
    fn half_the_size_looks_better_where_the_whole_is_poor() {
        let gain = gain_of_half(0.0, 70.0, 0.2);
        assert_eq!(SCALES[HALF], 0.5);
        assert!(gain(Format::Jpeg) > 20.0 && gain(Format::Webp) > 5.0 && gain(Format::Avif) > 2.0);
    }

    #[test]
    fn less_is_gained_where_there_is_more_detail_to_lose() {
        for format in [Format::Jpeg, Format::Webp, Format::Avif] {
            let (smooth, detailed) = (gain_of_half(40.0, 70.0, 0.2)(format), gain_of_half(40.0, 70.0, 0.6)(format));
            assert!(smooth > detailed + 1.0, "{format:?}: {smooth} and {detailed}");
        }
    }

    #[test]
    fn what_looks_decent_stays_whole() {
        assert!(is_decent(Format::Jpeg, 61.0, 0.3) && !is_decent(Format::Jpeg, 59.0, 0.3));
        assert!(is_decent(Format::Jpeg, 41.0, 0.8) && !is_decent(Format::Jpeg, 39.0, 0.8));
    }
}
