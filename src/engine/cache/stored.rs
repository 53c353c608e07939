//! An answer as disk and Redis keep it. What can't be understood, or was changed on its way, is no answer.
//!
//! ```text
//! "bfa", version | checksum (32 bytes) | length of the report (u32, little-endian) | report in postcard | the image
//! ```
//!
//! The checksum is BLAKE3 of the key, the report and the image's own BLAKE3, of which the ETag is made: the image is
//! hashed once. With the key in it, a value under another key is not taken for that key's.

use super::CachedAnswer;
use crate::engine::key::Key;
use crate::job::{Answer, Report};

/// The last byte is the version. Raise it when [`Report`] changes: postcard does not describe itself.
const MAGIC: [u8; 4] = *b"bfa\x01";
const CHECKSUM: usize = 32;
const PREFIX: usize = MAGIC.len() + CHECKSUM + 4;

/// `cached` as it is stored under `key`. Returns `None` when its report is too long to be written, which it never is.
pub(super) fn encode(key: &Key, cached: &CachedAnswer) -> Option<Vec<u8>> {
    let report = postcard::to_stdvec(&cached.answer.report).ok()?;
    let image = &cached.answer.bytes;
    let length = u32::try_from(report.len()).ok()?;
    let checksum = checksum(key, &report, &blake3::hash(image));
    let mut stored = Vec::with_capacity(PREFIX + report.len() + image.len());
    stored.extend(MAGIC);
    stored.extend(checksum.as_bytes());
    stored.extend(length.to_le_bytes());
    stored.extend(report);
    stored.extend(image);
    Some(stored)
}

/// The answer that is stored under `key`.
pub(super) fn decode(key: &Key, mut stored: Vec<u8>) -> Option<CachedAnswer> {
    let rest = stored.strip_prefix(&MAGIC)?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (report, image) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let hash = blake3::hash(image);
    if checksum(key, report, &hash) != *sum {
        return None;
    }
    let report: Report = postcard::from_bytes(report).ok()?;
    if report.output.bytes != image.len() as u64 {
        return None;
    }
    let start = stored.len() - image.len();
    stored.drain(..start);
    Some(CachedAnswer::with_hash(Answer { bytes: stored, report }, &hash))
}

fn checksum(key: &Key, report: &[u8], image: &blake3::Hash) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(image.as_bytes()).update(report);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cache::tests::{cached, key};

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let (key, original) = (key(1), cached(b"an image"));
        let read = decode(&key, encode(&key, &original).unwrap()).unwrap();
        assert_eq!(read.answer.bytes, original.answer.bytes);
        assert_eq!(read.answer.report, original.answer.report);
        assert_eq!(read.etag, original.etag);
    }

    #[test]
    fn every_flipped_bit_every_cut_and_any_addition_is_noticed() {
        let key = key(1);
        let stored = encode(&key, &cached(b"an image")).unwrap();
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&key, flipped).is_none(), "bit {bit}");
        }
        for length in 0..stored.len() {
            assert!(decode(&key, stored[..length].to_vec()).is_none(), "{length} bytes");
        }
        assert!(decode(&key, [&stored[..], b"x"].concat()).is_none());
    }

    #[test]
    fn a_value_under_another_key_is_no_answer() {
        assert!(decode(&key(2), encode(&key(1), &cached(b"an image")).unwrap()).is_none());
    }

    /// Other machines, and files of yesterday, have the form of this version.
    #[test]
    fn the_form_changes_with_the_version_only() {
        let stored = encode(&key(1), &cached(b"an image")).unwrap();
        // The checksum is of the key too, which changes with the encoders.
        let form = [&stored[..MAGIC.len()], &stored[MAGIC.len() + CHECKSUM..]].concat();
        assert_eq!(blake3::hash(&form).to_hex()[..16], *"9390373973fd5cb2", "raise the version in MAGIC");
    }
}
