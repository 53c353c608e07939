//! Decodes JPEG inside of other formats, where the outer format says what the components mean.

use super::decode::{check_kind, check_scans, decode_samples};
use super::header::Header;
use super::meaning::Lead;

pub(in crate::codec) use super::meaning::Meaning;

/// Decodes an abbreviated JPEG of `width` pixels and at least `rows` rows, with the tables of an abbreviated table file
/// (T.81, annex B.4 and B.5). Returns the samples of `rows` rows, or `None` when the data is damaged or of another
/// size.
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

#[cfg(test)]
mod tests {
    use testkit::fixtures::jpeg_begin;

    use super::*;

    /// A strip of 16x8 pixels, whose blocks are each 8 levels above the last of their component.
    fn strip(sampling_of_luma: u8, blocks: &[u8]) -> Vec<u8> {
        let scan = b"\xFF\xDA\0\x0C\x03\x01\0\x02\0\x03\0\0\x3F\0";
        [&jpeg_begin(16, sampling_of_luma)[..], scan, blocks, b"\xFF\xD9"].concat()
    }

    #[test]
    fn rgb_has_all_samples_of_each_component() {
        // Six and four blocks of 0 1000 0.
        let whole = strip(0x11, &[0b0100_0001, 0b0000_0100, 0b0001_0000, 0b0100_0001, 0b0000_1111]);
        let subsampled = strip(0x21, &[0b0100_0001, 0b0000_0100, 0b0001_0000]);
        let rgb = decode_strip(b"", &whole, Meaning::Rgb, 16, 8).unwrap();
        assert_eq!((&rgb[..3], &rgb[24..27]), (&[136, 136, 136][..], &[144, 144, 144][..]));
        assert!(decode_strip(b"", &subsampled, Meaning::YCbCr, 16, 8).is_some());
        assert_eq!(decode_strip(b"", &subsampled, Meaning::Rgb, 16, 8), None);
    }
}
