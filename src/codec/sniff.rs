//! Names the format of a file by its first bytes.

use std::borrow::Cow;

use super::bytes::{slice, u32_be};
use super::{DecodeError, Format};

/// Bytes in which the first tag of an SVG has to begin, after white space, comments and declarations.
const TEXT_WINDOW: usize = 4096;
/// At most so many brands of an ftyp box are read; real files have about ten.
const MAX_BRANDS: usize = 64;

/// Names for images that were encoded once more on their way.
pub(super) const DATA_URL: &str = "an image in a data: URL";
pub(super) const BASE64_TEXT: &str = "an image in base64";
pub(super) const GZIP: &str = "an image in gzip";

/// The name for a file that begins like a JPEG and goes on like none.
pub(super) const DAMAGED_JPEG: &str = "a damaged JPEG";

/// The format of `bytes`, by their first few. The declared Content-Type does not matter.
///
/// # Errors
/// [`DecodeError::Unsupported`], with its name if the format is known but not read (SVG, PDF and others).
pub fn sniff(bytes: &[u8]) -> Result<Format, DecodeError> {
    match readable(bytes) {
        Some(format) => Ok(format),
        None => Err(DecodeError::Unsupported { found: unreadable(bytes).map(Cow::Borrowed) }),
    }
}

fn readable(bytes: &[u8]) -> Option<Format> {
    Format::ALL.iter().copied().find(|format| (format.model().recognises)(bytes))
}

/// The brands of an ISO-BMFF file: the major one first, then the compatible ones (ISO/IEC 14496-12 s4.3).
pub(super) fn brands(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let size = match (u32_be(bytes, 0), slice(bytes, 4, 4)) {
        (Some(size), Some(b"ftyp")) => (size as usize).min(bytes.len()),
        _ => 0,
    };
    let major = if size >= 12 { slice(bytes, 8, 4) } else { None };
    let compatible = bytes.get(16..size).unwrap_or_default().chunks_exact(4);
    major.into_iter().chain(compatible).take(MAX_BRANDS)
}

fn unreadable(bytes: &[u8]) -> Option<&'static str> {
    by_encoding(bytes).or_else(|| by_magic(bytes)).or_else(|| by_brand(bytes)).or_else(|| by_text(bytes))
}

/// An image as text, or compressed once more.
fn by_encoding(bytes: &[u8]) -> Option<&'static str> {
    // The signatures of JPEG, PNG, GIF, RIFF, TIFF and ftyp boxes in base64 (RFC 4648).
    const BASE64: [&[u8]; 7] = [b"/9j/", b"iVBORw0KGgo", b"R0lGOD", b"UklGR", b"SUkqA", b"TU0AK", b"AAAA"];
    let text = bytes.trim_ascii_start();
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let is_base64 = |head: &[u8]| head.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\r\n\"".contains(byte));
    if has_prefix(text, b"data:") {
        return Some(DATA_URL);
    }
    if BASE64.iter().any(|prefix| text.starts_with(prefix)) && is_base64(&text[..text.len().min(64)]) {
        return Some(BASE64_TEXT);
    }
    bytes.starts_with(b"\x1F\x8B\x08").then_some(GZIP)
}

fn by_magic(bytes: &[u8]) -> Option<&'static str> {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xFF\x4F\xFF\x51", "JPEG 2000"),
        (b"II\xBC\x01", "JPEG XR"),
        (b"\xFF\xD8", DAMAGED_JPEG),
        (b"8BPS", "PSD"),
        (b"%!PS", "PostScript"),
        (b"\xC5\xD0\xD3\xC6", "EPS"),
        (b"DDS ", "DDS"),
        (b"qoif", "QOI"),
        (b"v/1\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"#?RGBE", "Radiance HDR"),
        (b"farbfeld", "farbfeld"),
        (b"gimp xcf", "XCF"),
        (b"FLIF", "FLIF"),
        (b"BPG\xFB", "BPG"),
        (b"\xD7\xCD\xC6\x9A", "WMF"),
        (b"AT&TFORM", "DjVu"),
        (b"P1\n", "PNM"),
        (b"P2\n", "PNM"),
        (b"P3\n", "PNM"),
        (b"P4\n", "PNM"),
        (b"P5\n", "PNM"),
        (b"P6\n", "PNM"),
        (b"P7\n", "PNM"),
        (b"\x1A\x45\xDF\xA3", "Matroska video"),
    ];
    MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

fn by_brand(bytes: &[u8]) -> Option<&'static str> {
    let mut brands = brands(bytes).peekable();
    brands.peek()?;
    for brand in brands {
        match brand {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => return Some("HEIC"),
            b"mif1" | b"mif2" | b"msf1" | b"miaf" => return Some("HEIF"),
            b"jxl " => return Some("JPEG XL"),
            b"jp2 " | b"jpx " | b"jph " => return Some("JPEG 2000"),
            b"crx " => return Some("Canon raw"),
            _ => {}
        }
    }
    Some("MP4 video")
}

/// SVG and PDF open with text: SVG after a byte order mark, white space, an XML declaration, comments and
/// a doctype; PDF within its first kilobyte (ISO 32000 s7.5.2, as readers accept it).
fn by_text(bytes: &[u8]) -> Option<&'static str> {
    let window = &bytes[..bytes.len().min(TEXT_WINDOW)];
    let head = &window[..window.len().min(1024)];
    if head.windows(5).any(|at| at == b"%PDF-") {
        return Some("PDF");
    }
    is_svg(window).then_some("SVG")
}

fn is_svg(window: &[u8]) -> bool {
    let mut rest = window.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(window);
    loop {
        rest = rest.trim_ascii_start();
        if has_prefix(rest, b"<svg") || has_prefix(rest, b"<!doctype svg") {
            return true;
        }
        let end: &[u8] = match rest {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', ..] => b">",
            _ => return false,
        };
        match rest.windows(end.len()).position(|at| at == end) {
            Some(at) => rest = &rest[at + end.len()..],
            None => return false,
        }
    }
}

fn has_prefix(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ftyp(brands: &[&[u8; 4]]) -> Vec<u8> {
        let mut file = u32::try_from(12 + brands.len() * 4).unwrap().to_be_bytes().to_vec();
        file.extend(b"ftyp");
        file.extend(brands[0]);
        file.extend([0; 4]);
        file.extend(brands[1..].iter().copied().flatten());
        file
    }

    #[test]
    fn names_every_format_that_is_read() {
        let mut bmp = b"BM".to_vec();
        bmp.extend([0; 12]);
        bmp.extend([40, 0, 0, 0]);
        let table: [(&[u8], Format); 13] = [
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF", Format::Jpeg),
            (b"\x89PNG\r\n\x1A\n\0\0", Format::Png),
            (b"RIFF\x1A\0\0\0WEBPVP8L", Format::Webp),
            (b"GIF87a..", Format::Gif),
            (b"GIF89a..", Format::Gif),
            (b"II*\0\x08\0\0\0", Format::Tiff),
            (b"MM\0*\0\0\0\x08", Format::Tiff),
            (b"\0\0\x01\0\x01\0", Format::Ico),
            (b"\0\0\x02\0\x01\0", Format::Ico),
            (&bmp, Format::Bmp),
            (&ftyp(&[b"mif1", b"heic", b"avif"]), Format::Avif),
            (b"\xFF\x0A\xFA", Format::Jxl),
            (b"\0\0\0\x0CJXL \r\n\x87\n", Format::Jxl),
        ];
        for (bytes, format) in table {
            assert_eq!(sniff(bytes), Ok(format), "{bytes:?}");
        }
        assert_eq!(sniff(&ftyp(&[b"avis"])), Ok(Format::Avif));
    }

    #[test]
    fn heic_is_read_or_named() {
        for (brands, name) in [(&[b"heic", b"mif1"][..], "HEIC"), (&[b"heix"], "HEIC"), (&[b"mif1", b"miaf"], "HEIF")] {
            let unread = Err(DecodeError::Unsupported { found: Some(name.into()) });
            let expected = if cfg!(feature = "heic") { Ok(Format::Heic) } else { unread };
            assert_eq!(sniff(&ftyp(brands)), expected, "{name}");
        }
    }

    #[test]
    fn names_formats_that_are_known_but_not_read() {
        let table: [(&[u8], &str); 12] = [
            (b"data:image/png;base64,iVBORw0KGgo", DATA_URL),
            (b"/9j/4AAQSkZJRgABAQ==", BASE64_TEXT),
            (b"\"iVBORw0KGgoAAAANSUhEUg\"", BASE64_TEXT),
            (b"\x1F\x8B\x08\0", GZIP),
            (&ftyp(&[b"isom", b"mp41"]), "MP4 video"),
            (b"\xEF\xBB\xBF  <?xml version=\"1.0\"?>\n<!-- > -->\n<!DOCTYPE svg PUBLIC \"\">\n<svg>", "SVG"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">", "SVG"),
            (b"<!-- made by hand --><SVG>", "SVG"),
            (b"%PDF-1.7", "PDF"),
            (b"8BPS\0\x01", "PSD"),
            (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
            (b"\xFF\xD8\0\0", DAMAGED_JPEG),
        ];
        for (bytes, name) in table {
            assert_eq!(sniff(bytes), Err(DecodeError::Unsupported { found: Some(name.into()) }), "{bytes:?}");
        }
    }

    #[test]
    fn anything_else_has_no_name() {
        for bytes in [&b""[..], b"BM is not a bitmap by itself", b"hello", b"<html>", b"<!-- no end", b"RIFF....AVI "] {
            assert_eq!(sniff(bytes), Err(DecodeError::Unsupported { found: None }), "{bytes:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_send() {
        let detail = |bytes: &[u8]| sniff(bytes).unwrap_err().to_string();
        assert_eq!(detail(b"%PDF-1.7"), "PDF is not supported: save the picture as JPEG or PNG");
        assert_eq!(detail(b"\x1F\x8B\x08\0"), "an image in gzip is not supported: send the bytes of the image itself");
        assert_eq!(detail(b"\xFF\xD8\0\0"), "a damaged JPEG is not supported: save the picture anew");
        assert_eq!(detail(b"hello"), "the bytes are not an image in a known format: save the picture as JPEG or PNG");
    }

    #[test]
    fn a_lying_ftyp_size_is_harmless() {
        let mut file = ftyp(&[b"isom", b"avif"]);
        file[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(sniff(&file), Ok(Format::Avif));
        file[..4].copy_from_slice(&9u32.to_be_bytes());
        assert_eq!(sniff(&file), Err(DecodeError::Unsupported { found: None }));
    }
}
