//! Durations as people write them in requests and settings.

use std::time::Duration;

use crate::excerpt::quoted;

/// What [`parse_duration`] accepts, for error messages.
pub(crate) const DURATION_GRAMMAR: &str = "250ms, 1.5s, 10s, 1m, 24h";

/// Parses numbers with units: `250ms`, `1.5s`, `1m`, `1h 30m`.
///
/// # Errors
/// A message for the user, for anything else, including a number without a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    // humantime accepts 0 without a unit, unlike every other number.
    let parsed = humantime::parse_duration(text).ok().filter(|_| text.trim() != "0");
    parsed.ok_or_else(|| format!("{} is not a duration: write {DURATION_GRAMMAR}", quoted(text)))
}

/// `duration` in the form that [`parse_duration`] reads.
pub(crate) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_people_mean() {
        for (text, milliseconds) in
            [("250ms", 250), ("1.5s", 1500), ("10s", 10_000), ("1m", 60_000), ("1h 30m", 5_400_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "0", "5", "soon", "-5s", "5 bananas", "1e3s", "99999999999999999999s"] {
            assert!(parse_duration(text).unwrap_err().contains("is not a duration: write 250ms"), "{text}");
        }
    }
}
