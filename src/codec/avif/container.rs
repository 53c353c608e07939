//! Edits the boxes of an AVIF (ISO/IEC 14496-12, 23008-12): strips metadata, embeds it, sets the density and pads.

use std::ops::Range;

use super::layout::{Item, Layout};
use crate::codec::boxes::{BOX_HEAD, Bounds, boxed, boxes, exif_of};
use crate::codec::container::exif_with_density;
use crate::codec::density::Density;
use crate::codec::rights::{self, Rights};
use crate::codec::{Metadata, MetadataPolicy, exif};
use crate::picture::Orientation;

/// The content type of XMP (XMP part 3, s1.1.4).
const XMP_TYPE: &[u8] = b"application/rdf+xml\0";

/// Whether boxes fill the whole file and every item lies inside it.
pub fn is_sound(file: &[u8]) -> bool {
    Layout::open(file).is_some()
}

/// Overwrites EXIF, XMP and other items without pixels in place, unless `policy` keeps them. The file keeps its size
/// and all its offsets. Orientation and colour are properties of the picture, not EXIF. Returns `None` when the file
/// has a gain map or a thumbnail, which are pictures of their own, or when it is a sequence, whose tracks may hold
/// more.
pub fn strip(file: &[u8], policy: MetadataPolicy) -> Option<Vec<u8>> {
    let layout = Layout::open(file)?;
    let is_sequence = layout.top.iter().any(|bounds| bounds.kind == *b"moov");
    let has_gain_map = layout.items.iter().any(|item| item.kind == *b"tmap");
    if is_sequence || has_gain_map || layout.refers(file, b"thmb") {
        return None;
    }
    if policy == MetadataPolicy::Keep {
        return Some(file.to_vec());
    }
    let (metadata, pictures): (Vec<_>, Vec<_>) = layout.items.iter().partition(|item| is_metadata(item));
    let total = metadata.iter().try_fold(0_usize, |total, item| total.checked_add(item.size()))?;
    if total > file.len() || !metadata.iter().all(|item| layout.is_apart(item, &pictures)) {
        return None;
    }
    let mut left = left(file, &metadata, policy)?;
    let mut stripped = file.to_vec();
    for item in metadata {
        let blank = match &item.kind {
            b"Exif" => blank_exif(item.size(), left.exif.take()),
            b"mime" => match left.xmp.take_if(|packet| packet.len() <= item.size()) {
                Some(packet) => padded(packet, item.size(), b' '),
                None => blank_text(item.size()),
            },
            _ => blank_text(item.size()),
        };
        item.write(&mut stripped, &blank);
    }
    // Rights that do not fit in place would be lost.
    if left.xmp.is_some() {
        return None;
    }
    for bounds in layout.top.iter().filter(|bounds| ![*b"ftyp", *b"meta", *b"mdat"].contains(&bounds.kind)) {
        stripped[bounds.start + 4..bounds.start + BOX_HEAD].copy_from_slice(b"free");
        stripped[bounds.payload()].fill(0);
    }
    blank_unnamed(&mut stripped, &layout);
    Some(stripped)
}

/// Overwrites the bytes in boxes for data that belong to no item.
fn blank_unnamed(file: &mut [u8], layout: &Layout) {
    let mut named: Vec<&Range<usize>> = layout.items.iter().flat_map(|item| &item.extents).collect();
    named.sort_unstable_by_key(|extent| extent.start);
    for home in layout.top.iter().filter(|bounds| bounds.kind == *b"mdat").map(Bounds::payload) {
        let mut blanked = home.start;
        for extent in named.iter().filter(|extent| extent.start < home.end) {
            if blanked < extent.start {
                file[blanked..extent.start].fill(0);
            }
            blanked = blanked.max(extent.end);
        }
        if blanked < home.end {
            file[blanked..home.end].fill(0);
        }
    }
}

/// Adds an Exif and a mime item to the file. Their bytes go to the end of mdat, and the offsets of all other items move
/// by the growth of the meta box. Returns the file unchanged when it does not have the structure that our encoder
/// writes.
pub fn embed(file: Vec<u8>, metadata: &Metadata) -> Vec<u8> {
    embedded(&file, metadata).unwrap_or(file)
}

/// Sets the density in EXIF: the format has no field for it. An Exif item that becomes too long moves to the end of
/// mdat. Returns `None` when the file does not have the structure that this takes.
pub fn set_density(file: &[u8], density: Density) -> Option<Vec<u8>> {
    let layout = Layout::open(file)?;
    let Some(item) = layout.items.iter().find(|item| item.kind == *b"Exif") else {
        let exif = Some(exif_with_density(None, density)?);
        return embedded(file, &Metadata { exif, ..Metadata::default() });
    };
    let stored = item.read(file)?;
    let (head, block) = stored.split_at(stored.len() - exif_of(&stored)?.len());
    let nothing = exif::only_orientation(Orientation::Upright);
    let is_blank = block.strip_prefix(&nothing[..]).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    let changed = [head, &exif_with_density(Some(block).filter(|_| !is_blank), density)?].concat();
    let others: Vec<_> = layout.items.iter().filter(|other| other.id != item.id).collect();
    let is_apart = layout.is_apart(item, &others);
    let mut file = file.to_vec();
    if changed.len() > item.size() {
        if is_apart {
            item.write(&mut file, &vec![0; item.size()]);
        }
        let moved = Added { id: u16::try_from(item.id).ok()?, info: None, bytes: changed };
        return with_items(&file, &layout, &[moved]);
    }
    if !is_apart {
        return None;
    }
    item.write(&mut file, &padded(changed, item.size(), 0));
    Some(file)
}

/// Grows the file by `extra` bytes. The last box grows when it is mdat or free, because their bytes mean nothing unless
/// an item points at them. Otherwise a free box is added.
pub fn pad(mut file: Vec<u8>, extra: usize) -> Option<Vec<u8>> {
    let last = boxes(&file, 0..file.len())?.pop()?;
    let size = file.len().checked_add(extra)?;
    if matches!(&last.kind, b"mdat" | b"free" | b"skip") && last.grow(&mut file, extra).is_some() {
        file.resize(size, 0);
        return Some(file);
    }
    let free = u32::try_from(extra).ok().filter(|size| *size as usize >= BOX_HEAD)?;
    file.extend(free.to_be_bytes());
    file.extend(b"free");
    file.resize(size, 0);
    Some(file)
}

/// Whether an item holds text or data about the picture.
fn is_metadata(item: &Item) -> bool {
    matches!(&item.kind, b"Exif" | b"mime" | b"uri ")
}

/// Returns the part of `metadata` that `policy` keeps. Orientation is a property of the picture, not EXIF.
fn left(file: &[u8], metadata: &[&Item], policy: MetadataPolicy) -> Option<Metadata> {
    if policy != MetadataPolicy::Copyright {
        return Some(Metadata::default());
    }
    let mut found = Metadata::default();
    for item in metadata {
        match &item.kind {
            b"Exif" if found.exif.is_none() => found.exif = exif_of(&item.read(file)?).map(<[u8]>::to_vec),
            b"mime" if found.xmp.is_none() => found.xmp = Some(item.read(file)?),
            _ => {}
        }
    }
    Some(rights::copyright(&found, &Rights::default(), Orientation::Upright))
}

/// Returns an Exif item of `size` bytes that holds at most `kept`, and is empty when `kept` does not fit.
fn blank_exif(size: usize, kept: Option<Vec<u8>>) -> Vec<u8> {
    let nothing = exif::only_orientation(Orientation::Upright);
    let blocks = [kept, Some(nothing), Some(Vec::new())].into_iter().flatten();
    let mut items = blocks.map(|block| [&[0; 4][..], &block].concat()).filter(|item| item.len() <= size);
    padded(items.next().unwrap_or_default(), size, 0)
}

/// Returns an empty XMP packet of `size` bytes. Other texts are overwritten with the same.
fn blank_text(size: usize) -> Vec<u8> {
    const EMPTY: &[u8] = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>";
    padded(if size < EMPTY.len() { Vec::new() } else { EMPTY.to_vec() }, size, b' ')
}

fn padded(mut bytes: Vec<u8>, size: usize, filler: u8) -> Vec<u8> {
    bytes.resize(size, filler);
    bytes
}

/// An item to add, or one that moves.
struct Added {
    id: u16,
    /// The end of its item info entry: its type, its empty name, and for mime its content type. `None` for an item that
    /// the file has already.
    info: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

fn embedded(file: &[u8], metadata: &Metadata) -> Option<Vec<u8>> {
    let layout = Layout::open(file)?;
    let added = items_of(metadata, layout.items.iter().map(|item| item.id).max()?)?;
    with_items(file, &layout, &added)
}

/// Returns the file with the bytes of the items `added` at the end of mdat.
fn with_items(file: &[u8], layout: &Layout, added: &[Added]) -> Option<Vec<u8>> {
    let mdat = layout.top.last().filter(|last| last.kind == *b"mdat" && last.start >= layout.meta.end)?;
    let growth = grown_meta(file, layout, added, 0)?.len().checked_sub(layout.meta.end - layout.meta.start)?;
    let meta = grown_meta(file, layout, added, growth)?;

    let mut grown = [&file[..layout.meta.start], &meta, &file[layout.meta.end..]].concat();
    let bytes = added.iter().map(|item| item.bytes.len()).sum();
    Bounds { start: mdat.start + growth, ..*mdat }.grow(&mut grown, bytes)?;
    added.iter().for_each(|item| grown.extend(&item.bytes));
    Some(grown)
}

fn items_of(metadata: &Metadata, last_id: u32) -> Option<Vec<Added>> {
    let exif = metadata.exif.as_ref().map(|block| (b"Exif\0".to_vec(), [&[0; 4][..], block].concat()));
    let xmp = metadata.xmp.as_ref().map(|packet| ([b"mime\0", XMP_TYPE].concat(), packet.clone()));
    let items = exif.into_iter().chain(xmp).zip(last_id + 1..);
    items.map(|((info, bytes), id)| Some(Added { id: u16::try_from(id).ok()?, info: Some(info), bytes })).collect()
}

/// Returns the meta box with the items `added`, for a file in which the bytes after the box move by `growth`.
fn grown_meta(file: &[u8], layout: &Layout, added: &[Added], growth: usize) -> Option<Vec<u8>> {
    let mut meta = Vec::new();
    for child in &layout.children {
        match &child.kind {
            b"iinf" => {
                meta.extend(grown_iinf(&file[child.payload()], added)?);
                if !layout.children.iter().any(|other| other.kind == *b"iref") {
                    meta.extend(grown_iref(&[0; 4], added, layout.primary)?);
                }
            }
            b"iref" => meta.extend(grown_iref(&file[child.payload()], added, layout.primary)?),
            b"iloc" => meta.extend(grown_iloc(layout, added, growth, file.len())?),
            _ => meta.extend(&file[child.range()]),
        }
    }
    boxed(b"meta", &[&[0; 4], &meta])
}

/// Adds item info entries (version 2) to an iinf of version 0.
fn grown_iinf(iinf: &[u8], added: &[Added]) -> Option<Vec<u8>> {
    let (head, entries) = iinf.split_first_chunk::<6>()?;
    if head[0] != 0 {
        return None;
    }
    let new: Vec<_> = added.iter().filter_map(|item| Some((item.id, item.info.as_ref()?))).collect();
    let count = u16::from_be_bytes([head[4], head[5]]).checked_add(new.len() as u16)?;
    let mut payload = [&head[..4], &count.to_be_bytes(), entries].concat();
    for (id, info) in new {
        payload.extend(boxed(b"infe", &[&[2, 0, 0, 0], &id.to_be_bytes(), &[0, 0], info])?);
    }
    boxed(b"iinf", &[&payload])
}

/// Adds "describes the primary item" references to an iref of version 0.
fn grown_iref(iref: &[u8], added: &[Added], primary: u16) -> Option<Vec<u8>> {
    let mut payload = iref.to_vec();
    if *payload.first()? != 0 {
        return None;
    }
    for item in added.iter().filter(|item| item.info.is_some()) {
        payload.extend(boxed(b"cdsc", &[&item.id.to_be_bytes(), &[0, 1], &primary.to_be_bytes()])?);
    }
    boxed(b"iref", &[&payload])
}

/// Writes an iloc of version 0 with 32-bit offsets. All items that stay move by `growth` bytes. The items `added` lie
/// at the end of the file, which has `size` bytes.
fn grown_iloc(layout: &Layout, added: &[Added], growth: usize, size: usize) -> Option<Vec<u8>> {
    if layout.items.iter().any(|item| item.in_idat || item.extents.iter().any(|part| part.start < layout.meta.end)) {
        return None;
    }
    let is_moved = |item: &Item| added.iter().any(|moved| u32::from(moved.id) == item.id);
    let staying: Vec<_> = layout.items.iter().filter(|item| !is_moved(item)).collect();
    let mut payload = vec![0, 0, 0, 0, 0x44, 0];
    payload.extend(u16::try_from(staying.len() + added.len()).ok()?.to_be_bytes());
    let mut push = |id: u16, extents: &[Range<usize>]| -> Option<()> {
        payload.extend([id.to_be_bytes(), [0, 0], u16::try_from(extents.len()).ok()?.to_be_bytes()].concat());
        for extent in extents {
            payload.extend(u32::try_from(extent.start + growth).ok()?.to_be_bytes());
            payload.extend(u32::try_from(extent.len()).ok()?.to_be_bytes());
        }
        Some(())
    };
    for item in staying {
        push(u16::try_from(item.id).ok()?, &item.extents)?;
    }
    let mut start = size;
    for item in added {
        let end = start + item.bytes.len();
        push(item.id, std::slice::from_ref(&(start..end)))?;
        start = end;
    }
    boxed(b"iloc", &[&payload])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with items of the given types, which share `extents` of mdat in this order, followed by the boxes `more`.
    fn file(items: &[(&[u8; 4], Range<usize>)], more: &[u8]) -> Vec<u8> {
        let ftyp = boxed(b"ftyp", &[b"avif\0\0\0\0mif1"]).unwrap();
        let build = |mdat_payload: usize| {
            let (mut iinf, mut iloc) = (vec![0; 4], vec![0, 0, 0, 0, 0x44, 0]);
            iinf.extend((items.len() as u16).to_be_bytes());
            iloc.extend((items.len() as u16).to_be_bytes());
            for (id, (kind, extent)) in (1_u16..).zip(items) {
                let entry = boxed(b"infe", &[&[2, 0, 0, 0], &id.to_be_bytes(), &[0, 0], *kind, &[0]]).unwrap();
                iinf.extend(entry);
                iloc.extend([&id.to_be_bytes()[..], &[0, 0, 0, 1]].concat());
                iloc.extend(((mdat_payload + extent.start) as u32).to_be_bytes());
                iloc.extend((extent.len() as u32).to_be_bytes());
            }
            let pitm = boxed(b"pitm", &[&[0, 0, 0, 0, 0, 1]]).unwrap();
            let children = [pitm, boxed(b"iloc", &[&iloc]).unwrap(), boxed(b"iinf", &[&iinf]).unwrap()].concat();
            boxed(b"meta", &[&[0; 4], &children]).unwrap()
        };
        let payload = ftyp.len() + build(0).len() + BOX_HEAD;
        let mdat = boxed(b"mdat", &[&[b'p'; 100]]).unwrap();
        [ftyp, build(payload), mdat, more.to_vec()].concat()
    }

    #[test]
    fn metadata_that_shares_bytes_with_the_picture_is_not_touched() {
        let apart = file(&[(b"av01", 0..50), (b"mime", 50..60)], &[]);
        assert!(strip(&apart, MetadataPolicy::Strip).is_some());
        let sharing = file(&[(b"av01", 0..50), (b"mime", 49..60)], &[]);
        assert_eq!(strip(&sharing, MetadataPolicy::Strip), None);
        let outside = file(&[(b"av01", 0..50), (b"mime", 95..101)], &boxed(b"free", &[]).unwrap());
        assert_eq!(strip(&outside, MetadataPolicy::Strip), None);
    }

    #[test]
    fn pictures_besides_the_picture_are_not_understood() {
        assert_eq!(strip(&file(&[(b"av01", 0..50), (b"tmap", 50..60)], &[]), MetadataPolicy::Strip), None);
        let sequence = file(&[(b"av01", 0..50)], &boxed(b"moov", &[]).unwrap());
        assert_eq!(strip(&sequence, MetadataPolicy::Strip), None);
    }

    #[test]
    fn stripping_keeps_the_size_and_every_byte_of_the_picture() {
        let dirty = file(&[(b"av01", 0..20), (b"Exif", 20..60), (b"mime", 60..100)], &[]);
        let stripped = strip(&dirty, MetadataPolicy::Strip).unwrap();
        assert_eq!(stripped.len(), dirty.len());
        let payload = dirty.len() - 100;
        assert_eq!(stripped[..payload + 20], dirty[..payload + 20]);
        let upright = [&[0; 4][..], &exif::only_orientation(Orientation::Upright), &[0; 10]].concat();
        assert_eq!(stripped[payload + 20..payload + 60], upright);
        assert_eq!(stripped[payload + 60..], blank_text(40));
    }

    #[test]
    fn what_no_item_names_is_blank() {
        let more = [boxed(b"mpvd", &[b"a video"]).unwrap(), boxed(b"mdat", &[b"more"]).unwrap()].concat();
        let dirty = file(&[(b"av01", 0..20), (b"av01", 15..30), (b"av01", 90..95)], &more);
        let stripped = strip(&dirty, MetadataPolicy::Strip).unwrap();
        assert_eq!(stripped.len(), dirty.len());
        let payload = dirty.len() - more.len() - 100;
        assert_eq!(stripped[payload..][..30], dirty[payload..][..30]);
        assert_eq!(stripped[payload + 30..][..60], [0; 60]);
        assert_eq!(stripped[payload + 90..][..10], *b"ppppp\0\0\0\0\0");
        let rest = [boxed(b"free", &[&[0; 7]]).unwrap(), boxed(b"mdat", &[&[0; 4]]).unwrap()].concat();
        assert_eq!(stripped[payload + 100..], rest);
    }

    #[test]
    fn any_number_of_bytes_grows_mdat() {
        let tight = file(&[(b"av01", 0..100)], &[]);
        for extra in [1, 7, 8, 100] {
            let padded = pad(tight.clone(), extra).unwrap();
            let last = boxes(&padded, 0..padded.len()).unwrap().pop().unwrap();
            assert_eq!((last.kind, last.end - last.start), (*b"mdat", 108 + extra));
        }
    }

    #[test]
    fn behind_another_last_box_a_few_bytes_are_refused_and_more_are_a_free_box() {
        let other = file(&[(b"av01", 0..100)], &boxed(b"abcd", &[]).unwrap());
        assert_eq!(pad(other.clone(), 7), None);
        assert_eq!(pad(other.clone(), 9), Some([&other[..], b"\0\0\0\x09free\0"].concat()));
    }

    #[test]
    fn a_file_of_another_build_is_left_without_metadata() {
        let metadata = Metadata { exif: Some(vec![1; 20]), xmp: None, ..Metadata::default() };
        let other = file(&[(b"av01", 0..100)], &boxed(b"abcd", &[]).unwrap());
        assert_eq!(embed(other.clone(), &metadata), other);
        let ours = file(&[(b"av01", 0..100)], &[]);
        let layout = Layout::open(&embed(ours, &metadata)).unwrap();
        assert_eq!(layout.items.iter().map(|item| item.kind).collect::<Vec<_>>(), [*b"av01", *b"Exif"]);
        assert!(layout.children.iter().any(|child| child.kind == *b"iref"));
    }
}
