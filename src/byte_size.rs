//! Parses sizes as people write them.

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SizeError {
    /// Not a number followed by a known unit.
    #[error("not a size")]
    Malformed,
    /// More than 2^64 - 1 bytes.
    #[error("larger than any file")]
    TooLarge,
}

/// What [`parse_size`] accepts, for error messages.
pub(crate) const SIZE_GRAMMAR: &str =
    "bytes (80000), SI units (80KB, 1.5MB, 1GB) or binary units (80KiB, 1.5MiB, 1GiB)";

/// Units and their bytes. KB is 1,000 bytes, so that a file made for "80 KB" passes a check that counts 1,024 too.
const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// Parses a size in bytes: `80000`, `80KB`, `1.5 MB`, `80KiB`. Case does not matter, there may be one space before the
/// unit, and a fraction of a byte is dropped.
///
/// # Errors
/// [`SizeError::Malformed`] for anything else (`80k`, `-5`, `80kbit`, `NaN`), [`SizeError::TooLarge`] above `u64::MAX`.
pub(crate) fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let &(_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SizeError::Malformed)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (number.contains('.') && scale == 1) {
        return Err(SizeError::Malformed);
    }
    let whole: u64 = whole.parse().map_err(|_| SizeError::TooLarge)?;
    let bytes = u128::from(whole) * u128::from(scale) + fraction_of(fraction, scale);
    u64::try_from(bytes).map_err(|_| SizeError::TooLarge)
}

/// `0.fraction * scale`, rounded down. In integers, because floats would turn 4.1MB into 4,099,999.
fn fraction_of(fraction: &str, scale: u64) -> u128 {
    // 18 digits are finer than a byte of the largest unit and keep the product below 2^128.
    let digits = &fraction[..fraction.len().min(18)];
    let numerator: u128 = digits.parse().unwrap_or(0);
    numerator * u128::from(scale) / 10u128.pow(digits.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_mean_what_the_contract_says() {
        for (text, bytes) in [
            ("80000", 80_000),
            ("80KB", 80_000),
            ("80 kb", 80_000),
            ("1.5MB", 1_500_000),
            ("80KiB", 81_920),
            ("4.1mb", 4_100_000),
            ("0.5KiB", 512),
            ("12B", 12),
            ("0", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", " ", "80k", "-5", "80kbit", "NaN", "inf", "1e3", "1.2.3MB", "1.5", ".5MB", "5.MB", "80  KB", " 80KB",
            "80KB ", "٣KB", "+5",
        ] {
            assert_eq!(parse_size(text), Err(SizeError::Malformed), "{text}");
        }
        assert_eq!(parse_size("18446744073709551616"), Err(SizeError::TooLarge));
        assert_eq!(parse_size("99999999999999999GB"), Err(SizeError::TooLarge));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse_size(&text);
        }

        #[test]
        fn thousandths_of_a_megabyte_are_exact(thousandths in 0u64..10_000_000) {
            let text = format!("{}.{:03}MB", thousandths / 1000, thousandths % 1000);
            prop_assert_eq!(parse_size(&text), Ok(thousandths * 1000));
        }
    }
}
