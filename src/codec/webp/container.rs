//! Edits the chunks of a WebP (RFC 9649, section 2): strips metadata, embeds metadata and pads.

use super::chunks::{Bitstream, CHUNK_HEAD, Chunk, Chunks, EXIF_FLAG, FILE_HEAD, XMP_FLAG, with_alpha_flag};
use super::header::Header;
use crate::codec::container::exif_with_density;
use crate::codec::density::Density;
use crate::codec::rights::{self, Rights};
use crate::codec::{Metadata, MetadataPolicy, exif, exif_block, xmp};
use crate::picture::Orientation;

/// Bytes of a VP8X chunk including its header.
const VP8X_BYTES: usize = 18;
/// Starts the header of a lossy image, after three bytes (RFC 6386 s9.1).
const START_CODE: [u8; 3] = [0x9D, 0x01, 0x2A];

/// The name of the padding chunk. No reader knows it, and "readers SHOULD ignore" unknown chunks (s2.7.1.6).
const PADDING: &[u8; 4] = b"bfPd";

/// Chunks beside the image that decide how the pixels look and that a file has once (RFC 9649 s2.7).
const SINGLE: [&[u8; 4]; 4] = [b"VP8X", b"ICCP", b"ANIM", b"ALPH"];

/// Whether the file has all bytes that RIFF declares, chunks fill them, and those that decide how the pixels look are
/// there once. Of several, one reader takes the first and another the last.
pub fn is_sound(file: &[u8]) -> bool {
    let Some(chunks) = Chunks::of_riff(file) else { return false };
    let is_single = |name: &[u8; 4]| chunks.iter().filter(|chunk| chunk.name == *name).count() <= 1;
    let images = chunks.iter().filter(|chunk| chunk.is_image()).count();
    images <= 1 && SINGLE.into_iter().all(is_single)
}

/// Removes EXIF, XMP and unknown chunks from the file, unless `policy` keeps them, and everything after the end that
/// RIFF declares.
pub fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let chunks = Chunks::of_riff(file)?;
    if !chunks.iter().any(|chunk| chunk.is_image() || chunk.name == *b"ANMF") {
        return None;
    }
    let found = found(&chunks);
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    let keeps_all = policy == MetadataPolicy::Keep;
    let flags = if keeps_all { metadata_flags(&chunks) } else { 0 };
    // A frame of an animation may have other alpha than the first, which the header is read of.
    let alpha = Header::read(file).ok().filter(|header| !header.animated).map(|header| header.alpha);
    let mut kept = file_head();
    for Chunk { name, payload, .. } in &chunks {
        match name {
            b"VP8X" => push_chunk(&mut kept, name, &with_right_flags(payload, flags, alpha)?),
            b"XMP " if keeps_all => push_chunk(&mut kept, name, &xmp::with_orientation(payload, orientation)),
            b"ICCP" | b"ALPH" | b"VP8 " | b"VP8L" | b"ANIM" | b"ANMF" => push_chunk(&mut kept, name, payload),
            _ if keeps_all => push_chunk(&mut kept, name, payload),
            _ => {}
        }
    }
    let kept = close(kept)?;
    if keeps_all {
        return Some(kept);
    }
    let left = rights::left(&found, &Rights::default(), policy);
    if left.is_empty() { Some(kept) } else { Some(embed(kept, &left)) }
}

/// Returns the first EXIF and the first XMP of an extended file. Readers look for them only there.
fn found(chunks: &[Chunk]) -> Metadata {
    let is_extended = chunks.first().is_some_and(|chunk| chunk.name == *b"VP8X");
    let first = |name: &[u8; 4]| chunks.iter().find(|chunk| is_extended && chunk.name == *name);
    Metadata {
        // Some writers put JPEG's prefix before the block.
        exif: first(b"EXIF").map(|chunk| exif_block(chunk.payload).to_vec()),
        xmp: first(b"XMP ").map(|chunk| chunk.payload.to_vec()),
        density: None,
    }
}

/// Returns the flags of the metadata that exists. Some writers set flags for metadata that they do not write.
fn metadata_flags(chunks: &[Chunk]) -> u8 {
    let flags = chunks.iter().map(|chunk| match &chunk.name {
        b"EXIF" => EXIF_FLAG,
        b"XMP " => XMP_FLAG,
        _ => 0,
    });
    flags.fold(0, |all, flag| all | flag)
}

/// Returns the payload of VP8X with these flags for metadata instead of its own, and with that for `alpha`, where it is
/// known.
fn with_right_flags(features: &[u8], metadata: u8, alpha: Option<bool>) -> Option<Vec<u8>> {
    let (first, rest) = features.split_first()?;
    let flags = first & !(EXIF_FLAG | XMP_FLAG) | metadata;
    Some([&[alpha.map_or(flags, |alpha| with_alpha_flag(flags, alpha))], rest].concat())
}

/// Adds EXIF and XMP chunks at the end of the file. A simple file becomes an extended one (VP8X).
pub fn embed(file: Vec<u8>, metadata: &Metadata) -> Vec<u8> {
    let mut flags = 0;
    let mut added = Vec::new();
    for (name, flag, block) in [(b"EXIF", EXIF_FLAG, &metadata.exif), (b"XMP ", XMP_FLAG, &metadata.xmp)] {
        if let Some(block) = block {
            flags |= flag;
            push_chunk(&mut added, name, block);
        }
    }
    extended(&file, flags, &added).unwrap_or(file)
}

/// Sets the density in EXIF: the format has no field for it.
pub fn set_density(file: &[u8], density: Density) -> Option<Vec<u8>> {
    let chunks = Chunks::of_riff(file)?;
    let stated = found(&chunks).exif;
    let block = exif_with_density(stated.as_deref(), density)?;
    if stated.as_deref() == Some(&block) {
        return Some(file.to_vec());
    }
    let mut changed = file_head();
    let mut is_set = false;
    for chunk in &chunks {
        // EXIF comes before XMP (s2.7).
        if matches!(&chunk.name, b"EXIF" | b"XMP ") && !is_set {
            push_chunk(&mut changed, b"EXIF", &block);
            is_set = true;
        }
        if chunk.name != *b"EXIF" {
            push_chunk(&mut changed, &chunk.name, chunk.payload);
        }
    }
    if !is_set {
        push_chunk(&mut changed, b"EXIF", &block);
    }
    extended(&close(changed)?, EXIF_FLAG, &[])
}

/// Grows the file by `extra` bytes with an unknown chunk in an extended file. What is too small for a chunk becomes
/// zero bytes at the end of the chunk with the coded image, which decoders never reach.
///
/// When `extra` is odd, its last byte goes after the end that RIFF declares, because all sizes in RIFF are even. RFC
/// 9649 s2.4: "The file SHOULD NOT contain any data after the data specified by File Size. Readers MAY parse such
/// files, ignoring the trailing data." There is no other way to an odd size.
pub fn pad(file: Vec<u8>, extra: usize) -> Option<Vec<u8>> {
    let size = file.len().checked_add(extra)?;
    let even = extra & !1;
    let is_extended = Chunks::of_riff(&file)?.first()?.name == *b"VP8X";
    let framing = if is_extended { CHUNK_HEAD } else { CHUNK_HEAD + VP8X_BYTES };
    let mut padded = if even == 0 {
        file
    } else if let Some(payload) = even.checked_sub(framing) {
        let mut padding = Vec::with_capacity(even);
        push_chunk(&mut padding, PADDING, &vec![0; payload]);
        extended(&file, 0, &padding)?
    } else {
        // An animation has no image of its own that could grow. These bytes go after its end, like the odd byte.
        with_longer_image(&file, even).unwrap_or(file)
    };
    padded.resize(size, 0);
    Some(padded)
}

/// Returns `file` as an extended one, with `flags` and with the chunks `added` at its end.
fn extended(file: &[u8], flags: u8, added: &[u8]) -> Option<Vec<u8>> {
    let chunks = Chunks::of_riff(file)?;
    let mut grown = file_head();
    for (index, chunk) in chunks.iter().enumerate() {
        match (index, &chunk.name) {
            (0, b"VP8X") => {
                let mut features = chunk.payload.to_vec();
                *features.first_mut()? |= flags;
                push_chunk(&mut grown, b"VP8X", &features);
            }
            (0, _) => {
                push_chunk(&mut grown, b"VP8X", &features(chunk, flags)?);
                push_chunk(&mut grown, &chunk.name, chunk.payload);
            }
            _ => push_chunk(&mut grown, &chunk.name, chunk.payload),
        }
    }
    grown.extend(added);
    close(grown)
}

/// Returns `file` with `even` zero bytes at the end of its last image chunk.
fn with_longer_image(file: &[u8], even: usize) -> Option<Vec<u8>> {
    let chunks = Chunks::of_riff(file)?;
    let last = chunks.iter().rposition(Chunk::is_image)?;
    let mut grown = file_head();
    for (index, chunk) in chunks.iter().enumerate() {
        if index == last {
            let mut image = chunk.payload.to_vec();
            // The byte that pads an odd image becomes part of it.
            image.resize(image.len().next_multiple_of(2) + even, 0);
            push_chunk(&mut grown, &chunk.name, &image);
        } else {
            push_chunk(&mut grown, &chunk.name, chunk.payload);
        }
    }
    close(grown)
}

/// Returns the payload of VP8X for a file with the one chunk `image` (RFC 9649 s2.7.1): flags, 24 reserved bits, and
/// width and height, each minus one in 24 bits.
fn features(image: &Chunk, flags: u8) -> Option<[u8; VP8X_BYTES - CHUNK_HEAD]> {
    if !image.is_image() || (image.name == *b"VP8 " && image.payload.get(3..6)? != START_CODE) {
        return None;
    }
    let Bitstream { width, height, alpha } = image.bitstream()?;
    let (width, height) = (width.checked_sub(1)?.to_le_bytes(), height.checked_sub(1)?.to_le_bytes());
    let flags = with_alpha_flag(flags, alpha);
    Some([flags, 0, 0, 0, width[0], width[1], width[2], height[0], height[1], height[2]])
}

fn file_head() -> Vec<u8> {
    b"RIFF\0\0\0\0WEBP".to_vec()
}

/// Writes a chunk, and a padding byte when its size is odd.
fn push_chunk(file: &mut Vec<u8>, name: &[u8; 4], payload: &[u8]) {
    file.extend(name);
    file.extend((payload.len() as u32).to_le_bytes());
    file.extend(payload);
    file.resize(file.len().next_multiple_of(2), 0);
}

/// Sets the size in RIFF. Returns `None` when the file has no chunk or is too large for the field.
fn close(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let size = u32::try_from(file.len() - CHUNK_HEAD).ok().filter(|_| file.len() > FILE_HEAD)?;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::super::chunks::ALPHA_FLAG;
    use super::*;
    use crate::codec::bytes::u32_le;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = file_head();
        chunks.iter().for_each(|(name, payload)| push_chunk(&mut file, name, payload));
        close(file).unwrap()
    }

    /// The start of a lossy image of 300 x 200.
    const LOSSY: &[u8] = &[0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x2C, 0x01, 0xC8, 0, 7];
    /// The start of a lossless image of 300 x 200 with alpha.
    const LOSSLESS: &[u8] = &[0x2F, 0x2B, 0xC1, 0x31, 0x10, 7];
    const FEATURES: [u8; 10] = [0, 0, 0, 0, 0x2B, 1, 0, 0xC7, 0, 0];

    fn with_flags(flags: u8) -> [u8; 10] {
        let mut features = FEATURES;
        features[0] = flags;
        features
    }

    #[test]
    fn a_simple_file_becomes_an_extended_one_of_its_own_size_and_alpha() {
        let metadata = Metadata { exif: Some(b"exif".to_vec()), xmp: None, ..Metadata::default() };
        for (name, image, flags) in [(b"VP8 ", LOSSY, EXIF_FLAG), (b"VP8L", LOSSLESS, EXIF_FLAG | ALPHA_FLAG)] {
            let expected = file(&[(b"VP8X", &with_flags(flags)), (name, image), (b"EXIF", b"exif")]);
            assert_eq!(embed(file(&[(name, image)]), &metadata), expected);
        }
    }

    #[test]
    fn a_file_that_is_passed_on_says_whether_it_has_transparency() {
        let stripped = |flags: u8, chunks: &[(&[u8; 4], &[u8])]| {
            let head: [(&[u8; 4], &[u8]); 1] = [(b"VP8X", &with_flags(flags))];
            let stripped = strip(&file(&[&head, chunks].concat()), MetadataPolicy::Strip).unwrap();
            let expected = |flags: u8| file(&[&[(b"VP8X", &with_flags(flags)[..])], chunks].concat());
            [0, ALPHA_FLAG].into_iter().find(|flags| stripped == expected(*flags))
        };
        for flags in [0, ALPHA_FLAG] {
            assert_eq!(stripped(flags, &[(b"ALPH", &[0]), (b"VP8 ", LOSSY)]), Some(ALPHA_FLAG));
            assert_eq!(stripped(flags, &[(b"VP8 ", LOSSY)]), Some(0));
            assert_eq!(stripped(flags, &[(b"VP8L", LOSSLESS)]), Some(ALPHA_FLAG));
        }
    }

    #[test]
    fn what_decides_the_look_is_there_once() {
        let rest: [(&[u8; 4], &[u8]); 3] = [(b"EXIF", b"a"), (b"EXIF", b"b"), (b"abcd", b"")];
        let sound = [(b"VP8X", &FEATURES[..]), (b"ICCP", b"a"), (b"VP8 ", LOSSY)].into_iter().chain(rest);
        assert!(is_sound(&file(&sound.collect::<Vec<_>>())));
        let images: [(&[u8; 4], &[u8; 4]); 3] = [(b"VP8 ", b"VP8 "), (b"VP8 ", b"VP8L"), (b"VP8L", b"VP8L")];
        for (one, other) in SINGLE.map(|name| (name, name)).into_iter().chain(images) {
            assert!(!is_sound(&file(&[(one, LOSSY), (other, LOSSLESS)])), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_few_bytes_lengthen_the_image_and_more_are_a_chunk() {
        let simple = file(&[(b"VP8 ", LOSSY)]);
        let longer = [LOSSY, &[0; 25]].concat();
        assert_eq!(pad(simple.clone(), 24), Some(file(&[(b"VP8 ", &longer)])));
        let with_chunk = file(&[(b"VP8X", &FEATURES), (b"VP8 ", LOSSY), (PADDING, &[])]);
        assert_eq!(pad(simple, 26), Some(with_chunk));
    }

    #[test]
    fn an_odd_byte_lies_behind_what_riff_declares() {
        let simple = file(&[(b"VP8 ", LOSSY)]);
        for extra in [1, 25, 27, 1001] {
            let padded = pad(simple.clone(), extra).unwrap();
            assert_eq!(u32_le(&padded, 4), Some((padded.len() - CHUNK_HEAD - 1) as u32));
            assert_eq!(padded.last(), Some(&0));
        }
    }

    #[test]
    fn an_animation_is_padded_and_stripped_too() {
        let frames: [(&[u8; 4], &[u8]); 4] =
            [(b"VP8X", &with_flags(0x02)), (b"ANIM", &[0; 6]), (b"ANMF", b"frame"), (b"ANMF", b"frame 2")];
        let animation = file(&frames);
        for extra in 1..20 {
            assert_eq!(pad(animation.clone(), extra).map(|padded| padded.len()), Some(animation.len() + extra));
        }
        let tagged =
            embed(animation.clone(), &Metadata { exif: Some(vec![1]), xmp: Some(vec![2]), ..Metadata::default() });
        assert_eq!(strip(&tagged, MetadataPolicy::Strip), Some(animation));
    }

    #[test]
    fn exif_of_a_simple_file_and_what_follows_riff_are_dropped() {
        let exif = exif::only_orientation(crate::picture::Orientation::Rotate90);
        let dirty = [file(&[(b"VP8L", LOSSLESS), (b"EXIF", &exif)]), b"behind".to_vec()].concat();
        assert_eq!(strip(&dirty, MetadataPolicy::Strip), Some(file(&[(b"VP8L", LOSSLESS)])));
    }

    #[test]
    fn chunks_that_leave_their_file_are_not_understood() {
        let mut lying = file(&[(b"VP8 ", LOSSY)]);
        lying[16] = 200;
        assert_eq!(strip(&lying, MetadataPolicy::Strip), None);
        assert_eq!(strip(&file(&[(b"JUNK", b"no image")]), MetadataPolicy::Strip), None);
    }
}
