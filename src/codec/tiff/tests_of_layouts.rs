//! Every way of laying out the same samples gives the same picture.

use super::decode;
use crate::codec::Limits;
use crate::picture::Layout;

const WIDTH: usize = 37;
const HEIGHT: usize = 29;
/// Rows of a strip, or sides of a tile: neither divides the picture.
const SIDE: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Kind {
    photometric: u16,
    /// Stored samples, and those of them that are shown.
    samples: usize,
    shown: usize,
    /// Value of the tag for extra samples.
    extra: Option<u16>,
}

const KINDS: [Kind; 7] = [
    Kind { photometric: 1, samples: 1, shown: 1, extra: None },
    Kind { photometric: 1, samples: 3, shown: 2, extra: Some(2) },
    Kind { photometric: 2, samples: 3, shown: 3, extra: None },
    Kind { photometric: 2, samples: 4, shown: 3, extra: Some(0) },
    Kind { photometric: 2, samples: 4, shown: 4, extra: Some(2) },
    Kind { photometric: 2, samples: 4, shown: 4, extra: Some(999) },
    Kind { photometric: 2, samples: 5, shown: 4, extra: Some(2) },
];

#[derive(Clone, Copy, Debug)]
struct Storage {
    bits: usize,
    compression: u16,
    has_predictor: bool,
    is_tiled: bool,
    is_planar: bool,
    is_little_endian: bool,
    is_reversed: bool,
}

impl Storage {
    /// Readers ignore a predictor with other compressions than these two.
    fn is_predicted(self) -> bool {
        self.has_predictor && matches!(self.compression, 5 | 8)
    }

    fn number(self, value: u64, size: usize) -> Vec<u8> {
        let bytes = value.to_be_bytes()[8 - size..].to_vec();
        if self.is_little_endian { bytes.into_iter().rev().collect() } else { bytes }
    }
}

/// Soft colours, so that a predictor has something to do.
fn sample(x: usize, y: usize, index: usize) -> u8 {
    ((x * 5 + y * 3 + index * 71) % 256) as u8
}

/// The pixels that the file of this kind shows.
fn expected(kind: Kind) -> Vec<u8> {
    let pixel = |x: usize, y: usize| {
        let shown: Vec<u8> = (0..kind.shown).map(|index| sample(x, y, index)).collect();
        if kind.shown <= 2 { [vec![shown[0]; 3], shown[1..].to_vec()].concat() } else { shown }
    };
    (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y))).collect()
}

/// Returns a row as stored. Samples of 16 bits repeat those of 8.
fn stored_row(storage: Storage, samples: &[u8], samples_per_pixel: usize) -> Vec<u8> {
    let scale = if storage.bits == 16 { 257 } else { 1 };
    let value = |at: usize| u64::from(samples[at]) * scale;
    let difference = |at: usize| match at.checked_sub(samples_per_pixel) {
        Some(left) if storage.is_predicted() => value(at).wrapping_sub(value(left)),
        _ => value(at),
    };
    (0..samples.len()).flat_map(|at| storage.number(difference(at), storage.bits / 8)).collect()
}

fn compressed(storage: Storage, data: &[u8]) -> Vec<u8> {
    let stored = match storage.compression {
        5 => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap(),
        8 => fdeflate::compress_to_vec(data),
        32_773 => data.chunks(128).flat_map(|part| [&[(part.len() - 1) as u8], part].concat()).collect(),
        _ => data.to_vec(),
    };
    if storage.is_reversed { stored.into_iter().map(u8::reverse_bits).collect() } else { stored }
}

fn file(kind: Kind, storage: Storage) -> Vec<u8> {
    let planes: Vec<Vec<usize>> = match storage.is_planar {
        true => (0..kind.samples).map(|index| vec![index]).collect(),
        false => vec![(0..kind.samples).collect()],
    };
    let chunk_width = if storage.is_tiled { SIDE } else { WIDTH };
    let mut file = storage.number(0, 8);
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for plane in &planes {
        for (top, left) in
            (0..HEIGHT).step_by(SIDE).flat_map(|top| (0..WIDTH).step_by(chunk_width).map(move |left| (top, left)))
        {
            let rows = if storage.is_tiled { SIDE } else { SIDE.min(HEIGHT - top) };
            let mut data = Vec::new();
            for y in top..top + rows {
                // Tiles are filled up with anything.
                let pixels =
                    (left..left + chunk_width).flat_map(|x| plane.iter().map(move |&index| sample(x, y, index)));
                data.extend(stored_row(storage, &pixels.collect::<Vec<_>>(), plane.len()));
            }
            offsets.push(file.len() as u64);
            file.extend(compressed(storage, &data));
            lengths.push(file.len() as u64 - offsets[offsets.len() - 1]);
        }
    }
    let (offset_tag, length_tag) = if storage.is_tiled { (324, 325) } else { (273, 279) };
    let mut tags: Vec<(u16, usize, Vec<u64>)> = vec![
        (256, 2, vec![WIDTH as u64]),
        (257, 2, vec![HEIGHT as u64]),
        (258, 2, vec![storage.bits as u64; kind.samples]),
        (259, 2, vec![storage.compression.into()]),
        (262, 2, vec![kind.photometric.into()]),
        (266, 2, vec![1 + u64::from(storage.is_reversed)]),
        (277, 2, vec![kind.samples as u64]),
        (284, 2, vec![1 + u64::from(storage.is_planar)]),
        (317, 2, vec![1 + u64::from(storage.has_predictor)]),
        (offset_tag, 4, offsets),
        (length_tag, 4, lengths),
    ];
    if let Some(extra) = kind.extra {
        let colours = if kind.photometric == 1 { 1 } else { 3 };
        let mut extras = vec![0; kind.samples - colours];
        extras[0] = extra.into();
        tags.push((338, 2, extras));
    }
    if storage.is_tiled {
        tags.extend([(322, 2, vec![SIDE as u64]), (323, 2, vec![SIDE as u64])]);
    } else {
        tags.push((278, 2, vec![SIDE as u64]));
    }
    with_directory(file, storage, tags)
}

fn with_directory(mut file: Vec<u8>, storage: Storage, mut tags: Vec<(u16, usize, Vec<u64>)>) -> Vec<u8> {
    tags.sort();
    let mut entries = storage.number(tags.len() as u64, 2);
    for (tag, size, values) in tags {
        let kind = if size == 2 { 3 } else { 4 };
        entries.extend(
            [storage.number(tag.into(), 2), storage.number(kind, 2), storage.number(values.len() as u64, 4)].concat(),
        );
        let mut field: Vec<u8> = values.iter().flat_map(|&value| storage.number(value, size)).collect();
        if field.len() > 4 {
            let at = file.len() as u64;
            file.extend(field);
            field = storage.number(at, 4);
        }
        field.resize(4, 0);
        entries.extend(field);
    }
    let head = [
        if storage.is_little_endian { b"II".to_vec() } else { b"MM".to_vec() },
        storage.number(42, 2),
        storage.number(file.len() as u64, 4),
    ];
    file[..8].copy_from_slice(&head.concat());
    file.extend(entries);
    file.extend([0; 4]);
    file
}

#[test]
fn every_layout_of_the_same_samples_gives_the_same_picture() {
    let yes_or_no = [false, true];
    let mut checked = 0;
    for (kind, bits) in KINDS.into_iter().flat_map(|kind| [8, 16].map(|bits| (kind, bits))) {
        for (compression, has_predictor) in
            [(1, false), (5, false), (5, true), (8, false), (8, true), (32_773, false), (32_773, true)]
        {
            for (is_tiled, is_planar) in yes_or_no.into_iter().flat_map(|tiled| yes_or_no.map(|planar| (tiled, planar)))
            {
                for (is_little_endian, is_reversed) in
                    yes_or_no.into_iter().flat_map(|little| yes_or_no.map(|reversed| (little, reversed)))
                {
                    let storage = Storage {
                        bits,
                        compression,
                        has_predictor,
                        is_tiled,
                        is_planar,
                        is_little_endian,
                        is_reversed,
                    };
                    let decoded = decode(&file(kind, storage), &Limits::default());
                    let picture = decoded.unwrap_or_else(|error| panic!("{kind:?} {storage:?}: {error}")).picture;
                    let layout = if matches!(kind.shown, 2 | 4) { Layout::Rgba } else { Layout::Rgb };
                    assert_eq!(picture.layout(), layout, "{kind:?} {storage:?}");
                    assert!(picture.pixels() == expected(kind), "{kind:?} {storage:?}");
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, KINDS.len() * 2 * 7 * 4 * 4);
}
