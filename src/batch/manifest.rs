//! What the store keeps of a batch: the manifest, which is written once, and a record for each item that has ended.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::job::{Job, JobError, Report};
use crate::source::SourceError;

/// The id of a batch: 128 random bits in hexadecimal. Whoever knows it may read and remove the batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct BatchId(String);

/// Bytes of an id.
const ID_BYTES: usize = 16;

impl BatchId {
    /// A new id.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn generate() -> std::io::Result<BatchId> {
        let mut bytes = [0; ID_BYTES];
        let failed = |_| std::io::Error::other("the system has no random numbers");
        SystemRandom::new().fill(&mut bytes).map_err(failed)?;
        Ok(BatchId(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Reads an id. Returns `None` for any other text, so that an id is always a safe file name.
    pub fn parse(text: &str) -> Option<BatchId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 2 * ID_BYTES && text.bytes().all(is_digit)).then(|| BatchId(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BatchId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<BatchId, &'static str> {
        BatchId::parse(&text).ok_or("no id of a batch")
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that was asked of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was complete.
    pub created: SystemTime,
    /// When it is removed.
    pub expires: SystemTime,
    /// Items that may be worked on at once.
    pub max_concurrent: usize,
    /// Whether the first failure cancels the items that have not begun.
    pub stop_on_error: bool,
    /// Bytes that all answers may have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The key by which the request may be repeated.
    pub idempotency: Option<Idempotency>,
    /// The items, in the order of the request.
    pub items: Vec<Item>,
}

/// A key that a client chose, and what it sent with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Identifies the client and its key.
    pub key: String,
    /// Identifies what was asked.
    pub content: String,
}

/// One picture of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its name, for people and archives.
    pub name: String,
    /// Where its picture is.
    pub input: Input,
    /// What its answer must be like.
    pub job: Job,
}

/// Where the picture of an item is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// At a URL.
    Url(String),
    /// In the store.
    Stored {
        /// The number of the file; several items may have the same.
        file: usize,
        /// Its size.
        bytes: u64,
        /// BLAKE3 of its bytes, in hexadecimal.
        hash: String,
    },
}

/// How an item ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The place of the item among those that have ended, from 1. Numbers may be left out.
    pub sequence: u64,
    /// The process whose answer it is, where several share the store; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub writer: u64,
    /// Its answer.
    pub result: Result<Output, ItemError>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The answer to an item; its bytes are beside the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The report, without the steps of the search.
    pub report: Report,
    /// Strong validator of the bytes, quotes included.
    pub etag: String,
    /// CRC-32 of the bytes, which an archive names before them.
    pub crc32: u32,
}

/// Why an item has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum ItemError {
    /// Its job has no answer.
    #[error(transparent)]
    Job(JobError),
    /// Its picture could not be fetched.
    #[error(transparent)]
    Source(SourceError),
    /// Its picture or its answer could not be stored or read.
    #[error("the store failed: {0}")]
    Store(String),
    /// There is no room to store its answer.
    #[error("there is no room to store the answer")]
    NoRoom,
    /// It was tried several times, and there was too little memory or no process each time.
    #[error("too busy for this item")]
    Overloaded,
    /// Its work was begun several times, and ended each time with the process that did it, or went on for too long
    /// without a sign.
    #[error("{deliveries} instances began to work on it, and none ended")]
    Abandoned {
        /// How often it was begun.
        deliveries: u64,
    },
    /// A mistake of ours.
    #[error("{0}")]
    Internal(String),
}

impl Record {
    /// The bytes of the answer; 0 without one.
    pub fn output_bytes(&self) -> u64 {
        self.result.as_ref().map_or(0, |output| output.report.output.bytes)
    }
}

impl Item {
    /// The number and the bytes of its file in the store.
    pub(super) fn stored(&self) -> Option<(usize, u64)> {
        match &self.input {
            Input::Stored { file, bytes, .. } => Some((*file, *bytes)),
            Input::Url(_) => None,
        }
    }

    /// Memory that it takes while its batch is kept: less than a kilobyte for its job, its state and its report, and
    /// its texts.
    pub(super) fn kilobytes(&self) -> usize {
        let url = match &self.input {
            Input::Url(url) => url.len(),
            Input::Stored { .. } => 0,
        };
        1 + (self.name.len() + url) / 1024
    }
}

impl Manifest {
    /// Memory that its items take while the batch is kept.
    pub(super) fn kilobytes(&self) -> usize {
        self.items.iter().map(Item::kilobytes).sum()
    }

    /// The files, with their bytes, of the items without one of these records.
    pub(super) fn files_beside(&self, records: &[(usize, Record)]) -> HashMap<usize, u64> {
        let ended: HashSet<usize> = records.iter().map(|(index, _)| *index).collect();
        let items = self.items.iter().enumerate().filter(|(index, _)| !ended.contains(index));
        items.filter_map(|(_, item)| item.stored()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_digits_and_nothing_else_is_an_id() {
        let id = BatchId::generate().unwrap();
        assert_eq!(BatchId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(BatchId::generate().unwrap(), id);
        for text in ["", "..", "0123456789abcdef0123456789abcdeF", "0123456789abcdef0123456789abcde/", "0123"] {
            assert_eq!(BatchId::parse(text), None, "{text}");
        }
    }
}
