//! The images of a set as a ZIP archive (PKWARE APPNOTE 6.3.10). Images don't get smaller by compression, so they are
//! stored; sizes and sums stand before each file, and the length of the archive is known before it is sent.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

use super::SetAnswer;
use crate::http::response::problem::{Kind, Problem};

/// The last file of the archive.
const REPORT: &str = "report.json";

/// Version of the format that a reader needs: 1.0 (APPNOTE 4.4.3.2).
const VERSION: u16 = 10;

/// The flag of a name in UTF-8 (APPNOTE 4.4.4, bit 11).
const UTF8_NAME: u16 = 1 << 11;

/// 1 January 1980, the earliest date there is (APPNOTE 4.4.6): the archive of the same answers is the same.
const DATE: u16 = 0x21;

/// The `images` of `answer`, each with the name of its file, and the report as an archive.
///
/// # Errors
/// An archive of 4 GB and more is refused.
pub(crate) fn archive(answer: &SetAnswer, images: Vec<(String, Bytes)>) -> Result<Response, Problem> {
    let mut archive = Archive::new();
    for (name, image) in images {
        archive.add_bytes(&name, image)?;
    }
    archive.add_bytes(REPORT, Bytes::from(answer.report().to_string()))?;
    let (pieces, length) = archive.finish()?;
    let bytes = |piece| match piece {
        Piece::Framing(bytes) | Piece::Content(bytes) => Ok::<Bytes, Infallible>(bytes),
    };
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(bytes)));
    let mut response = (headers("variants.zip", length), body).into_response();
    answer.add_headers(&mut response);
    Ok(response)
}

/// The headers of an archive with this file name, which is plain ASCII.
pub(in crate::http::response) fn headers(filename: &str, length: u64) -> HeaderMap {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{filename}\""));
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (CONTENT_DISPOSITION, disposition.expect("the names of archives are plain ASCII")),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

/// A piece of an archive.
#[derive(Debug)]
pub(in crate::http::response) enum Piece<C> {
    /// What stands around the files.
    Framing(Bytes),
    /// A file.
    Content(C),
}

/// An archive while it is put together. The content of a file may be read when it is sent.
pub(in crate::http::response) struct Archive<C> {
    pieces: Vec<Piece<C>>,
    length: u64,
    directory: Vec<u8>,
    files: u16,
}

impl Archive<Bytes> {
    fn add_bytes(&mut self, name: &str, content: Bytes) -> Result<(), Problem> {
        self.add(name, crc32fast::hash(&content), content.len() as u64, content)
    }
}

impl<C> Archive<C> {
    /// An archive without files.
    pub(in crate::http::response) fn new() -> Archive<C> {
        Archive { pieces: Vec::new(), length: 0, directory: Vec::new(), files: 0 }
    }

    /// Adds a file of `size` bytes with this sum.
    ///
    /// # Errors
    /// An archive of 4 GB and more is refused.
    pub(in crate::http::response) fn add(
        &mut self,
        name: &str,
        crc: u32,
        size: u64,
        content: C,
    ) -> Result<(), Problem> {
        let offset = within_4_gb(self.length)?;
        let header = entry(name, crc, within_4_gb(size)?);
        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&header);
        // Comment, disk and attributes: none.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        let local = [b"PK\x03\x04".as_slice(), &header, name.as_bytes()].concat();
        self.push(Bytes::from(local));
        self.length += size;
        self.pieces.push(Piece::Content(content));
        self.files += 1;
        Ok(())
    }

    fn push(&mut self, framing: Bytes) {
        self.length += framing.len() as u64;
        self.pieces.push(Piece::Framing(framing));
    }

    /// The whole archive and its length.
    ///
    /// # Errors
    /// As [`Archive::add`].
    pub(in crate::http::response) fn finish(mut self) -> Result<(Vec<Piece<C>>, u64), Problem> {
        let offset = within_4_gb(self.length)?;
        let directory = std::mem::take(&mut self.directory);
        let size = within_4_gb(directory.len() as u64)?;
        self.push(Bytes::from(directory));
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(self.files.to_le_bytes());
        end.extend(self.files.to_le_bytes());
        end.extend(size.to_le_bytes());
        end.extend(offset.to_le_bytes());
        end.extend([0; 2]);
        self.push(Bytes::from(end));
        Ok((self.pieces, self.length))
    }
}

/// What the header of a file and its entry in the directory have in common, from the version to the lengths.
fn entry(name: &str, crc: u32, size: u32) -> Vec<u8> {
    let mut entry = Vec::new();
    entry.extend(VERSION.to_le_bytes());
    let flags = if name.is_ascii() { 0 } else { UTF8_NAME };
    entry.extend(flags.to_le_bytes());
    // Stored; midnight.
    entry.extend([0; 4]);
    entry.extend(DATE.to_le_bytes());
    entry.extend(crc.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry.extend((name.len() as u16).to_le_bytes());
    // No extra field.
    entry.extend([0; 2]);
    entry
}

fn within_4_gb(bytes: u64) -> Result<u32, Problem> {
    let too_large = |_| Problem::new(Kind::InvalidParameter, "an archive holds less than 4 GB: ask for another form");
    u32::try_from(bytes).map_err(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_each_file_where_its_directory_says() {
        let mut archive = Archive::new();
        let files = [("a.webp", &b"first"[..]), ("b.jpg", b""), ("report.json", b"{}")];
        for (name, content) in files {
            archive.add_bytes(name, Bytes::copy_from_slice(content)).unwrap();
        }
        let (pieces, length) = archive.finish().unwrap();
        let bytes = pieces.into_iter().fold(Vec::new(), |mut bytes, piece| {
            let (Piece::Framing(piece) | Piece::Content(piece)) = piece;
            bytes.extend(piece);
            bytes
        });
        assert_eq!(bytes.len() as u64, length);
        let end = &bytes[bytes.len() - 22..];
        assert_eq!((&end[..4], end[10]), (&b"PK\x05\x06"[..], 3));
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let mut at = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        for (name, content) in files {
            assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
            assert_eq!(&bytes[at + 46..at + 46 + name.len()], name.as_bytes());
            let (crc, size, local) = (number(at + 16), number(at + 24), number(at + 42));
            assert_eq!((crc, size), (crc32fast::hash(content) as usize, content.len()));
            assert_eq!(&bytes[local..local + 4], b"PK\x03\x04");
            assert_eq!(&bytes[local + 4..local + 30], &bytes[at + 6..at + 32]);
            let start = local + 30 + name.len();
            assert_eq!(&bytes[start..start + size], content);
            at += 46 + name.len();
        }
        assert_eq!(at, bytes.len() - 22);
    }
}
