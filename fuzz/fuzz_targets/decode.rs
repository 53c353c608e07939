//! Any bytes to a picture: no panic, the limits held, no more memory than the header's estimate.
#![no_main]

use bytefit::codec::{Format, decode, probe};
use bytefit_fuzz::{LIMITS, check_decoded, heap};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static HEAP: heap::Metered = heap::Metered;

/// What a lossy WebP's partition may claim in its 24 bits: zeroed for it, and never touched where the file ends before.
const CLAIMED_BYTES: u64 = 1 << 24;

fuzz_target!(|bytes: &[u8]| {
    let probed = probe(bytes, &LIMITS);
    let (decoded, held) = heap::peak_of(|| decode(bytes, &LIMITS));
    if let Ok(probe) = &probed {
        let claimed = if probe.format == Format::Webp { CLAIMED_BYTES } else { 0 };
        assert!(held <= probe.decode_bytes + claimed, "{held} bytes held, {} expected", probe.decode_bytes);
    }
    match decoded {
        Ok(decoded) => {
            check_decoded(&decoded, &LIMITS);
            let probe = probed.expect("what decodes has a header");
            assert_eq!((decoded.picture.width(), decoded.picture.height()), (probe.width, probe.height));
            assert_eq!(decoded.orientation, probe.orientation);
            assert!(probe.alpha || !decoded.picture.has_alpha(), "{probe:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
