//! What the directory holds: sizes and times, in the order of use. The files themselves are in `folder`.

use std::collections::{BTreeMap, HashMap};

use crate::engine::key::Key;

/// What a file occupies comes in blocks of this size on most file systems.
const BLOCK: u64 = 4096;

/// Seconds since 1970, and a number that tells uses within a second apart: later ones have larger numbers.
type Use = (u64, u64);

/// The files of the directory.
#[derive(Default)]
pub(super) struct Index {
    entries: HashMap<Key, Entry>,
    by_use: BTreeMap<Use, Key>,
    bytes: u64,
    next_number: u64,
}

struct Entry {
    bytes: u64,
    last_use: Use,
    /// When it was written, in seconds since 1970.
    written: u64,
}

impl Index {
    /// Adds or replaces a file of `bytes`. Times are in seconds since 1970.
    pub(super) fn insert(&mut self, key: Key, bytes: u64, written: u64, used: u64) {
        self.remove(&key);
        let bytes = on_disk(bytes);
        let last_use = self.use_at(used);
        self.entries.insert(key, Entry { bytes, last_use, written });
        self.by_use.insert(last_use, key);
        self.bytes += bytes;
    }

    fn use_at(&mut self, second: u64) -> Use {
        self.next_number += 1;
        (second, self.next_number)
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// When the file was written, in seconds since 1970.
    pub(super) fn written(&self, key: &Key) -> Option<u64> {
        Some(self.entries.get(key)?.written)
    }

    /// Notes that the file was read `now`.
    pub(super) fn touch(&mut self, key: &Key, now: u64) {
        let last_use = self.use_at(now);
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.by_use.remove(&entry.last_use);
        entry.last_use = last_use;
        self.by_use.insert(last_use, *key);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.last_use);
            self.bytes -= entry.bytes;
        }
    }

    /// Takes the least recently used file out while all together have more than `capacity` bytes.
    pub(super) fn pop_beyond(&mut self, capacity: u64) -> Option<Key> {
        if self.bytes <= capacity {
            return None;
        }
        let (_, key) = self.by_use.first_key_value()?;
        let key = *key;
        self.remove(&key);
        Some(key)
    }

    /// The files written before this second.
    pub(super) fn written_before(&self, second: u64) -> Vec<Key> {
        let old = |(key, entry): (&Key, &Entry)| (entry.written < second).then_some(*key);
        self.entries.iter().filter_map(old).collect()
    }

    /// Number of files.
    pub(super) fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What they occupy.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a file of `bytes` occupies.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cache::tests::key;

    #[test]
    fn the_least_recently_used_file_goes_first() {
        let mut index = Index::default();
        for number in 0..4 {
            index.insert(key(number), 1, 100, 100);
        }
        index.touch(&key(0), 100);
        index.insert(key(4), 1, 50, 50);
        let gone: Vec<Key> = std::iter::from_fn(|| index.pop_beyond(2 * BLOCK)).collect();
        assert_eq!(gone, [key(4), key(1), key(2)]);
        assert_eq!((index.entries(), index.bytes()), (2, 2 * BLOCK));
    }

    #[test]
    fn a_file_that_is_replaced_counts_once() {
        let mut index = Index::default();
        index.insert(key(1), 10_000, 1, 1);
        index.insert(key(1), 1, 2, 2);
        assert_eq!((index.entries(), index.bytes()), (1, BLOCK));
        assert_eq!(index.written(&key(1)), Some(2));
        index.remove(&key(1));
        index.remove(&key(1));
        assert_eq!((index.entries(), index.bytes()), (0, 0));
        assert!(index.pop_beyond(0).is_none());
    }
}
