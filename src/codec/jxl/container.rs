//! Edits the boxes of a JPEG XL file (ISO/IEC 18181-2): strips metadata, embeds metadata and pads.

use std::borrow::Cow;
use std::io::Read;

use super::decode::is_whole;
use super::header::SIGNATURE;
use crate::codec::boxes::{BOX_HEAD, Bounds, boxed, boxes, exif_of};
use crate::codec::container::exif_with_density;
use crate::codec::density::Density;
use crate::codec::rights::{self, Rights};
use crate::codec::{Metadata, MetadataPolicy};
use crate::picture::Orientation;

/// The boxes that every file begins with.
pub(super) const HEAD: &[u8] = b"\0\0\0\x0CJXL \x0D\x0A\x87\x0A\0\0\0\x14ftypjxl \0\0\0\0jxl ";
/// The first of them.
pub(super) const CONTAINER_SIGNATURE: &[u8] = HEAD.split_at(12).0;
/// Maximum number of bytes that EXIF or XMP may have, uncompressed, to be edited.
const MAX_METADATA_BYTES: usize = 4 << 20;

/// The boxes of a whole file, or a bare codestream.
enum Layout {
    Bare,
    Boxes(Vec<Bounds>),
}

impl Layout {
    fn of(file: &[u8]) -> Option<Layout> {
        if file.starts_with(SIGNATURE) {
            return Some(Layout::Bare);
        }
        let found = boxes(file, 0..file.len())?;
        let has_head =
            file.starts_with(CONTAINER_SIGNATURE) && found.get(1).is_some_and(|second| second.kind == *b"ftyp");
        has_head.then_some(Layout::Boxes(found))
    }
}

/// Returns the first `max` bytes of the codestream.
pub(super) fn codestream_head(file: &[u8], max: usize) -> Vec<u8> {
    if file.starts_with(SIGNATURE) {
        return file[..file.len().min(max)].to_vec();
    }
    let mut head = Vec::new();
    for (kind, payload) in crate::codec::boxes::payloads(file) {
        let part = match &kind {
            b"jxlc" => payload,
            // Four bytes count the parts. They may come in another order, but hardly any file has that.
            b"jxlp" => payload.get(4..).unwrap_or_default(),
            _ => continue,
        };
        head.extend(&part[..part.len().min(max - head.len())]);
        if head.len() == max {
            break;
        }
    }
    head
}

/// Whether boxes fill the whole file and the codestream is there up to the end of its last frame.
pub(super) fn is_sound(file: &[u8]) -> bool {
    Layout::of(file).is_some() && is_whole(file)
}

/// Drops EXIF, XMP, unknown boxes and what restores a JPEG, unless `policy` keeps them. Drops gain maps, which are
/// pictures of their own. Colour and orientation are part of the codestream.
pub(super) fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let Layout::Boxes(found) = Layout::of(file)? else { return is_whole(file).then(|| file.to_vec()) };
    let is_kept = |bounds: &&Bounds| match &bounds.kind {
        b"JXL " | b"ftyp" | b"jxll" | b"jxlc" | b"jxlp" | b"jxli" => true,
        b"jhgm" => false,
        _ => policy == MetadataPolicy::Keep,
    };
    let kept = found.iter().filter(is_kept).flat_map(|bounds| &file[bounds.range()]).copied().collect();
    if policy != MetadataPolicy::Copyright {
        return Some(kept);
    }
    Some(embed(kept, &rights::copyright(&metadata(file, MAX_METADATA_BYTES), &Rights::default(), Orientation::Upright)))
}

/// Returns the first EXIF and the first XMP of a file, of at most `max` bytes each.
pub(super) fn metadata(file: &[u8], max: usize) -> Metadata {
    let mut found = Metadata::default();
    for (kind, payload) in crate::codec::boxes::payloads(file) {
        let Some((kind, content)) = uncompressed(kind, payload, max) else { continue };
        match &kind {
            b"Exif" if found.exif.is_none() => {
                found.exif = exif_of(&content).filter(|block| !block.is_empty()).map(<[u8]>::to_vec)
            }
            b"xml " if found.xmp.is_none() => found.xmp = Some(content.into_owned()),
            _ => {}
        }
    }
    found
}

/// Returns the kind and the content of a box, which may be compressed by Brotli (18181-2, box brob). Returns `None`
/// when it is damaged or has more than `max` bytes.
fn uncompressed(kind: [u8; 4], payload: &[u8], max: usize) -> Option<([u8; 4], Cow<'_, [u8]>)> {
    if kind != *b"brob" {
        return (payload.len() <= max).then_some((kind, Cow::Borrowed(payload)));
    }
    let (kind, compressed) = payload.split_first_chunk::<4>()?;
    if !matches!(kind, b"Exif" | b"xml ") {
        return None;
    }
    let mut content = Vec::new();
    let decompressor = brotli_decompressor::Decompressor::new(compressed, 4096);
    decompressor.take(max as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() <= max).then_some((*kind, Cow::Owned(content)))
}

/// A file of `codestream`, which can be padded: readers ignore a box `free`.
pub(super) fn wrapped(codestream: &[u8]) -> Option<Vec<u8>> {
    Some([HEAD, &boxed(b"free", &[])?, &boxed(b"jxlc", &[codestream])?].concat())
}

/// The same file with a box `free`, so that it can grow by every number of bytes.
pub(super) fn with_room(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let Layout::Boxes(found) = Layout::of(&file)? else { return wrapped(&file) };
    let at = found.get(1)?.end;
    file.splice(at..at, boxed(b"free", &[])?);
    Some(file)
}

/// Adds an Exif and an xml box to the file, before its codestream.
pub(super) fn embed(file: Vec<u8>, metadata: &Metadata) -> Vec<u8> {
    embedded(&file, metadata).unwrap_or(file)
}

fn embedded(file: &[u8], metadata: &Metadata) -> Option<Vec<u8>> {
    let Layout::Boxes(found) = Layout::of(file)? else { return embedded(&wrapped(file)?, metadata) };
    let at = found.get(1)?.end;
    let exif = metadata.exif.as_ref().map_or(Some(Vec::new()), |block| boxed(b"Exif", &[&[0; 4], block]))?;
    let xmp = metadata.xmp.as_ref().map_or(Some(Vec::new()), |packet| boxed(b"xml ", &[packet]))?;
    Some([&file[..at], &exif, &xmp, &file[at..]].concat())
}

/// Sets the density in EXIF: the format has no field for it. EXIF that is compressed is written anew without
/// compression.
pub(super) fn set_density(file: &[u8], density: Density) -> Option<Vec<u8>> {
    let Layout::Boxes(found) = Layout::of(file)? else { return set_density(&wrapped(file)?, density) };
    let stated = metadata(file, MAX_METADATA_BYTES).exif;
    let block = exif_with_density(stated.as_deref(), density)?;
    if stated.as_ref() == Some(&block) {
        return Some(file.to_vec());
    }
    let holds_exif = |bounds: &Bounds| {
        let payload = &file[bounds.payload()];
        bounds.kind == *b"Exif" || bounds.kind == *b"brob" && payload.starts_with(b"Exif")
    };
    let kept = found.iter().filter(|bounds| !holds_exif(bounds)).flat_map(|bounds| &file[bounds.range()]).copied();
    Some(embed(kept.collect(), &Metadata { exif: Some(block), ..Metadata::default() }))
}

/// Grows the file by `extra` bytes: its box `free`, or one that is added.
pub(super) fn pad(mut file: Vec<u8>, extra: usize) -> Option<Vec<u8>> {
    let Layout::Boxes(found) = Layout::of(&file)? else {
        let wrapped = wrapped(&file)?;
        let left = extra.checked_sub(wrapped.len() - file.len())?;
        return pad(wrapped, left);
    };
    if let Some(free) = found.iter().find(|bounds| bounds.kind == *b"free" && bounds.end < file.len()) {
        free.grow(&mut file, extra)?;
        file.splice(free.end..free.end, std::iter::repeat_n(0, extra));
        return Some(file);
    }
    let free = boxed(b"free", &[&vec![0; extra.checked_sub(BOX_HEAD)?]])?;
    let at = found.get(1)?.end;
    file.splice(at..at, free);
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::exif::tests::camera_block;
    use crate::codec::lossy_coding::LossyCoding;
    use crate::codec::{Effort, Limits, decode};
    use crate::picture::{Layout, Picture};

    const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET packet</x:xmpmeta>";

    /// A file as our encoder writes it.
    fn ours() -> Vec<u8> {
        let pixels = (0..40 * 30 * 3).map(|at: u32| (at.wrapping_mul(at) >> 8) as u8).collect();
        let picture = Picture::new(40, 30, Layout::Rgb, pixels);
        LossyCoding::JxlHalved.encoder(&picture, Effort::Balanced).unwrap().encode(0.0).unwrap()
    }

    fn bare(file: &[u8]) -> Vec<u8> {
        crate::codec::boxes::find(file, b"jxlc").unwrap().to_vec()
    }

    /// The same in two parts.
    fn in_parts(file: &[u8]) -> Vec<u8> {
        let codestream = bare(file);
        let (start, end) = codestream.split_at(20);
        let first = boxed(b"jxlp", &[&[0; 4], start]).unwrap();
        [HEAD, &first, &boxed(b"jxlp", &[&[0x80, 0, 0, 1], end]).unwrap()].concat()
    }

    fn picture(file: &[u8]) -> Picture {
        decode(file, &Limits::default()).unwrap().picture
    }

    /// EXIF and XMP, what restores a JPEG, a gain map, and a box that nobody knows.
    fn dirty() -> Vec<u8> {
        let metadata = Metadata { exif: Some(camera_block(6, false)), xmp: Some(XMP.to_vec()), ..Metadata::default() };
        let mut file = embed(ours(), &metadata);
        let restoring = boxed(b"jbrd", &[b"SECRET JPEG"]).unwrap();
        file.splice(HEAD.len()..HEAD.len(), restoring);
        for kind in [b"jhgm", b"abcd"] {
            file.extend(boxed(kind, &[b"SECRET"]).unwrap());
        }
        file
    }

    fn holds(file: &[u8], text: &[u8]) -> bool {
        file.windows(text.len()).any(|window| window == text)
    }

    #[test]
    fn a_codestream_is_the_same_bare_in_a_box_and_in_parts() {
        let file = ours();
        for other in [bare(&file), in_parts(&file)] {
            assert_eq!(picture(&other), picture(&file));
            assert!(is_sound(&other));
            assert!((0..other.len()).all(|end| !is_sound(&other[..end])));
        }
        assert!(!is_sound(&[bare(&file), vec![0]].concat()), "bytes behind the end");
    }

    #[test]
    fn only_what_belongs_to_the_picture_is_left() {
        let stripped = strip(&dirty(), MetadataPolicy::Strip).unwrap();
        assert!(holds(&dirty(), b"SECRET JPEG") && !holds(&stripped, b"SECRET"));
        assert_eq!(picture(&stripped), picture(&ours()));
        let kept = strip(&dirty(), MetadataPolicy::Keep).unwrap();
        assert!(holds(&kept, b"SECRET JPEG") && holds(&kept, XMP) && !holds(&kept, b"jhgm"));
        let owned = strip(&dirty(), MetadataPolicy::Copyright).unwrap();
        assert!(!holds(&owned, b"SECRET") && holds(&owned, b"Ada, all rights reserved"));
        assert_eq!(picture(&owned), picture(&ours()));
    }

    #[test]
    fn metadata_is_read_back_also_from_a_bare_codestream() {
        let metadata = Metadata { exif: Some(camera_block(6, false)), xmp: Some(XMP.to_vec()), ..Metadata::default() };
        for file in [ours(), bare(&ours()), in_parts(&ours())] {
            let full = embed(file, &metadata);
            assert_eq!(decode(&full, &Limits::default()).unwrap().metadata, metadata);
            assert_eq!(picture(&full), picture(&ours()));
        }
        assert_eq!(super::metadata(&embed(ours(), &metadata), 20), Metadata::default(), "over the limit");
    }

    /// Brotli (RFC 7932) without compression: a window of 16 bits, one block as it is, an empty last one.
    fn stored(content: &[u8]) -> Vec<u8> {
        let head = ((content.len() as u32 - 1) << 4 | 1 << 20).to_le_bytes();
        [&head[..3], content, &[3]].concat()
    }

    #[test]
    fn a_compressed_box_is_read_up_to_the_limit() {
        let compressed = boxed(b"brob", &[b"xml ", &stored(XMP)]).unwrap();
        let file = [ours(), compressed].concat();
        let expected = Metadata { xmp: Some(XMP.to_vec()), ..Metadata::default() };
        assert_eq!(decode(&file, &Limits::default()).unwrap().metadata, expected);
        assert_eq!(super::metadata(&file, XMP.len()), expected);
        assert_eq!(super::metadata(&file, XMP.len() - 1), Metadata::default());
        assert!(!holds(&strip(&file, MetadataPolicy::Strip).unwrap(), b"SECRET"));
    }

    #[test]
    fn a_box_of_others_is_padded_by_eight_bytes_or_more() {
        let file = in_parts(&ours());
        assert_eq!(pad(file.clone(), 7), None);
        for extra in [8, 9, 1000] {
            let padded = pad(file.clone(), extra).unwrap();
            assert_eq!((padded.len(), picture(&padded)), (file.len() + extra, picture(&file)));
        }
        let codestream = bare(&ours());
        assert_eq!(pad(codestream.clone(), 47), None);
        assert_eq!(pad(codestream.clone(), 48).map(|file| file.len()), Some(codestream.len() + 48));
        let roomy = with_room(file).unwrap();
        assert!((0..20).all(|extra| pad(roomy.clone(), extra).unwrap().len() == roomy.len() + extra));
    }
}
