//! Edits the chunks of a PNG (W3C, third edition, section 5): strips metadata, embeds metadata and pads.

use super::chunks::{Chunk, Chunks, FRAME, SIGNATURE};
use super::text::{self, Texts};
use crate::codec::density::Density;
use crate::codec::rights::{self, Rights};
use crate::codec::{Metadata, MetadataPolicy, exif, exif_block, xmp};
use crate::picture::Orientation;

/// Ancillary chunks that decide how the pixels look, or belong to an animation.
const KEPT: [&[u8; 4]; 15] = [
    b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
    b"mDCV", b"mDCv", b"cLLI",
];

/// Chunks that decide how the pixels look and that a file has once (s5.6). Of several, one reader takes the first and
/// another the last.
const SINGLE: [&[u8; 4]; 12] =
    [b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"mDCV", b"mDCv", b"cLLI"];

/// The name of the padding chunk. Its letter cases mean: ancillary, private, safe to copy (s5.4).
const PADDING: &[u8; 4] = b"bfPd";

/// Maximum payload of a chunk in bytes (s5.3).
const MAX_PAYLOAD: usize = (1 << 31) - 1;

/// The start of an iTXt chunk with XMP: keyword, not compressed, no language, no translated keyword (XMP part 3,
/// s1.1.5).
const XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";

/// Whether every chunk is complete and has the right checksum, those that decide how the pixels look are there once,
/// the pixel chunks are adjacent, and IEND follows.
pub fn is_sound(file: &[u8]) -> bool {
    let Some(chunks) = Chunks::of_whole(file) else { return false };
    let pixels: Vec<usize> = (0..chunks.len()).filter(|index| chunks[*index].name == *b"IDAT").collect();
    let (Some(first), Some(last)) = (pixels.first(), pixels.last()) else { return false };
    let is_single = |name: &&[u8; 4]| chunks.iter().filter(|chunk| chunk.name == **name).count() <= 1;
    chunks.iter().all(Chunk::is_sound) && SINGLE.iter().all(is_single) && last - first + 1 == pixels.len()
}

/// Removes texts, times, EXIF and unknown chunks from the file, unless `policy` keeps them, and everything after IEND.
pub fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let chunks = Chunks::of_whole(file)?;
    let (found, texts) = found(&chunks);
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    let mut kept = SIGNATURE.to_vec();
    for chunk in &chunks {
        match &chunk.name {
            b"IHDR" | b"PLTE" | b"IDAT" | b"IEND" => kept.extend(chunk.bytes),
            // A decoder must not skip an unknown critical chunk, so it must not be removed either.
            [b'A'..=b'Z', ..] => return None,
            b"iTXt" if policy == MetadataPolicy::Keep => match chunk.payload().strip_prefix(XMP) {
                Some(packet) => push_chunk(&mut kept, b"iTXt", &[XMP, &xmp::with_orientation(packet, orientation)]),
                None => kept.extend(chunk.bytes),
            },
            name if policy == MetadataPolicy::Keep || KEPT.contains(&name) => kept.extend(chunk.bytes),
            _ => {}
        }
    }
    if policy == MetadataPolicy::Keep {
        return Some(kept);
    }
    Some(embed(kept, &rights::left(&found, &texts, policy)))
}

/// Returns the first EXIF, the first XMP that is not compressed, and the rights in texts.
fn found(chunks: &[Chunk]) -> (Metadata, Rights) {
    let mut found = Metadata::default();
    let mut texts = Texts::default();
    for chunk in chunks {
        texts.read(&chunk.name, chunk.payload());
        match &chunk.name {
            b"eXIf" => found.exif = found.exif.or_else(|| Some(exif_block(chunk.payload()).to_vec())),
            b"iTXt" => found.xmp = found.xmp.or_else(|| text::xmp(chunk.payload()).map(<[u8]>::to_vec)),
            _ => {}
        }
    }
    (found, texts.rights)
}

/// Adds EXIF in an eXIf chunk and XMP in an iTXt chunk, before the pixels.
pub fn embed(mut file: Vec<u8>, metadata: &Metadata) -> Vec<u8> {
    let mut chunks = Vec::new();
    if let Some(block) = &metadata.exif {
        push_chunk(&mut chunks, b"eXIf", &[block]);
    }
    if let Some(packet) = &metadata.xmp {
        push_chunk(&mut chunks, b"iTXt", &[XMP, packet]);
    }
    if let Some(pixels) = find(&file, b"IDAT") {
        file.splice(pixels.start..pixels.start, chunks);
    }
    file
}

/// Sets pHYs, before the pixels, and the density in EXIF where it states another.
pub fn set_density(file: &[u8], density: Density) -> Option<Vec<u8>> {
    let [across, down] = density.sides().map(u32::to_be_bytes);
    let mut changed = SIGNATURE.to_vec();
    let mut is_set = false;
    for chunk in Chunks::of_whole(file)? {
        // Before metadata, where a strip leaves it too.
        if matches!(&chunk.name, b"pHYs" | b"eXIf" | b"iTXt" | b"IDAT") && !is_set {
            // 1 means that the numbers are per metre (W3C PNG s11.3.4.3).
            push_chunk(&mut changed, b"pHYs", &[&across, &down, &[1]]);
            is_set = true;
        }
        match &chunk.name {
            b"pHYs" => {}
            b"eXIf" => match exif::with_density_corrected(exif_block(chunk.payload()), density) {
                Some(block) => push_chunk(&mut changed, b"eXIf", &[&block]),
                None => changed.extend(chunk.bytes),
            },
            _ => changed.extend(chunk.bytes),
        }
    }
    Some(changed)
}

/// Grows the file by `extra` bytes with a private chunk at its end. When `extra` is too small for a chunk, the file is
/// first made smaller. Returns `None` when that is not possible.
pub fn pad(file: Vec<u8>, extra: usize) -> Option<Vec<u8>> {
    let size = file.len().checked_add(extra)?;
    let mut file = if extra < FRAME { with_room(file)? } else { file };
    let end = find(&file, b"IEND")?.start;
    let payload = (size - file.len()).checked_sub(FRAME).filter(|payload| *payload <= MAX_PAYLOAD)?;
    let mut chunk = Vec::new();
    push_chunk(&mut chunk, PADDING, &[&vec![0; payload]]);
    file.splice(end..end, chunk);
    Some(file)
}

/// Returns the same picture in a file that is 12 bytes or a few more shorter. Either the sRGB chunk is removed, because
/// pixels are sRGB when nothing else is said (and all that we write are), or two IDAT chunks are merged.
fn with_room(mut file: Vec<u8>) -> Option<Vec<u8>> {
    if let Some(srgb) = find(&file, b"sRGB") {
        file.drain(srgb);
        return Some(file);
    }
    let first = find(&file, b"IDAT")?;
    let mut pixels = Chunks::strict(&file)?.skip_while(|chunk| chunk.name != *b"IDAT");
    let (one, two) = (pixels.next()?, pixels.next().filter(|chunk| chunk.name == *b"IDAT")?);
    let mut joined = Vec::new();
    push_chunk(&mut joined, b"IDAT", &[one.payload(), two.payload()]);
    let both = first.start..first.end + two.bytes.len();
    file.splice(both, joined);
    Some(file)
}

/// Returns the range of the first chunk of this name.
fn find(file: &[u8], name: &[u8; 4]) -> Option<std::ops::Range<usize>> {
    let mut start = SIGNATURE.len();
    for chunk in Chunks::strict(file)? {
        let end = start + chunk.bytes.len();
        if chunk.name == *name {
            return Some(start..end);
        }
        start = end;
    }
    None
}

/// Writes a chunk, or nothing when its payload is too large.
fn push_chunk(file: &mut Vec<u8>, name: &[u8; 4], payload: &[&[u8]]) {
    let size = payload.iter().map(|part| part.len()).sum::<usize>();
    if size > MAX_PAYLOAD {
        return;
    }
    file.extend((size as u32).to_be_bytes());
    let checked = file.len();
    file.extend(name);
    payload.iter().for_each(|part| file.extend(*part));
    let checksum = crc32fast::hash(&file[checked..]);
    file.extend(checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the structure of a PNG. Containers never read the pixels.
    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = SIGNATURE.to_vec();
        push_chunk(&mut file, b"IHDR", &[&[0; 13]]);
        chunks.iter().for_each(|(name, payload)| push_chunk(&mut file, name, &[payload]));
        push_chunk(&mut file, b"IEND", &[]);
        file
    }

    #[test]
    fn a_few_bytes_take_the_place_of_the_srgb_chunk() {
        let padded = pad(file(&[(b"sRGB", &[0]), (b"IDAT", b"pixels")]), 5).unwrap();
        assert_eq!(padded, file(&[(b"IDAT", b"pixels"), (PADDING, &[0; 6])]));
    }

    #[test]
    fn a_few_bytes_take_the_place_of_a_second_frame_around_the_pixels() {
        for extra in 1..12 {
            let padded = pad(file(&[(b"IDAT", b"pix"), (b"IDAT", b"els"), (b"IDAT", b"...")]), extra).unwrap();
            assert_eq!(padded, file(&[(b"IDAT", b"pixels"), (b"IDAT", b"..."), (PADDING, &vec![0; extra])]));
        }
    }

    #[test]
    fn a_few_bytes_without_room_are_refused() {
        let tight = file(&[(b"IDAT", b"pixels")]);
        assert_eq!(pad(tight.clone(), 11), None);
        assert_eq!(pad(tight, 12), Some(file(&[(b"IDAT", b"pixels"), (PADDING, &[])])));
    }

    #[test]
    fn what_decides_the_look_stays_and_the_rest_goes() {
        let look: [(&[u8; 4], &[u8]); 4] =
            [(b"gAMA", &[0; 4]), (b"tRNS", &[0; 6]), (b"acTL", &[0; 8]), (b"IDAT", b"x")];
        let mut all = look.to_vec();
        all.extend([(b"tIME", &b"when"[..]), (b"zTXt", b"what"), (b"abCd", b"unknown")]);
        assert_eq!(strip(&file(&all), MetadataPolicy::Strip), Some(file(&look)));
    }

    #[test]
    fn what_decides_the_look_is_there_once() {
        let palette = [(b"PLTE", &[0; 3][..]), (b"gAMA", &[0; 4]), (b"tEXt", b"a"), (b"tEXt", b"b"), (b"IDAT", b"x")];
        assert!(is_sound(&file(&palette)));
        for again in SINGLE {
            let twice: [(&[u8; 4], &[u8]); 3] = [(again, &[0; 13]), (again, &[1; 13]), (b"IDAT", b"x")];
            assert!(!is_sound(&file(&twice)), "{}", again.escape_ascii());
        }
    }

    #[test]
    fn an_unknown_critical_chunk_is_not_understood() {
        assert_eq!(strip(&file(&[(b"ABCD", b"")]), MetadataPolicy::Strip), None);
    }

    #[test]
    fn padding_is_a_chunk_that_every_decoder_may_skip_and_every_editor_copy() {
        let cases = PADDING.map(|letter| letter.is_ascii_lowercase());
        assert_eq!(cases, [true, true, false, true]);
    }
}
