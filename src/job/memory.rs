//! What a job costs in memory, from the header alone. Must not know how the permit is taken.

use crate::codec::{Format, Probe};

use super::workbench::GLANCE_PIXELS;
use super::{Effort, Formats, Job};

/// Bytes a pixel beside the decoded picture: the turned or resized copy, and what the encoder holds at its
/// peak. Estimates from what each encoder allocates, on the high side.
fn encoder_bytes_per_pixel(format: Format) -> u64 {
    match format {
        // Progressive JPEG keeps every coefficient twice while trellis runs.
        Format::Jpeg => 12,
        Format::Webp => 12,
        Format::Avif => 40,
        Format::Png => 12,
        Format::Gif | Format::Bmp | Format::Tiff => 0,
    }
}

/// Bytes a pixel while a candidate is scored: fast-ssim2 holds 48 for the reference and 60 to compare.
const SCORE_BYTES_PER_PIXEL: u64 = 110;

/// Bytes of memory that the job needs at its peak, estimated from the header: decoding, transforming,
/// encoding, scoring. Errs high.
pub fn memory_needed(probe: &Probe, job: &Job) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let worked = worked_pixels(probe, job).max(1);
    let formats: &[Format] = match &job.formats {
        Formats::Keep => &[probe.format],
        Formats::Among(list) => list,
    };
    let encoder = formats.iter().map(|format| encoder_bytes_per_pixel(*format)).max().unwrap_or(0);
    let scored = match job.min_score.is_some() || job.effort == Effort::Best {
        true => worked,
        false if job.downscale => worked.min(GLANCE_PIXELS),
        false => 0,
    };
    // Encoding and scoring take turns; the pictures around them stay.
    let at_work = worked.saturating_mul(encoder).max(scored.saturating_mul(SCORE_BYTES_PER_PIXEL));
    // The picture on its background, and without the colours that nobody sees.
    let views = if probe.alpha { worked.saturating_mul(7) } else { 0 };
    let pictures = probe.decode_bytes.max(pixels * 4).saturating_add(worked.saturating_mul(4)).saturating_add(views);
    pictures.saturating_add(at_work)
}

/// Pixels of the picture that is encoded: the input's, or those that resizing asks for.
fn worked_pixels(probe: &Probe, job: &Job) -> u64 {
    let (width, height) = probe.orientation.upright_size(probe.width, probe.height);
    let (width, height) = match &job.resize {
        Some(resize) => crate::picture::transform::resized_size(width, height, resize),
        None => (width, height),
    };
    u64::from(width) * u64::from(height)
}
