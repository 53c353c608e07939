//! Shortens values that error messages repeat.

use std::borrow::Cow;

/// Characters of a value that a message repeats: one line of a terminal.
const MAX_CHARS: usize = 80;

/// `text`, or its first 80 characters and an ellipsis if it is longer.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}\u{2026}", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The [`excerpt`] of `text` in quotes, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", excerpt(text))
}

/// `message`, a text of another library, with every occurrence of a `given` value shortened by [`excerpt`].
#[cfg(feature = "server")]
pub(crate) fn cut_in(message: &str, given: &[&str]) -> String {
    let long = given.iter().filter(|text| matches!(excerpt(text), Cow::Owned(_)));
    long.fold(message.to_owned(), |message, text| {
        message.replace(&format!("{text:?}"), &quoted(text)).replace(text, &excerpt(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "\u{e9}".repeat(81);
        assert_eq!(excerpt(&long), format!("{}\u{2026}", "\u{e9}".repeat(80)));
        assert_eq!(excerpt(&long[..160]), long[..160]);
        assert_eq!(quoted("a\n"), r#""a\n""#);
    }

    #[test]
    #[cfg(feature = "server")]
    fn a_message_keeps_its_own_words() {
        let value = "\"v\n".repeat(1000);
        let message = cut_in(&format!("invalid type: string {value:?}, expected usize"), &[&value]);
        assert!(message.starts_with("invalid type: string ") && message.ends_with(", expected usize"), "{message}");
        assert!(message.chars().count() < 250, "{message}");
        assert_eq!(cut_in("unknown field `a`", &["a"]), "unknown field `a`");
    }
}
