//! Decodes JPEG inside of other formats, where the outer format says what the components mean.

use super::decode::{check_kind, check_scans, decode_samples};
use super::header::Header;
use super::meaning::Lead;

pub(in crate::codec) use super::meaning::Meaning;

/// Decodes an abbreviated JPEG of `width` pixels and at least `rows` rows, with the tables of an abbreviated table file
/// (T.81, annex B.4 and B.5). Returns the samples of `rows` rows, or `None` when the data is damaged or of another size.
pub(in crate::codec) fn decode_strip(
    tables: &[u8],
    strip: &[u8],
    meaning: Meaning,
    width: usize,
    rows: usize,
) -> Option<Vec<u8>> {
    let tables = tables.strip_suffix(b"\xFF\xD9").unwrap_or(tables);
    let tables = if tables.is_empty() { b"\xFF\xD8" } else { tables };
    let joined = [tables, strip.strip_prefix(b"\xFF\xD8")?].concat();
    let header = Header::read(&joined)?;
    let components = match meaning {
        Meaning::Grey => 1,
        Meaning::YCbCr | Meaning::Rgb => 3,
        Meaning::Cmyk | Meaning::Ycck => 4,
    };
    check_kind(&header).and_then(|()| check_scans(&header)).ok()?;
    let has_size =
        header.width as usize == width && (rows..rows.next_multiple_of(32) + 1).contains(&(header.height as usize));
    // RGB is not subsampled. Libraries disagree on such files.
    let is_contradictory = meaning == Meaning::Rgb && header.is_subsampled();
    if !has_size
        || is_contradictory
        || header.components.len() != components
        || header.precision != 8
        || !header.complete
    {
        return None;
    }
    let (mut samples, _) = decode_samples(&joined[..header.end], &header, meaning, &Lead::read(&joined)).ok()?;
    samples.truncate(width * rows * components);
    Some(samples)
}
