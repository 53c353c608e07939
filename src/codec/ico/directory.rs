//! Chooses a picture from the directory of an icon.

use super::bitmap::Bitmap;
use crate::codec::bytes::{slice, u16_le, u32_be, u32_le};
use crate::codec::{DecodeError, Format, undecodable};

/// Bytes of the directory's header, whose last two count the entries, and of an entry.
const HEADER: usize = 6;
const ENTRY: usize = 16;

const PNG_START: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR";

/// A picture, from its first byte to the end of the file: where it ends is known from itself, and entries are often
/// wrong about that.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Png(&'a [u8]),
    Bitmap(Bitmap<'a>),
}

/// What pictures are chosen by: pixels, then bits of a pixel.
type Rank = (u64, u32);

/// An entry of the directory.
struct Entry<'a> {
    rank: Rank,
    content: Result<Content<'a>, &'static str>,
}

/// Returns the largest picture, and of equals the deepest. Pictures are ranked by what they say themselves; the
/// directory counts where there is none.
pub(super) fn largest(bytes: &[u8]) -> Result<Content<'_>, DecodeError> {
    let count = u16_le(bytes, 4).unwrap_or(0);
    let entries = bytes.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY).take(count.into());
    // The first of equals.
    let largest = entries.map(|entry| Entry::read(bytes, entry)).rev().max_by_key(|entry| entry.rank);
    let content = largest.map_or(Err("it holds no picture"), |entry| entry.content);
    content.map_err(|reason| undecodable(Format::Ico, reason))
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8], entry: &[u8]) -> Entry<'a> {
        let number = |at| u32_le(entry, at).unwrap_or(0);
        let content = bytes.get(number(12) as usize..).filter(|content| content.len() >= PNG_START.len());
        match content.map(|content| Content::read(content, number(8))) {
            None => Entry { rank: declared(entry), content: Err("it is cut short") },
            Some(None) => {
                let reason = "its largest picture is neither a PNG nor a bitmap";
                Entry { rank: declared(entry), content: Err(reason) }
            }
            Some(Some((rank, content))) => Entry { rank, content: Ok(content) },
        }
    }
}

impl<'a> Content<'a> {
    /// Reads the beginning of a picture that has `length` bytes by its entry.
    fn read(bytes: &'a [u8], length: u32) -> Option<(Rank, Content<'a>)> {
        if bytes.starts_with(PNG_START) {
            return Some((rank_of_png(bytes)?, Content::Png(bytes)));
        }
        let bitmap = Bitmap::read(bytes, length)?;
        Some((rank(bitmap.width, bitmap.height, bitmap.bits.into()), Content::Bitmap(bitmap)))
    }
}

fn rank(width: u32, height: u32, bits: u32) -> Rank {
    (u64::from(width) * u64::from(height), bits)
}

/// The size that an entry says; 0 is 256.
fn declared(entry: &[u8]) -> Rank {
    let side = |at: usize| entry.get(at).map_or(0, |&side| if side == 0 { 256 } else { side.into() });
    rank(side(0), side(1), 0)
}

/// Reads IHDR (W3C PNG s11.2.1).
fn rank_of_png(bytes: &[u8]) -> Option<Rank> {
    let &[depth, colour_type] = slice(bytes, 24, 2)? else { return None };
    let samples = match colour_type {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    Some(rank(u32_be(bytes, 16)?, u32_be(bytes, 20)?, samples * u32::from(depth)))
}
