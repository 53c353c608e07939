//! What `bytefit fit` reads: files, and standard input under the name `-`. A path may name an endless device, so
//! reading stops at the limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::failure::Failure;

/// The name of standard input.
const STDIN: &str = "-";

/// Whether `file` stands for standard input; `./-` is a file.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == STDIN
}

/// Reads all bytes of `file`.
///
/// # Errors
/// [`Failure`] when the file can't be read, is empty, or has more than `limit` bytes.
pub(super) fn read(file: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    if is_stdin(file) {
        return read_bounded(io::stdin().lock(), limit);
    }
    let file = File::open(file).map_err(|error| Failure::unreadable(&error))?;
    // A device reports a length of 0, so the limit is checked again while reading.
    if file.metadata().is_ok_and(|metadata| metadata.len() > limit) {
        return Err(Failure::too_large(limit));
    }
    read_bounded(file, limit)
}

fn read_bounded(source: impl Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| Failure::unreadable(&error))?;
    match bytes.len() as u64 {
        0 => Err(Failure::empty()),
        length if length > limit => Err(Failure::too_large(limit)),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_limit() {
        assert_eq!(read(Path::new("/dev/zero"), 1000), Err(Failure::too_large(1000)));
        assert_eq!(read_bounded(&[7; 1000][..], 1000), Ok(vec![7; 1000]));
        assert_eq!(read_bounded(&[7; 1001][..], 1000), Err(Failure::too_large(1000)));
        assert_eq!(read(Path::new("/dev/null"), 1000), Err(Failure::empty()));
    }

    #[test]
    fn a_large_file_is_refused_by_its_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert_eq!(read(file.path(), 1000), Err(Failure::too_large(1000)));
    }

    #[test]
    fn a_directory_is_unreadable() {
        assert!(read(Path::new("/"), 1 << 30).is_err_and(|failure| failure.detail().contains("directory")));
    }
}
