//! Where the answers of `bytefit fit` go. Must not know how they came about.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::job::Answer;

/// Where answers go, and which files they must leave alone.
pub struct Output {
    place: Place,
    inputs: HashSet<PathBuf>,
    /// Answers already.
    written: Mutex<HashSet<PathBuf>>,
}

enum Place {
    /// Beside each input, as NAME.fit.EXTENSION.
    Beside,
    /// Into a directory, under the input's name with the answer's extension.
    Directory(PathBuf),
    File(PathBuf),
    Stdout,
}

impl Output {
    /// Where the answers for `files` go, given what was asked for.
    ///
    /// # Errors
    /// In words for a person.
    pub fn new(files: &[PathBuf], asked: Option<&Path>) -> Result<Output, String> {
        let place = Place::of(asked, files.len() > 1)?;
        let inputs = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        Ok(Output { place, inputs, written: Mutex::default() })
    }

    /// Whether answers go to standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// Writes the whole answer, or nothing; returns where it went.
    ///
    /// # Errors
    /// In words for a person.
    pub fn write(&self, input: &Path, answer: &Answer) -> Result<PathBuf, String> {
        let extension = answer.report.output.format.extension();
        let stem = input.file_stem().unwrap_or_default().to_string_lossy();
        let path = match &self.place {
            Place::Stdout => {
                write_through(std::io::stdout(), &answer.bytes).map_err(|error| error.to_string())?;
                return Ok(PathBuf::from("-"));
            }
            Place::Beside => input.with_file_name(format!("{stem}.fit.{extension}")),
            Place::Directory(path) => path.join(format!("{stem}.{extension}")),
            Place::File(path) => path.clone(),
        };
        if path.canonicalize().is_ok_and(|existing| self.inputs.contains(&existing)) {
            return Err(format!("{} is an input, it is never overwritten", path.display()));
        }
        self.claim(&path)?;
        let written = match path.metadata() {
            // A pipe or a device is written to: a file must not take its place.
            Ok(existing) if !existing.is_file() => {
                open_to_write(&path).and_then(|file| write_through(file, &answer.bytes))
            }
            _ => write_whole(&path, &answer.bytes),
        };
        written.map_err(|error| format!("can't write {}: {error}", path.display()))?;
        Ok(path)
    }

    /// Nothing, where `path` is no answer to another input yet.
    fn claim(&self, path: &Path) -> Result<(), String> {
        let is_first = self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        let taken = || format!("{} is the answer to another input, it is not overwritten", path.display());
        is_first.then_some(()).ok_or_else(taken)
    }
}

impl Place {
    fn of(asked: Option<&Path>, many: bool) -> Result<Place, String> {
        let Some(path) = asked.map(Path::to_owned) else { return Ok(Place::Beside) };
        if path.as_os_str() == "-" {
            return if many { Err("standard output takes one file".to_owned()) } else { Ok(Place::Stdout) };
        }
        if path.is_dir() {
            return Ok(Place::Directory(path));
        }
        if many || path.as_os_str().to_string_lossy().ends_with('/') {
            return Err(format!("{} is not a directory", path.display()));
        }
        Ok(Place::File(path))
    }
}

fn open_to_write(path: &Path) -> std::io::Result<File> {
    File::options().write(true).open(path)
}

/// Writes to what may be full, or gone, and says so.
fn write_through(mut target: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    target.write_all(bytes)?;
    target.flush()
}

/// Writes beside `path` and renames, so that nobody ever sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".bytefit-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stays_one_and_a_full_one_is_told() {
        assert!(open_to_write(Path::new("/dev/null")).and_then(|file| write_through(file, b"bytes")).is_ok());
        let full = open_to_write(Path::new("/dev/full")).and_then(|file| write_through(file, b"bytes"));
        assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    #[test]
    fn an_answer_is_never_overwritten_by_another() {
        let output = Output::new(&[PathBuf::from("a.jpg"), PathBuf::from("a.png")], None).unwrap();
        assert!(output.claim(Path::new("a.fit.webp")).is_ok());
        assert!(output.claim(Path::new("a.fit.webp")).unwrap_err().contains("another input"));
        assert!(output.claim(Path::new("a.fit.png")).is_ok());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer");
        for bytes in [&b"a long answer"[..], b"short"] {
            write_whole(&path, bytes).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
