//! Any bytes to a header: no panic, no allocation of pixels, the limits held.
#![no_main]

use bytefit::codec::{probe, sniff};
use bytefit_fuzz::{LIMITS, heap};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static HEAP: heap::Metered = heap::Metered;

/// Bytes that reading a header may hold, whatever size it promises.
const HEADER_BYTES: u64 = 1 << 20;

/// Bytes that it may hold for each of the file's: tiff keeps a value of one byte in 32.
const BYTES_PER_BYTE: u64 = 40;

fuzz_target!(|bytes: &[u8]| {
    let (probed, held) = heap::peak_of(|| probe(bytes, &LIMITS));
    assert!(held <= HEADER_BYTES + BYTES_PER_BYTE * bytes.len() as u64, "{held} bytes held for {probed:?}");
    match probed {
        Ok(probe) => {
            assert_eq!(sniff(bytes), Ok(probe.format));
            let pixels = u64::from(probe.width) * u64::from(probe.height);
            assert!((1..=LIMITS.max_pixels).contains(&pixels));
            assert!(probe.width.max(probe.height) <= LIMITS.max_side);
            assert!(probe.decode_bytes >= pixels * 3, "{probe:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
