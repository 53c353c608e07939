//! Reads a query string to pairs of name and value.

use percent_encoding::percent_decode_str;

use crate::excerpt::excerpt;
use crate::params::ParamError;

/// Decodes `query`: `+` is a space, `%XX` is a byte, and the result is UTF-8. A name without `=` has an empty value.
///
/// # Errors
/// [`ParamError`] for a name or value that is not UTF-8.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, ParamError> {
    query.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

fn pair(piece: &str) -> Result<(String, String), ParamError> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    match (decode(name), decode(value)) {
        (Some(name), Some(value)) => Ok((name, value)),
        (name, _) => Err(ParamError {
            name: name.map_or_else(|| "query".to_owned(), |name| excerpt(&name).into_owned()),
            given: Some(excerpt(piece).into_owned()),
            reason: "not UTF-8".to_owned(),
            allowed: "UTF-8 text, percent-encoded".to_owned(),
        }),
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|decoded| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Vec<(String, String)> {
        pairs(query).unwrap()
    }

    #[test]
    fn escapes_and_plus_are_decoded() {
        assert_eq!(
            of("target=80+KB&filename=%C3%A9%2B.jpg"),
            [("target".to_owned(), "80 KB".to_owned()), ("filename".to_owned(), "\u{e9}+.jpg".to_owned()),]
        );
    }

    #[test]
    fn empty_pieces_are_skipped_and_a_name_needs_no_value() {
        assert_eq!(of("&&target&"), [("target".to_owned(), String::new())]);
        assert_eq!(of("a=b=c"), [("a".to_owned(), "b=c".to_owned())]);
        assert!(of("").is_empty());
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_by_name() {
        assert_eq!(pairs("filename=%ff").unwrap_err().name, "filename");
        assert!(pairs("%ff=1").is_err());
    }
}
