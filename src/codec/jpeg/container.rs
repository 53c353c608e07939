//! Edits the segments of a JPEG (ITU-T T.81, annex B): strips metadata, embeds it, sets the density and pads.

use super::header::Header;
use super::meaning::Lead;
use super::segments::{
    ADOBE, ADOBE_BYTES, APP0, APP1, APP2, APP13, APP14, APP15, COM, DAC, DHT, DNL, DQT, DRI, EOI, EXIF, GAIN_MAP, ICC,
    JFIF, JFIF_BYTES, MPF, PHOTOSHOP, SOI, SOS, Segment, Segments, XMP,
};
use crate::codec::container::exif_with_density;
use crate::codec::density::Density;
use crate::codec::rights::{self, iptc};
use crate::codec::{Metadata, MetadataPolicy, exif, xmp};
use crate::picture::Orientation;

/// Maximum payload of a segment in bytes. The 16-bit length counts itself, but not the marker.
const MAX_PAYLOAD: usize = 65_533;
/// Where a JFIF segment has the unit of its density, and the density across and down in two bytes each.
const JFIF_DENSITY: std::ops::Range<usize> = 7..12;
/// Bytes of a marker and a length.
const SEGMENT_HEAD: usize = 4;

/// Removes metadata and thumbnails from the file, unless `policy` keeps them. Also removes everything after the end
/// (videos, previews, gain maps) and the segments that list it.
pub fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let (found, resources) = found(file)?;
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    let mut kept = vec![0xFF, SOI];
    for segment in Segments::strict(file)? {
        match segment.marker {
            APP0..=APP15 if segment.follows_scan => {}
            APP0..=APP15 | COM => push_kept(&mut kept, &segment, policy, orientation)?,
            // Four components are inks, which few viewers show correctly.
            _ if segment.is_frame() && segment.payload.get(5) == Some(&4) => return None,
            EOI => kept.extend([0xFF, EOI]),
            SOS | DHT | DAC | DQT | DNL | DRI => push_whole(&mut kept, &segment),
            _ if segment.is_frame() => push_whole(&mut kept, &segment),
            // No decoder reads the others.
            _ => {}
        }
    }
    if policy == MetadataPolicy::Keep {
        return Some(kept);
    }
    Some(embed(kept, &rights::left(&found, &iptc::of_resources(&resources), policy)))
}

/// Adds a segment, with the coded data that follows it.
fn push_whole(kept: &mut Vec<u8>, segment: &Segment) {
    push_segment(kept, segment.marker, &[segment.payload]);
    kept.extend(segment.entropy);
}

/// Returns the first EXIF and the first XMP of the file, and all of Photoshop's resources. Returns `None` when the file
/// breaks the rules before its end.
fn found(file: &[u8]) -> Option<(Metadata, Vec<u8>)> {
    let (mut found, mut resources) = (Metadata::default(), Vec::new());
    for Segment { marker, payload, follows_scan, .. } in Segments::strict(file)? {
        match marker {
            EOI => return Some((found, resources)),
            _ if follows_scan => {}
            APP1 if payload.starts_with(EXIF) => {
                found.exif.get_or_insert_with(|| payload[EXIF.len()..].to_vec());
            }
            APP1 if payload.starts_with(XMP) => {
                found.xmp.get_or_insert_with(|| payload[XMP.len()..].to_vec());
            }
            APP13 => resources.extend(payload.strip_prefix(PHOTOSHOP).unwrap_or_default()),
            _ => {}
        }
    }
    None
}

/// Writes what `policy` keeps of an application segment or a comment. Returns `None` when it is not understood.
fn push_kept(kept: &mut Vec<u8>, segment: &Segment, policy: MetadataPolicy, orientation: Orientation) -> Option<()> {
    let Segment { marker, payload, .. } = *segment;
    match marker {
        APP2 if [MPF, GAIN_MAP].iter().any(|name| payload.starts_with(name)) => {}
        APP1 if policy == MetadataPolicy::Keep && payload.starts_with(XMP) => {
            let packet = xmp::with_orientation(&payload[XMP.len()..], orientation);
            push_segment(kept, APP1, &[XMP, &packet]);
        }
        _ if policy == MetadataPolicy::Keep => push_segment(kept, marker, &[payload]),
        APP0 if payload.starts_with(JFIF) => push_segment(kept, APP0, &[&without_thumbnail(payload)?]),
        APP2 if payload.starts_with(ICC) => push_segment(kept, APP2, &[payload]),
        APP14 if payload.starts_with(ADOBE) => push_segment(kept, APP14, &[&payload[..payload.len().min(ADOBE_BYTES)]]),
        _ => {}
    }
    Some(())
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

/// Sets the density in JFIF's segment, and in EXIF where it states another. A file without JFIF gets that segment,
/// unless it would change what the components mean: then EXIF states the density.
pub fn set_density(file: &[u8], density: Density) -> Option<Vec<u8>> {
    let is_jfif = |segment: &Segment| segment.marker == APP0 && has_density(segment.payload);
    if Segments::strict(file)?.any(|segment| is_jfif(&segment)) {
        return with_densities(file, density, true);
    }
    let mut with_jfif = file[..2].to_vec();
    push_segment(&mut with_jfif, APP0, &[&jfif(density)]);
    with_jfif.extend(&file[2..]);
    let has_meaning = |file: &[u8]| {
        let components = Header::read(file)?.component_ids();
        let lead = Lead::read(file);
        Some((lead.meaning(&components)?, lead.is_regular(&components)))
    };
    if has_meaning(file)? == has_meaning(&with_jfif)? {
        return with_densities(&with_jfif, density, true);
    }
    with_densities(file, density, false)
}

/// Whether this is a JFIF segment that is long enough for a density.
fn has_density(payload: &[u8]) -> bool {
    payload.starts_with(JFIF) && payload.len() >= JFIF_BYTES
}

/// Writes `density` into the first JFIF segment and into EXIF that states another. Without JFIF it goes into EXIF
/// alone, whether that states one or not.
fn with_densities(file: &[u8], density: Density, in_jfif: bool) -> Option<Vec<u8>> {
    let (mut changed, mut is_whole) = (vec![0xFF, SOI], false);
    if !in_jfif && !Segments::strict(file)?.any(|segment| segment.marker == APP1 && segment.payload.starts_with(EXIF)) {
        push_segment(&mut changed, APP1, &[EXIF, &exif_with_density(None, density)?]);
    }
    for segment in Segments::strict(file)? {
        let payload = segment.payload;
        match segment.marker {
            APP0 if has_density(payload) => {
                let mut payload = payload.to_vec();
                payload[JFIF_DENSITY].copy_from_slice(&jfif(density)[JFIF_DENSITY]);
                push_segment(&mut changed, APP0, &[&payload]);
            }
            APP1 if payload.starts_with(EXIF) => {
                let block = &payload[EXIF.len()..];
                let corrected = match in_jfif {
                    true => exif::with_density_corrected(block, density),
                    false => Some(exif_with_density(Some(block), density)?),
                };
                let corrected = corrected.filter(|block| EXIF.len() + block.len() <= MAX_PAYLOAD);
                push_segment(&mut changed, APP1, &[EXIF, corrected.as_deref().unwrap_or(block)]);
            }
            _ => changed.extend(&file[segment.start..segment.end]),
        }
        is_whole = segment.marker == EOI;
    }
    is_whole.then_some(changed)
}

/// Returns the payload of a JFIF segment (JFIF 1.02) with this density, in whole numbers.
fn jfif(density: Density) -> [u8; JFIF_BYTES] {
    let (unit, sides) = match density.whole_dpcm() {
        Some(sides) => (2, sides),
        None => (1, density.dpi().map(|dpi| dpi.round() as u32)),
    };
    let [across, down] = sides.map(|side| (side as u16).to_be_bytes());
    let mut payload = *b"JFIF\0\x01\x02\0\0\0\0\0\0\0";
    payload[JFIF_DENSITY].copy_from_slice(&[unit, across[0], across[1], down[0], down[1]]);
    payload
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
    Segments::strict(file)?.find(|segment| !wanted(segment)).map(|segment| segment.start)
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

#[cfg(test)]
mod tests {
    use super::super::segments::SOS;
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
        let colour = [segment(APP14, b"Adobe\0d\0\0\0\0\x01"), segment(APP2, b"ICC_PROFILE\0\x01\x01profile")];
        let other = [segment(APP14, b"Other"), segment(APP2, b"FPXR\0"), segment(APP1, XMP), segment(COM, b"hello")];
        // JPG0, which no decoder reads, and bytes behind Adobe's own.
        let hidden = [segment(0xF0, b"hidden"), segment(APP14, b"Adobe\0d\0\0\0\0\x01 hidden")];
        let adobe = colour[0].clone();
        let stripped = strip(&file(&[colour.concat(), other.concat(), hidden.concat()]), MetadataPolicy::Strip);
        assert_eq!(stripped, Some(file(&[colour.concat(), adobe])));
    }

    #[test]
    fn what_follows_a_scan_is_not_metadata_and_goes() {
        let scan = [segment(SOS, b"head"), b"\x12".to_vec()].concat();
        let between = [segment(APP2, b"ICC_PROFILE\0\x01\x01profile"), segment(APP1, b"Exif\0\0later")].concat();
        let with = |between: &[u8]| file(&[jfif(), [scan.clone(), between.to_vec()].concat()]);
        for policy in [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep] {
            assert_eq!(strip(&with(&between), policy), Some(with(&[])), "{policy:?}");
        }
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
        let exif = |size| Metadata { exif: Some(vec![7; size]), xmp: None, ..Metadata::default() };
        assert_eq!(embed(file(&[]), &exif(65_528)), file(&[]));
        assert_eq!(embed(file(&[]), &exif(65_527)).len(), file(&[]).len() + 65_537);
    }
}
