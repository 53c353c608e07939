//! Reads a JPEG from marker to marker (ITU-T T.81, annex B).

use memchr::memchr;

use crate::codec::bytes::{slice, u16_be};

/// Second bytes of markers (T.81, table B.1).
pub(super) const TEM: u8 = 0x01;
pub(super) const SOF0: u8 = 0xC0;
pub(super) const SOF1: u8 = 0xC1;
pub(super) const SOF2: u8 = 0xC2;
pub(super) const DHT: u8 = 0xC4;
pub(super) const SOF6: u8 = 0xC6;
const JPG: u8 = 0xC8;
pub(super) const SOF10: u8 = 0xCA;
pub(super) const DAC: u8 = 0xCC;
pub(super) const SOF14: u8 = 0xCE;
const SOF15: u8 = 0xCF;
pub(super) const RST0: u8 = 0xD0;
pub(super) const RST7: u8 = 0xD7;
pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DQT: u8 = 0xDB;
pub(super) const DNL: u8 = 0xDC;
pub(super) const DRI: u8 = 0xDD;
pub(super) const APP0: u8 = 0xE0;
pub(super) const APP1: u8 = 0xE1;
pub(super) const APP2: u8 = 0xE2;
pub(super) const APP13: u8 = 0xED;
pub(super) const APP14: u8 = 0xEE;
pub(super) const APP15: u8 = 0xEF;
/// The frame of a JPEG-LS (T.87), which is another format in the same segments.
pub(super) const JPEG_LS: u8 = 0xF7;
pub(super) const COM: u8 = 0xFE;

/// Prefixes of application segments: JFIF 1.02, ICC.1 annex B.4, T.872, EXIF 2.32 s4.7.2, CIPA DC-007 s4.2, XMP part 3
/// s1.1.3.
pub(super) const JFIF: &[u8] = b"JFIF\0";
pub(super) const ICC: &[u8] = b"ICC_PROFILE\0";
pub(super) const ADOBE: &[u8] = b"Adobe";
pub(super) const EXIF: &[u8] = b"Exif\0\0";
pub(super) const MPF: &[u8] = b"MPF\0";
pub(super) const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Photoshop File Formats Specification, s "Embedding image resources in JPEG".
pub(super) const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// ISO 21496-1 annex C: metadata for a gain map after the picture.
pub(super) const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";

/// Bytes of a JFIF segment up to its thumbnail (JFIF 1.02). A shorter one is no JFIF segment. The last two are the
/// width and height of the thumbnail.
pub(super) const JFIF_BYTES: usize = 14;
/// Bytes of Adobe's segment (Adobe technical note 5116, s18; T.872 s6.5.3). A shorter one is none.
pub(super) const ADOBE_BYTES: usize = 12;

/// A marker with its payload and coded data.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub marker: u8,
    pub payload: &'a [u8],
    /// The coded data after a start of scan, including restart markers.
    pub entropy: &'a [u8],
    /// Where it begins in the file: with its marker, or with the fill bytes before it.
    pub start: usize,
    /// Where it ends in the file, after its payload and its coded data.
    pub end: usize,
    /// Whether a scan is before it. Readers look for application segments before the first scan only.
    pub follows_scan: bool,
}

impl Segment<'_> {
    /// Whether it is a frame header. DHT, JPG and DAC lie in the same range.
    pub(super) fn is_frame(&self) -> bool {
        matches!(self.marker, SOF0..=SOF15) && !matches!(self.marker, DHT | JPG | DAC)
    }
}

/// The segments of a file in order, up to the end marker or the first damaged one.
pub(super) struct Segments<'a> {
    file: &'a [u8],
    at: usize,
    is_strict: bool,
    has_scan: bool,
}

impl<'a> Segments<'a> {
    /// Reads all that is there, as decoders do: skips bytes between segments, and takes coded data that the file cuts
    /// off.
    pub(super) fn lenient(file: &'a [u8]) -> Segments<'a> {
        Segments { file, at: 2, is_strict: false, has_scan: false }
    }

    /// Stops where the file breaks the rules: at bytes between segments, at a marker that has no place there, and at
    /// coded data without a marker after it. Returns `None` when the file does not start with SOI.
    pub(super) fn strict(file: &'a [u8]) -> Option<Segments<'a>> {
        file.starts_with(&[0xFF, SOI]).then_some(Segments { file, at: 2, is_strict: true, has_scan: false })
    }

    fn follows_the_rules(&self, segment: &Segment) -> bool {
        // Everything below 0xC0, and RST0 to SOI, has no payload or no meaning between segments.
        segment.start == self.at
            && matches!(segment.marker, SOF0..=SOF15 | EOI..=COM)
            && (segment.marker != SOS || segment.end + 1 < self.file.len())
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let segment = Segment { follows_scan: self.has_scan, ..read(self.file, self.at)? };
        if self.is_strict && !self.follows_the_rules(&segment) {
            return None;
        }
        // Other pictures may follow the end marker.
        self.at = if segment.marker == EOI { self.file.len() } else { segment.end };
        self.has_scan |= segment.marker == SOS;
        Some(segment)
    }
}

/// Returns the first segment from `at` on, as if no scan were before it.
fn read(file: &[u8], at: usize) -> Option<Segment<'_>> {
    let (start, marker, body) = next_marker(file, at)?;
    if matches!(marker, TEM | RST0..=EOI) {
        return Some(Segment { marker, payload: &[], entropy: &[], start, end: body, follows_scan: false });
    }
    // The length counts itself.
    let length = usize::from(u16_be(file, body)?).checked_sub(2)?;
    let payload = slice(file, body + 2, length)?;
    let coded = body + 2 + length;
    let end = if marker == SOS { entropy_end(file, coded) } else { coded };
    Some(Segment { marker, payload, entropy: &file[coded..end], start, end, follows_scan: false })
}

/// Returns the first marker from `at` on, where it or the fill bytes before it begin, and where its body begins.
fn next_marker(file: &[u8], mut at: usize) -> Option<(usize, u8, usize)> {
    loop {
        let start = at + file.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        let marker_at = start + file[start..].iter().position(|byte| *byte != 0xFF)?;
        at = marker_at + 1;
        if file[marker_at] != 0 {
            return Some((start, file[marker_at], at));
        }
    }
}

/// Returns the end of the coded data from `at` on: the next marker that is neither a restart nor a stuffed zero.
fn entropy_end(file: &[u8], mut at: usize) -> usize {
    while let Some(found) = file.get(at..).and_then(|rest| memchr(0xFF, rest)) {
        at += found;
        match file.get(at + 1) {
            Some(0 | RST0..=RST7) => at += 2,
            // A fill byte: the next 0xFF may start the marker.
            Some(0xFF) => at += 1,
            _ => return at,
        }
    }
    file.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The markers that the lenient and the strict reader find.
    fn both(file: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let lenient = Segments::lenient(file).map(|segment| segment.marker);
        let strict = Segments::strict(file).into_iter().flatten().map(|segment| segment.marker);
        (lenient.collect(), strict.collect())
    }

    #[test]
    fn a_file_by_the_rules_is_the_same_to_both() {
        let file = b"\xFF\xD8\xFF\xE0\0\x03a\xFF\xFF\xDA\0\x02\x12\xFF\0\xFF\xD0\x34\xFF\xFF\xD9\xFF\xE1\0\x02";
        assert_eq!(both(file), (vec![APP0, SOS, EOI], vec![APP0, SOS, EOI]));
        let scan = Segments::lenient(file).nth(1).unwrap();
        assert_eq!((scan.start, scan.end), (7, 19));
        assert_eq!(scan.entropy, b"\x12\xFF\0\xFF\xD0\x34\xFF");
        let follow_scan: Vec<bool> = Segments::lenient(file).map(|segment| segment.follows_scan).collect();
        assert_eq!(follow_scan, [false, false, true]);
    }

    #[test]
    fn only_the_lenient_reader_passes_what_breaks_the_rules() {
        // Bytes between segments, a marker without a place, a cut scan.
        assert_eq!(both(b"\xFF\xD8??\xFF\xE0\0\x02\xFF\xD9"), (vec![APP0, EOI], vec![]));
        assert_eq!(both(b"\xFF\xD8\xFF\x01\xFF\xD9"), (vec![TEM, EOI], vec![]));
        assert_eq!(both(b"\xFF\xD8\xFF\xDA\0\x02\x12\xFF"), (vec![SOS], vec![]));
        assert_eq!(both(b"??\xFF\xD9"), (vec![EOI], vec![]));
    }

    #[test]
    fn a_length_that_leaves_the_file_stops_both() {
        assert_eq!(both(b"\xFF\xD8\xFF\xE0\0\x02\xFF\xE1\0\x09abc"), (vec![APP0], vec![APP0]));
        assert_eq!(both(b"\xFF\xD8\xFF\xE0\0\x01\xFF\xD9"), (vec![], vec![]));
    }
}
