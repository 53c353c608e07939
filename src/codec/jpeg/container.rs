//! Edits the segments of a JPEG (ITU-T T.81, annex B): strips metadata, embeds metadata and pads.

use crate::codec::rights::{self, iptc};
use crate::codec::{Metadata, MetadataPolicy, exif, xmp};
use crate::picture::Orientation;

/// Second bytes of markers (T.81, table B.1).
const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOF0: u8 = 0xC0;
pub(super) const SOF1: u8 = 0xC1;
pub(super) const SOF2: u8 = 0xC2;
const SOF15: u8 = 0xCF;
/// Markers in the range of the frame headers that are not frame headers: DHT, JPG, DAC.
const NO_FRAMES: [u8; 3] = [DHT, 0xC8, 0xCC];
pub(super) const DHT: u8 = 0xC4;
pub(super) const DRI: u8 = 0xDD;
pub(super) const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP13: u8 = 0xED;
const APP14: u8 = 0xEE;
const APP15: u8 = 0xEF;
const COM: u8 = 0xFE;

/// Prefixes of application segments: JFIF 1.02, ICC.1 annex B.4, T.872, EXIF 2.32 s4.7.2, CIPA DC-007 s4.2, XMP part 3
/// s1.1.3.
const JFIF: &[u8] = b"JFIF\0";
const ICC: &[u8] = b"ICC_PROFILE\0";
const ADOBE: &[u8] = b"Adobe";
const EXIF: &[u8] = b"Exif\0\0";
const MPF: &[u8] = b"MPF\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Photoshop File Formats Specification, s "Embedding image resources in JPEG".
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// ISO 21496-1 annex C: metadata for a gain map after the picture.
const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";

/// Bytes of a JFIF segment up to its thumbnail. The last two are the width and height of the thumbnail.
const JFIF_BYTES: usize = 14;
/// Maximum payload of a segment in bytes. The 16-bit length counts itself, but not the marker.
const MAX_PAYLOAD: usize = 65_533;
/// Bytes of a marker and a length.
const SEGMENT_HEAD: usize = 4;

/// Removes metadata and thumbnails from the file, unless `policy` keeps them. Also removes everything after the end
/// (videos, previews, gain maps) and the segments that list it.
pub fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let found = found(file)?;
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    let (mut kept, mut resources) = (vec![0xFF, SOI], Vec::new());
    let mut segments = Segments::open(file)?;
    loop {
        let segment = segments.next()?;
        match segment.marker {
            EOI => break,
            APP2 if [MPF, GAIN_MAP].iter().any(|name| segment.payload.starts_with(name)) => {}
            APP1 if policy == MetadataPolicy::Keep && segment.payload.starts_with(XMP) => {
                let packet = xmp::with_orientation(&segment.payload[XMP.len()..], orientation);
                push_segment(&mut kept, APP1, &[XMP, &packet]);
            }
            APP0..=APP15 | COM if policy == MetadataPolicy::Keep => {
                push_segment(&mut kept, segment.marker, &[segment.payload]);
            }
            APP0 if segment.payload.starts_with(JFIF) => {
                push_segment(&mut kept, APP0, &[&without_thumbnail(segment.payload)?]);
            }
            APP2 if segment.payload.starts_with(ICC) => push_segment(&mut kept, APP2, &[segment.payload]),
            APP13 => resources.extend(segment.payload.strip_prefix(PHOTOSHOP).unwrap_or_default()),
            APP14 if segment.payload.starts_with(ADOBE) => push_segment(&mut kept, APP14, &[segment.payload]),
            APP0..=APP15 | COM => {}
            // Four components are inks, which few viewers show correctly.
            SOF0..=SOF15 if !NO_FRAMES.contains(&segment.marker) && segment.payload.get(5) == Some(&4) => return None,
            marker => {
                push_segment(&mut kept, marker, &[segment.payload]);
                kept.extend(segment.entropy);
            }
        }
    }
    kept.extend([0xFF, EOI]);
    if policy == MetadataPolicy::Keep {
        return Some(kept);
    }
    Some(embed(kept, &rights::left(&found, &iptc::of_resources(&resources), policy)))
}

/// Returns the first EXIF and the first XMP of the file.
fn found(file: &[u8]) -> Option<Metadata> {
    let mut found = Metadata::default();
    let mut segments = Segments::open(file)?;
    loop {
        let segment = segments.next()?;
        match segment.marker {
            EOI => return Some(found),
            APP1 if segment.payload.starts_with(EXIF) => {
                found.exif.get_or_insert_with(|| segment.payload[EXIF.len()..].to_vec());
            }
            APP1 if segment.payload.starts_with(XMP) => {
                found.xmp.get_or_insert_with(|| segment.payload[XMP.len()..].to_vec());
            }
            _ => {}
        }
    }
}

/// Adds EXIF and XMP to the file, each in one APP1 segment. Leaves out what is too large for a segment.
pub fn embed(mut file: Vec<u8>, metadata: &Metadata) -> Vec<u8> {
    let mut segments = Vec::new();
    for (name, block) in blocks_with_room(metadata) {
        push_segment(&mut segments, APP1, &[name, block]);
    }
    if let Some(at) = position_after(&file, |segment| segment.payload.starts_with(JFIF)) {
        file.splice(at..at, segments);
    }
    file
}

/// Returns the bytes of `metadata` that [`embed`] writes, without the segment headers.
pub fn embedded_bytes(metadata: &Metadata) -> u64 {
    blocks_with_room(metadata).map(|(_, block)| block.len() as u64).sum()
}

/// Returns the blocks that fit in one segment, each with its prefix.
fn blocks_with_room(metadata: &Metadata) -> impl Iterator<Item = (&'static [u8], &[u8])> {
    let blocks = [(EXIF, metadata.exif.as_deref()), (XMP, metadata.xmp.as_deref())];
    let blocks = blocks.into_iter().filter_map(|(name, block)| Some((name, block?)));
    blocks.filter(|(name, block)| name.len() + block.len() <= MAX_PAYLOAD)
}

/// Grows the file by `extra` bytes with comments (COM). What is too small for a comment becomes fill bytes, of which
/// "any marker may optionally be preceded by any number" (T.81 s B.1.1.2). Both go after the application segments,
/// because readers expect those first. They must not go between a list of further pictures (MPF) and those pictures,
/// because the list holds byte offsets.
pub fn pad(mut file: Vec<u8>, extra: usize) -> Option<Vec<u8>> {
    let at =
        position_after(&file, |segment| matches!(segment.marker, APP0..=APP15) && !segment.payload.starts_with(MPF))?;
    let mut padding = Vec::with_capacity(extra);
    let mut left = extra;
    while left >= SEGMENT_HEAD {
        // Leaves either no bytes or enough for another segment.
        let full = left.min(SEGMENT_HEAD + MAX_PAYLOAD);
        let size = if (1..SEGMENT_HEAD).contains(&(left - full)) { full - SEGMENT_HEAD } else { full };
        push_segment(&mut padding, COM, &[&vec![b' '; size - SEGMENT_HEAD]]);
        left -= size;
    }
    padding.resize(extra, 0xFF);
    file.splice(at..at, padding);
    Some(file)
}

/// Returns the end of the leading segments of `file` that are `wanted`.
fn position_after(file: &[u8], wanted: impl Fn(&Segment) -> bool) -> Option<usize> {
    let mut segments = Segments::open(file)?;
    loop {
        let at = segments.at;
        if !wanted(&segments.next()?) {
            return Some(at);
        }
    }
}

fn push_segment(file: &mut Vec<u8>, marker: u8, payload: &[&[u8]]) {
    let size = payload.iter().map(|part| part.len()).sum::<usize>();
    assert!(size <= MAX_PAYLOAD, "a segment holds at most {MAX_PAYLOAD} bytes, got {size}");
    file.extend([0xFF, marker]);
    file.extend((size as u16 + 2).to_be_bytes());
    payload.iter().for_each(|part| file.extend(*part));
}

/// Returns a JFIF payload without its thumbnail.
fn without_thumbnail(jfif: &[u8]) -> Option<[u8; JFIF_BYTES]> {
    let mut head: [u8; JFIF_BYTES] = jfif.get(..JFIF_BYTES)?.try_into().ok()?;
    head[JFIF_BYTES - 2..].fill(0);
    Some(head)
}

/// A marker with its payload and coded data.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) payload: &'a [u8],
    /// The coded data after a start of scan, including restart markers.
    pub(super) entropy: &'a [u8],
}

/// Reads a file from marker to marker.
pub(super) struct Segments<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn open(file: &'a [u8]) -> Option<Segments<'a>> {
        file.starts_with(&[0xFF, SOI]).then_some(Segments { file, at: 2 })
    }

    /// Returns the next segment and skips fill bytes before it. Returns `None` when the file ends or breaks the rules
    /// here.
    pub(super) fn next(&mut self) -> Option<Segment<'a>> {
        let rest = self.file.get(self.at..)?;
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        let marker = *rest.get(fill).filter(|_| fill > 0)?;
        if marker == EOI {
            self.at += fill + 1;
            return Some(Segment { marker, payload: &[], entropy: &[] });
        }
        // Everything below 0xC0, and 0xD0 to 0xD8, has no payload or no meaning between segments.
        if !matches!(marker, 0xC0..=0xCF | SOS..=0xFE) {
            return None;
        }
        let body = &rest[fill + 1..];
        let size = usize::from(u16::from_be_bytes(body.get(..2)?.try_into().ok()?));
        let payload = body.get(2..size)?;
        let entropy = if marker == SOS { entropy_coded(&body[size..])? } else { &[] };
        self.at += fill + 1 + size + entropy.len();
        Some(Segment { marker, payload, entropy })
    }
}

/// Returns the part of `rest` before the next marker that is neither a restart nor a stuffed zero.
fn entropy_coded(rest: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        at += rest.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match rest.get(at + 1)? {
            0x00 | 0xD0..=0xD7 => at += 2,
            // A fill byte: the next 0xFF may start the marker.
            0xFF => at += 1,
            _ => return Some(&rest[..at]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
        let mut segment = Vec::new();
        push_segment(&mut segment, marker, &[payload]);
        segment
    }

    /// A file with the structure of a JPEG around `front`. Containers never read the coded data.
    fn file(front: &[Vec<u8>]) -> Vec<u8> {
        let scan = [segment(SOS, b"head"), b"\x12\xFF\x00\x34\xFF\xD0\x56".to_vec()].concat();
        [vec![0xFF, SOI], front.concat(), segment(0xDB, b"table"), scan, vec![0xFF, EOI]].concat()
    }

    fn jfif() -> Vec<u8> {
        segment(APP0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0")
    }

    #[test]
    fn a_thumbnail_inside_jfif_is_dropped() {
        let with_thumbnail = segment(APP0, b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01RGB");
        let stripped = strip(&file(&[with_thumbnail]), MetadataPolicy::Strip);
        assert_eq!(stripped, Some(file(&[jfif()])));
    }

    #[test]
    fn inks_are_not_passed_on() {
        let frame = |components: u8| segment(0xC2, &[8, 0, 1, 0, 1, components]);
        assert!(strip(&file(&[frame(3)]), MetadataPolicy::Strip).is_some());
        assert_eq!(strip(&file(&[frame(4)]), MetadataPolicy::Strip), None);
    }

    #[test]
    fn colour_segments_stay_and_others_go() {
        let colour = [segment(APP14, b"Adobe\0d"), segment(APP2, b"ICC_PROFILE\0\x01\x01profile")];
        let other = [segment(APP14, b"Other"), segment(APP2, b"FPXR\0"), segment(APP1, XMP), segment(COM, b"hello")];
        let stripped = strip(&file(&[colour.concat(), other.concat()]), MetadataPolicy::Strip);
        assert_eq!(stripped, Some(file(&[colour.concat()])));
    }

    #[test]
    fn fill_bytes_and_what_follows_the_end_are_dropped() {
        let mut filled = file(&[]);
        filled.splice(2..2, [0xFF; 5]);
        filled.extend(b"gain map");
        assert_eq!(strip(&filled, MetadataPolicy::Strip), Some(file(&[])));
    }

    #[test]
    fn a_file_without_an_end_is_not_understood() {
        let whole = file(&[]);
        assert_eq!(strip(&whole[..whole.len() - 1], MetadataPolicy::Strip), None);
    }

    #[test]
    fn a_few_bytes_are_fill_before_the_first_table() {
        for extra in 1..=3 {
            let filled = pad(file(&[jfif()]), extra).unwrap();
            let expected = [&file(&[jfif()])[..20], &vec![0xFF; extra], &file(&[])[2..]].concat();
            assert_eq!(filled, expected);
        }
    }

    #[test]
    fn padding_does_not_move_the_pictures_that_a_list_counts_to() {
        let list = segment(APP2, b"MPF\0offsets from here on");
        let padded = pad(file(&[jfif(), list.clone()]), 100).unwrap();
        assert!(padded.ends_with(&file(&[list])[2..]));
    }

    #[test]
    fn what_is_too_large_for_a_segment_is_left_out() {
        let exif = |size| Metadata { exif: Some(vec![7; size]), xmp: None };
        assert_eq!(embed(file(&[]), &exif(65_528)), file(&[]));
        assert_eq!(embed(file(&[]), &exif(65_527)).len(), file(&[]).len() + 65_537);
    }
}
