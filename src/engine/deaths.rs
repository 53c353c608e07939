//! Files that end the process that works on them. One that does so again and again is refused, so that it can't keep
//! the service busy with starting processes.

use std::time::Duration;

use blake3::Hash;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::codec::{self, DecodeError};
use crate::job::JobError;

/// Deaths after which a file is refused. One may be chance, as when the system kills for lack of memory.
const MAX_DEATHS: u32 = 3;

/// How long deaths are remembered after the last.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Files that are remembered. Each takes about a hundred bytes.
const MAX_FILES: u64 = 10_000;

/// How many processes died of each file lately.
pub(super) struct Deaths {
    by_content: Cache<Hash, u32>,
}

impl Deaths {
    /// No deaths yet.
    pub(super) fn new() -> Deaths {
        Deaths { by_content: Cache::builder().max_capacity(MAX_FILES).time_to_live(REMEMBERED).build() }
    }

    /// Remembers that a process died of the file with this content.
    pub(super) fn note(&self, content: Hash) {
        self.by_content
            .entry(content)
            .and_compute_with(|entry| Op::Put(entry.map_or(0, |entry| entry.into_value()) + 1));
    }

    /// Refuses a file of which too many processes died.
    ///
    /// # Errors
    /// [`DecodeError::Undecodable`].
    pub(super) fn check(&self, content: &Hash, file: &[u8]) -> Result<(), JobError> {
        if self.by_content.get(content).is_none_or(|deaths| deaths < MAX_DEATHS) {
            return Ok(());
        }
        let reason = "decoding it has failed several times in a way that ends the decoder".into();
        Err(DecodeError::Undecodable { format: codec::sniff(file)?, reason }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_refused_after_three_deaths_and_no_other() {
        let deaths = Deaths::new();
        let file = b"\xFF\xD8\xFF\xE0 a JPEG";
        let content = blake3::hash(file);
        for _ in 0..MAX_DEATHS {
            assert_eq!(deaths.check(&content, file), Ok(()));
            deaths.note(content);
        }
        let refused = deaths.check(&content, file).unwrap_err();
        assert!(matches!(refused, JobError::Decode(DecodeError::Undecodable { .. })), "{refused}");
        assert_eq!(deaths.check(&blake3::hash(b"another"), file), Ok(()));
    }
}
