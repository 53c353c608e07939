//! Which format looks best at a target, told from what the model expects of each before anything is encoded.
//! Must not know how that is found. The coefficients are printed by `cargo run --release -p bytefit-tools --bin format_choice`, from
//! 46 photographs of at most 1,024 pixels a side and 22 of 2,048, at 0.07 to 3 bits a pixel.

use crate::codec::Format;
use crate::codec::rate::dot;

/// What the model expects of a format at a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// Quality of the whole picture.
    pub quality: f64,
    /// Points of SSIMULACRA2 that the best scale gains over that.
    pub gain: f64,
    /// The place of that scale among those that the picture may be brought to, largest first.
    pub place: usize,
}

impl Expectation {
    /// The whole picture, at `quality`.
    pub fn of_whole(quality: f64) -> Expectation {
        Expectation { quality, gain: 0.0, place: 0 }
    }
}

/// The formats that are compared.
pub const COMPARED: [Format; 3] = [Format::Avif, Format::Webp, Format::Jpeg];

/// Expectations of [`COMPARED`].
pub type Expectations = [Expectation; COMPARED.len()];

/// Points of SSIMULACRA2 by which `format`, one of [`COMPARED`], is expected to look better than AVIF.
pub fn lead(format: Format, expectations: &Expectations) -> f64 {
    let coefficients = match format {
        Format::Webp => &WEBP,
        Format::Jpeg => &JPEG,
        _ => return 0.0,
    };
    dot(coefficients, &features(expectations))
}

/// What decides a lead.
pub fn features(expectations: &Expectations) -> [f64; 7] {
    let [avif, webp, jpeg] = expectations;
    let over_avif = |expectation: &Expectation| expectation.quality - avif.quality;
    [1.0, avif.quality, over_avif(webp), over_avif(jpeg), avif.gain, webp.gain, jpeg.gain]
}

const WEBP: [f64; 7] = [-6.353, 0.045, -0.076, -0.097, -0.832, 0.290, -0.206];
const JPEG: [f64; 7] = [-8.434, 0.095, -0.102, 0.277, -0.966, 0.273, 0.140];

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(qualities: [f64; 3]) -> Expectations {
        qualities.map(Expectation::of_whole)
    }

    #[test]
    fn avif_looks_best_where_all_are_expected_to_look_alike() {
        for quality in [20.0, 50.0, 80.0] {
            let alike = whole([quality; 3]);
            assert!(lead(Format::Webp, &alike) < 0.0 && lead(Format::Jpeg, &alike) < 1.0, "{quality}");
        }
    }

    #[test]
    fn a_jpeg_of_which_far_more_is_expected_leads() {
        let expectations = whole([50.0, 50.0, 80.0]);
        assert!(
            lead(Format::Jpeg, &expectations) > 0.0
                && lead(Format::Jpeg, &expectations) > lead(Format::Webp, &expectations)
        );
    }

    #[test]
    fn a_webp_that_gains_by_going_smaller_leads_one_that_does_not() {
        let [avif, webp, jpeg] = whole([30.0, 20.0, 20.0]);
        let smaller = [avif, Expectation { gain: 30.0, place: 2, ..webp }, jpeg];
        assert!(lead(Format::Webp, &smaller) > lead(Format::Webp, &[avif, webp, jpeg]) + 5.0);
    }
}
