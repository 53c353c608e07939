//! Reads numbers from untrusted bytes. Every read is checked and returns `None` past the end.

/// The two bytes at `at`, big-endian.
pub(crate) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, at)?))
}

/// The four bytes at `at`, big-endian.
pub(crate) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array(bytes, at)?))
}

/// The two bytes at `at`, little-endian.
pub(crate) fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array(bytes, at)?))
}

/// The three bytes at `at`, little-endian.
pub(crate) fn u24_le(bytes: &[u8], at: usize) -> Option<u32> {
    let [low, middle, high] = array(bytes, at)?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}

/// The four bytes at `at`, little-endian.
pub(crate) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array(bytes, at)?))
}

/// `length` bytes from `at` on.
pub(crate) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    slice(bytes, at, N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_the_end_are_none() {
        let bytes = [1, 2, 3, 4];
        assert_eq!(u32_be(&bytes, 0), Some(0x0102_0304));
        assert_eq!(u32_le(&bytes, 0), Some(0x0403_0201));
        assert_eq!(u24_le(&bytes, 1), Some(0x0004_0302));
        assert_eq!(u16_be(&bytes, 3), None);
        assert_eq!(u32_le(&bytes, usize::MAX), None);
        assert_eq!(slice(&bytes, 1, usize::MAX), None);
    }
}
