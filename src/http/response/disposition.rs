//! The Content-Disposition header of an answer (RFC 6266).

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::codec::Format;

/// Every character that is not an `attr-char` of RFC 5987 s3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Names the answer `filename`, with the extension of its format.
pub(super) fn content_disposition(filename: &str, format: Format) -> HeaderValue {
    let name = file_name(filename, format);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let value = if plain == name {
        format!("inline; filename=\"{plain}\"")
    } else {
        let encoded = utf8_percent_encode(&name, NOT_ATTR_CHAR);
        format!("inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
    };
    HeaderValue::try_from(value).expect("both forms are visible ASCII and spaces")
}

/// The name of a file of this format: the last piece of `filename`, with the extension of the format.
pub(super) fn file_name(filename: &str, format: Format) -> String {
    with_extension(&base_name(filename), format)
}

/// The last piece of a path, without invisible characters.
fn base_name(filename: &str) -> String {
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !is_invisible(*c)).collect::<String>().trim().to_owned()
}

/// Whether `c` is a control character, a line separator or a formatting character (Unicode's Cf). They could reverse a
/// name, as in `exe.\u{202e}gpj`, or hide a part of it. The joiners U+200C and U+200D are allowed: Persian, Indic
/// scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    let formats = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || formats
}

/// Replaces the extension of another picture format, or appends one when the name has none.
fn with_extension(name: &str, format: Format) -> String {
    let (stem, found) = match name.rsplit_once('.') {
        Some((stem, extension)) => (stem, Format::of_name(extension)),
        None => (name, None),
    };
    let stem = if found.is_some() { stem } else { name };
    match found {
        Some(found) if found == format => name.to_owned(),
        _ if stem.is_empty() => format!("image.{}", format.extension()),
        _ => format!("{stem}.{}", format.extension()),
    }
}

fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filename: &str) -> String {
        content_disposition(filename, Format::Webp).to_str().unwrap().to_owned()
    }

    #[test]
    fn the_extension_is_that_of_the_answer() {
        assert_eq!(of("cat.webp"), r#"inline; filename="cat.webp""#);
        assert_eq!(of("cat.JPEG"), r#"inline; filename="cat.webp""#);
        assert_eq!(of("cat"), r#"inline; filename="cat.webp""#);
        assert_eq!(of("v1.2 final"), r#"inline; filename="v1.2 final.webp""#);
        assert_eq!(of(".png"), r#"inline; filename="image.webp""#);
        let jpeg = content_disposition("a.jpeg", Format::Jpeg);
        assert_eq!(jpeg, r#"inline; filename="a.jpeg""#);
    }

    #[test]
    fn a_name_cannot_leave_its_folder_or_its_quotes() {
        assert_eq!(of("../../etc/cron.d/x.webp"), r#"inline; filename="x.webp""#);
        assert_eq!(of(r"C:\temp\x.webp"), r#"inline; filename="x.webp""#);
        assert_eq!(of("a\r\nSet-Cookie: b"), r#"inline; filename="aSet-Cookie: b.webp""#);
        assert_eq!(of(r#"a"; x="b"#), r#"inline; filename="a_; x=_b.webp"; filename*=UTF-8''a%22%3B%20x%3D%22b.webp"#);
        assert_eq!(of("/"), r#"inline; filename="image.webp""#);
    }

    #[test]
    fn a_name_has_no_invisible_characters() {
        for invisible in
            ["\u{202e}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{2066}", "\u{2069}", "\u{61c}", "\u{feff}", "\u{85}"]
        {
            assert_eq!(
                of(&format!("a{invisible}b")),
                r#"inline; filename="ab.webp""#,
                "{}",
                invisible.escape_unicode()
            );
        }
        assert!(of("\u{646}\u{200c}\u{627}").ends_with("''%D9%86%E2%80%8C%D8%A7.webp"), "joiners spell words");
    }

    #[test]
    fn other_scripts_are_encoded() {
        assert_eq!(of("caf\u{e9}"), r#"inline; filename="caf_.webp"; filename*=UTF-8''caf%C3%A9.webp"#);
    }
}
