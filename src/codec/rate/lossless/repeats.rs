//! Finds where a sequence of symbols repeats earlier ones.

/// The symbols so far, and the last position of each short run of them.
pub(super) struct Repeats {
    symbols: Vec<u32>,
    last_seen: Vec<Option<usize>>,
    /// Minimum length of a repeat in symbols.
    least: usize,
}

impl Repeats {
    pub(super) fn of_at_least(least: usize) -> Repeats {
        Repeats { symbols: Vec::new(), last_seen: vec![None; 1 << HASH_BITS], least }
    }

    /// Appends `symbols` and returns the index of the first.
    pub(super) fn append(&mut self, symbols: impl Iterator<Item = u32>) -> usize {
        let index = self.symbols.len();
        self.symbols.extend(symbols);
        index
    }

    /// Returns how many symbols from `index` on repeat earlier ones; 0 when there are too few. Records this index for
    /// later calls.
    pub(super) fn length_at(&mut self, index: usize) -> usize {
        let Some(run) = self.symbols.get(index..index + self.least) else { return 0 };
        let Some(earlier) = self.last_seen[hash(run)].replace(index) else { return 0 };
        let pairs = self.symbols[earlier..].iter().zip(&self.symbols[index..]);
        let length = pairs.take_while(|(before, here)| before == here).count();
        if length < self.least { 0 } else { length }
    }
}

/// Bits of the table of positions. It has as many entries as a sample that is large enough for most pictures has
/// pixels.
const HASH_BITS: u32 = 14;

fn hash(run: &[u32]) -> usize {
    // Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
    let mix = |hash: u64, symbol: &u32| (hash.rotate_left(21) ^ u64::from(*symbol)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (run.iter().fold(0, mix) >> (u64::BITS - HASH_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_found_where_it_begins_and_as_long_as_it_is() {
        let mut repeats = Repeats::of_at_least(3);
        assert_eq!(repeats.append([1, 2, 3, 4].into_iter()), 0);
        assert_eq!(repeats.length_at(0), 0, "nothing came before");
        let index = repeats.append([1, 2, 3, 4, 9, 9].into_iter());
        assert_eq!((index, repeats.length_at(index)), (4, 4));
        assert_eq!(repeats.length_at(index + 4), 0, "two symbols are too few");
    }
}
