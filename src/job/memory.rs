//! What a job costs in memory, from the header alone. Must not know how the permit is taken.

use crate::codec::{Format, Probe};
use crate::picture::transform;

use super::{Effort, Formats, Job};

/// Bytes that the encoder of `format` holds at its peak, beside the picture. Estimates from what each encoder
/// allocates, on the high side.
fn encoder_bytes(format: Format, (width, height): (u32, u32)) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    match format {
        // Progressive JPEG keeps every coefficient twice while trellis runs.
        Format::Jpeg | Format::Webp | Format::Png => pixels.saturating_mul(12),
        // Whole blocks of 64 pixels, however thin the picture; libaom took 27 bytes a pixel of 12 megapixels.
        Format::Avif => {
            let blocks = |side: u32| u64::from(side).next_multiple_of(64);
            blocks(width).saturating_mul(blocks(height)).saturating_mul(40)
        }
        Format::Gif | Format::Bmp | Format::Tiff => 0,
    }
}

/// Bytes a pixel while a candidate is scored: fast-ssim2 holds 48 for the reference and 60 to compare.
const SCORE_BYTES_PER_PIXEL: u64 = 110;

/// Bytes of memory that the job needs at its peak, estimated from the header: decoding, transforming,
/// encoding, scoring. Errs high.
pub fn memory_needed(probe: &Probe, job: &Job) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let size = worked_size(probe, job);
    let worked = u64::from(size.0) * u64::from(size.1);
    let formats: &[Format] = match &job.formats {
        Formats::Keep => &[probe.format],
        Formats::Among(list) => list,
    };
    let encoders = formats.iter().map(|format| encoder_bytes(*format, size));
    let is_scored = job.min_score.is_some() || job.effort == Effort::Best;
    let scored = if is_scored { worked } else { 0 };
    let scoring = scored.saturating_mul(SCORE_BYTES_PER_PIXEL);
    let at_work = match job.effort {
        // What each format prepared is kept, beside the reference that all are compared with.
        Effort::Best => encoders.fold(scoring, u64::saturating_add),
        // Encoding and scoring take turns; the pictures around them stay.
        Effort::Fast | Effort::Balanced => encoders.max().unwrap_or(0).max(scoring),
    };
    // The picture on its background, and without the colours that nobody sees.
    let views = if probe.alpha { worked.saturating_mul(7) } else { 0 };
    let pictures = probe.decode_bytes.max(pixels * 4).saturating_add(worked.saturating_mul(4)).saturating_add(views);
    pictures.saturating_add(at_work)
}

/// Size of the picture that is encoded: the input's, or that which resizing asks for.
fn worked_size(probe: &Probe, job: &Job) -> (u32, u32) {
    let (width, height) = probe.orientation.upright_size(probe.width, probe.height);
    match &job.resize {
        Some(resize) => transform::resized_size(width, height, resize),
        None => (width, height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Orientation;

    fn needed(width: u32, height: u32, format: Format) -> u64 {
        let orientation = Orientation::Upright;
        let (animated, alpha, decode_bytes) = (false, false, 0);
        let probe = Probe { format: Format::Png, width, height, animated, alpha, orientation, decode_bytes };
        memory_needed(&probe, &Job { downscale: false, ..Job::new(1000, Formats::Among(vec![format])) })
    }

    #[test]
    fn a_thin_avif_costs_whole_blocks() {
        assert_eq!(needed(65_535, 1, Format::Webp), 65_535 * (4 + 4 + 12));
        assert_eq!(needed(65_535, 1, Format::Avif), 65_535 * (4 + 4) + 65_536 * 64 * 40);
    }
}
