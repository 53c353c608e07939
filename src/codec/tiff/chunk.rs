//! Decompresses strips and tiles.

use fdeflate::Decompressor;
use weezl::{BitOrder, LzwStatus, decode::Configuration};

use super::page::{Compression, Page, Predictor};
use super::{fax, refused};
use crate::codec::DecodeError;
use crate::codec::jpeg::strip::{Meaning, decode_strip};

/// Decompresses the chunk with this index to `rows` rows of samples. Every byte of them came from the file: a chunk
/// that holds less is refused.
pub(super) fn decompress(page: &Page<'_>, file: &[u8], index: usize, rows: usize) -> Result<Vec<u8>, DecodeError> {
    let as_written = page.chunks.bytes_of(file, index);
    let reversed: Vec<u8>;
    let stored = if page.is_reversed {
        reversed = as_written.iter().map(|byte| byte.reverse_bits()).collect();
        &reversed
    } else {
        as_written
    };
    let mut bytes = vec![0; page.chunk_bytes(rows)];
    let is_whole = match page.compression {
        Compression::None => copy(stored, &mut bytes),
        Compression::PackBits => unpack_bits(stored, &mut bytes),
        Compression::Lzw => unpack_lzw(stored, &mut bytes),
        Compression::Deflate => inflate(stored, &mut bytes),
        fax @ (Compression::FaxRuns { .. } | Compression::FaxGroup3 { .. } | Compression::FaxGroup4) => {
            fax::decode(fax, stored, page.chunks.width, &mut bytes)
        }
        Compression::Jpeg { tables, is_ycbcr } => return decompress_jpeg(page, tables, is_ycbcr, as_written, rows),
    };
    if !is_whole {
        return Err(refused("a strip or tile is damaged or cut short"));
    }
    undo_predictor(page, &mut bytes);
    Ok(bytes)
}

fn decompress_jpeg(
    page: &Page<'_>,
    tables: &[u8],
    is_ycbcr: bool,
    stored: &[u8],
    rows: usize,
) -> Result<Vec<u8>, DecodeError> {
    let meaning = match (is_ycbcr, page.chunk_samples()) {
        (true, _) => Meaning::YCbCr,
        (false, 1) => Meaning::Grey,
        (false, 3) => Meaning::Rgb,
        (false, 4) => Meaning::Cmyk,
        (false, samples) => return Err(super::unsupported(format!("TIFF with {samples} samples a pixel in JPEG"))),
    };
    // A strip may hold the whole unit of which the picture shows only the upper rows.
    let mut samples = decode_strip(tables, stored, meaning, page.chunks.width, rows)
        .ok_or_else(|| refused("the JPEG data of a strip or tile is damaged, or does not fit the strip"))?;
    samples.truncate(page.chunk_bytes(rows));
    Ok(samples)
}

fn copy(stored: &[u8], bytes: &mut [u8]) -> bool {
    stored.get(..bytes.len()).map(|stored| bytes.copy_from_slice(stored)).is_some()
}

/// Undoes PackBits (TIFF 6.0 s9).
fn unpack_bits(mut stored: &[u8], mut bytes: &mut [u8]) -> bool {
    while !bytes.is_empty() {
        let Some((&head, rest)) = stored.split_first() else { return false };
        let count = match head as i8 {
            -128 => 0,
            repeats @ ..0 => 1 + usize::from(repeats.unsigned_abs()),
            literals => 1 + literals as usize,
        };
        let kept = count.min(bytes.len());
        let (target, after) = bytes.split_at_mut(kept);
        if head > 128 {
            let Some((&value, rest)) = rest.split_first() else { return false };
            target.fill(value);
            stored = rest;
        } else {
            let Some(literals) = rest.get(..kept) else { return false };
            target.copy_from_slice(literals);
            stored = rest.get(count..).unwrap_or_default();
        }
        bytes = after;
    }
    true
}

/// Undoes LZW (TIFF 6.0 s13). Files from before that specification have the lowest bit first, and their codes grow one
/// code later. Their first code, which clears the table, begins with eight zeros.
fn unpack_lzw(stored: &[u8], bytes: &mut [u8]) -> bool {
    let is_old = stored.first() == Some(&0) && stored.get(1).is_some_and(|byte| byte & 1 == 1);
    let configuration = match is_old {
        true => Configuration::new(BitOrder::Lsb, 8),
        false => Configuration::with_tiff_size_switch(BitOrder::Msb, 8),
    };
    let mut decoder = configuration.with_yield_on_full_buffer(true).build();
    let (mut read, mut written) = (0, 0);
    while written < bytes.len() {
        let step = decoder.decode_bytes(&stored[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            _ => break,
        }
    }
    written == bytes.len()
}

fn inflate(stored: &[u8], bytes: &mut [u8]) -> bool {
    let mut decompressor = Decompressor::new();
    decompressor.ignore_adler32();
    matches!(decompressor.read(stored, bytes, 0, true), Ok((_, written)) if written == bytes.len())
}

/// Undoes the prediction of samples from the pixel to the left (TIFF 6.0 s14; technical note 3 for floating point), and
/// leaves the samples in the byte order of the file, or in big-endian order after the predictor of floats.
fn undo_predictor(page: &Page<'_>, bytes: &mut [u8]) {
    let samples = page.chunk_samples();
    for row in bytes.chunks_exact_mut(page.row_bytes()) {
        match (page.predictor, page.bits) {
            (Predictor::None, _) => {}
            (Predictor::Horizontal, 8) => add_left::<1>(row, samples, page.is_little_endian),
            (Predictor::Horizontal, 16) => add_left::<2>(row, samples, page.is_little_endian),
            (Predictor::Horizontal, _) => add_left::<4>(row, samples, page.is_little_endian),
            (Predictor::Float, bits) => join_bytes(row, samples, bits / 8),
        }
    }
}

/// Adds to each sample of `N` bytes the one of the pixel to the left.
fn add_left<const N: usize>(row: &mut [u8], samples: usize, is_little_endian: bool) {
    let weight = |index: usize| if is_little_endian { index } else { N - 1 - index };
    for at in samples * N..row.len() {
        // Byte by byte is enough where there is one.
        if N == 1 {
            row[at] = row[at].wrapping_add(row[at - samples]);
        } else if at % N == 0 {
            let value =
                |row: &[u8], at: usize| (0..N).fold(0u32, |sum, i| sum | u32::from(row[at + i]) << (8 * weight(i)));
            let sum = value(row, at).wrapping_add(value(row, at - samples * N));
            (0..N).for_each(|i| row[at + i] = (sum >> (8 * weight(i))) as u8);
        }
    }
}

/// Adds to each byte the one of the pixel to the left, then joins the bytes of each sample: the highest bytes of all
/// samples come first.
fn join_bytes(row: &mut [u8], samples: usize, size: usize) {
    for at in samples..row.len() {
        row[at] = row[at].wrapping_add(row[at - samples]);
    }
    let count = row.len() / size;
    let split = row.to_vec();
    for (index, sample) in row.chunks_exact_mut(size).enumerate() {
        sample.iter_mut().enumerate().for_each(|(byte, value)| *value = split[byte * count + index]);
    }
}
