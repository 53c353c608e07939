//! Which format is expected to look best at a target, before anything is encoded. The coefficients are in the model of
//! each format; docs/model.md says how they were measured.

use crate::codec::Format;
use crate::codec::model::LeadModel;
use crate::codec::rate::dot;

/// What the model expects of a format at a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// Quality of the whole picture.
    pub quality: f64,
    /// Points of SSIMULACRA2 that the best scale gains over that.
    pub gain: f64,
    /// The index of that scale among those that are tried, largest first.
    pub scale_index: usize,
    /// SSIMULACRA2 of a sample at that scale, where it was tried.
    pub trial_score: Option<f64>,
}

impl Expectation {
    /// The whole picture, at `quality`.
    pub fn of_whole(quality: f64) -> Expectation {
        Expectation { quality, gain: 0.0, scale_index: 0, trial_score: None }
    }
}

/// The formats that are compared.
pub const COMPARED: [Format; 3] = [Format::Avif, Format::Webp, Format::Jpeg];

/// Every format that is written, those first that win where the model expects the same quality of all. Those that are
/// not compared come last.
pub fn by_rank() -> impl Iterator<Item = Format> {
    let (ranked, others): (Vec<_>, Vec<_>) = Format::OUTPUT
        .into_iter()
        .filter(|format| !COMPARED.contains(format))
        .partition(|format| basis(*format).is_some());
    ranked.into_iter().chain(COMPARED).chain(others)
}

/// The index in [`COMPARED`] of the format whose expectation the lead of `format` rests on. Returns `None` for a format
/// that comes after all that are compared.
pub fn basis(format: Format) -> Option<usize> {
    let basis = match &format.output()?.lead {
        LeadModel::Reference | LeadModel::Fitted { .. } => format,
        LeadModel::OverJpeg(_) => Format::Jpeg,
        LeadModel::NotCompared => return None,
    };
    COMPARED.iter().position(|compared| *compared == basis)
}

/// Expectations of [`COMPARED`].
pub type Expectations = [Expectation; COMPARED.len()];

/// Points of SSIMULACRA2 by which `format`, which has a [`basis`], is expected to look better than AVIF, for a picture
/// without colour or with it.
pub fn lead(format: Format, expectations: &Expectations, is_grey: bool) -> f64 {
    match format.output().map(|output| &output.lead) {
        Some(LeadModel::Fitted { below_fit, .. }) if !depends_on_gains(expectations[0].quality, is_grey) => *below_fit,
        Some(LeadModel::Fitted { coefficients, of_grey, .. }) => {
            dot(if is_grey { of_grey } else { coefficients }, &features(expectations))
        }
        Some(LeadModel::OverJpeg([base, slope])) => {
            lead(Format::Jpeg, expectations, is_grey) + base + slope * expectations[0].quality
        }
        Some(LeadModel::Reference | LeadModel::NotCompared) | None => 0.0,
    }
}

/// Whether leads depend on the gains of the formats, where this quality is expected of the whole picture as AVIF.
pub fn depends_on_gains(quality_of_avif: f64, is_grey: bool) -> bool {
    quality_of_avif >= least_fitted_quality(is_grey)
}

/// Expected quality of the whole picture as AVIF below which the fit says nothing: leads of camera files at 20 KB were
/// wrong by 30 points. docs/model.md, Format rank.
fn least_fitted_quality(is_grey: bool) -> f64 {
    if is_grey { -20.0 } else { 0.0 }
}

/// What a lead depends on.
pub fn features(expectations: &Expectations) -> [f64; 7] {
    let [avif, webp, jpeg] = expectations;
    let over_avif = |expectation: &Expectation| expectation.quality - avif.quality;
    [1.0, avif.quality, over_avif(webp), over_avif(jpeg), avif.gain, webp.gain, jpeg.gain]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compared_formats_are_those_with_a_lead() {
        for format in Format::OUTPUT {
            let is_compared = matches!(format.output().unwrap().lead, LeadModel::Reference | LeadModel::Fitted { .. });
            assert_eq!(COMPARED.contains(&format), is_compared, "{format:?}");
        }
        assert_eq!(by_rank().count(), Format::OUTPUT.len());
    }

    #[test]
    fn jpeg_xl_leads_the_jpeg_that_it_is_made_of() {
        for quality in [-20.0, 20.0, 50.0, 80.0, 95.0] {
            let expectations = whole([quality; 3]);
            assert!(lead(Format::Jxl, &expectations, false) > lead(Format::Jpeg, &expectations, false), "{quality}");
        }
        assert_eq!(by_rank().next(), Some(Format::Jxl));
    }

    #[test]
    fn at_rates_below_those_of_the_fit_webp_leads_and_jpeg_comes_last() {
        // A camera file of 12 megapixels at 20 KB.
        let expectations = [(-39.3, 48.9), (-23.8, 167.0), (-64.1, 90.0)];
        let expectations =
            expectations.map(|(quality, gain)| Expectation { gain, scale_index: 6, ..Expectation::of_whole(quality) });
        assert!(lead(Format::Webp, &expectations, false) > 0.0 && lead(Format::Jpeg, &expectations, false) < 0.0);
    }

    #[test]
    fn a_grey_jpeg_has_no_colour_to_spend_bytes_on() {
        let over_webp = |expectations: &Expectations, is_grey| {
            lead(Format::Jpeg, expectations, is_grey) - lead(Format::Webp, expectations, is_grey)
        };
        let alike = whole([60.0, 57.0, 58.0]);
        assert!(over_webp(&alike, true) > 0.0 && over_webp(&alike, false) < 0.0);
        // A grey photograph of 768x512 at 20 KB, whose JPEG looks 4.6 points better than its WebP of half the size.
        let [avif, webp, jpeg] = whole([52.7, 38.5, 50.3]);
        assert!(over_webp(&[avif, Expectation { gain: 5.1, ..webp }, jpeg], true) > 0.0);
    }

    fn whole(qualities: [f64; 3]) -> Expectations {
        qualities.map(Expectation::of_whole)
    }

    #[test]
    fn avif_looks_best_where_the_same_quality_is_expected_of_all() {
        for quality in [20.0, 50.0, 80.0] {
            let alike = whole([quality; 3]);
            assert!(lead(Format::Webp, &alike, false) < 0.0 && lead(Format::Jpeg, &alike, false) < 1.0, "{quality}");
        }
    }

    #[test]
    fn a_jpeg_of_which_far_more_is_expected_leads() {
        let expectations = whole([50.0, 50.0, 80.0]);
        assert!(
            lead(Format::Jpeg, &expectations, false) > 0.0
                && lead(Format::Jpeg, &expectations, false) > lead(Format::Webp, &expectations, false)
        );
    }

    #[test]
    fn a_webp_that_gains_by_going_smaller_leads_one_that_does_not() {
        let [avif, webp, jpeg] = whole([30.0, 20.0, 20.0]);
        let smaller = [avif, Expectation { gain: 30.0, scale_index: 2, ..webp }, jpeg];
        assert!(lead(Format::Webp, &smaller, false) > lead(Format::Webp, &[avif, webp, jpeg], false) + 5.0);
    }
}
