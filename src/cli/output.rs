//! Where the answers of `bytefit fit` go. Must not know how they came about.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::failure::Failure;
use super::input;
use crate::codec::Format;
use crate::job::Answer;

/// Where answers go, and which files they must leave alone.
pub struct Output {
    place: Place,
    /// Whether files that are there already may be written over.
    force: bool,
    inputs: HashSet<PathBuf>,
    /// Inputs whose answers would share a name with another's, did they not keep their extension in it.
    namesakes: HashSet<PathBuf>,
    /// Answers already.
    written: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, PartialEq, Eq)]
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
    pub fn new(files: &[PathBuf], asked: Option<&Path>, force: bool) -> Result<Output, String> {
        let place = Place::of(files, asked)?;
        let inputs = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let namesakes = place.namesakes(files);
        Ok(Output { place, force, inputs, namesakes, written: Mutex::default() })
    }

    /// Makes the directory that answers go to, where it is not there yet.
    ///
    /// # Errors
    /// In words for a person.
    pub fn make_directory(&self) -> Result<(), String> {
        let Place::Directory(path) = &self.place else { return Ok(()) };
        fs::create_dir_all(path).map_err(|error| format!("can't make {}: {error}", path.display()))
    }

    /// Whether answers go to standard output.
    pub fn is_stdout(&self) -> bool {
        self.place == Place::Stdout
    }

    /// The format that the name of the file asked for promises.
    pub fn named_format(&self) -> Option<Format> {
        let Place::File(path) = &self.place else { return None };
        Format::of_name(path.extension()?.to_str()?)
    }

    /// Writes the whole answer, or nothing; returns where it went.
    ///
    /// # Errors
    /// [`Failure`] for what is full or gone, an input, another's answer, or a file that is there already.
    pub fn write(&self, input: &Path, answer: &Answer) -> Result<PathBuf, Failure> {
        let Some(path) = self.path(input, answer.report.output.format) else {
            write_through(io::stdout(), &answer.bytes).map_err(|error| Failure::unwritable(error.to_string()))?;
            return Ok(PathBuf::from("-"));
        };
        if path.canonicalize().is_ok_and(|existing| self.inputs.contains(&existing)) {
            return Err(Failure::unwritable(format!("{} is an input, it is never overwritten", path.display())));
        }
        self.claim(&path)?;
        match self.write_to(&path, &answer.bytes) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::exists(&path)),
            Err(error) => Err(Failure::unwritable(format!("can't write {}: {error}", path.display()))),
        }
    }

    /// Where the answer to `input` goes; none is standard output.
    fn path(&self, input: &Path, format: Format) -> Option<PathBuf> {
        let name = |ending: &str| {
            let stem = if self.namesakes.contains(input) { input.file_name() } else { stem(input) };
            let mut name = OsString::from(stem.unwrap_or_default());
            name.push(format!("{ending}.{}", format.extension()));
            name
        };
        match &self.place {
            Place::Stdout => None,
            Place::Beside => Some(input.with_file_name(name(".fit"))),
            Place::Directory(path) => Some(path.join(name(""))),
            Place::File(path) => Some(path.clone()),
        }
    }

    fn write_to(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // A name that we made up may be somebody else's file; one that was asked for is meant.
        if !self.force && !matches!(self.place, Place::File(_)) {
            return write_whole(path, bytes, Existing::Kept);
        }
        match path.metadata() {
            // A pipe or a device is written to: a file must not take its place.
            Ok(existing) if !existing.is_file() => open_to_write(path).and_then(|file| write_through(file, bytes)),
            _ => write_whole(path, bytes, Existing::Replaced),
        }
    }

    /// Nothing, where `path` is no answer to another input yet.
    fn claim(&self, path: &Path) -> Result<(), Failure> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.insert(located(path)) {
            return Ok(());
        }
        Err(Failure::unwritable(format!("{} is the answer to another input, it is not overwritten", path.display())))
    }
}

impl Place {
    fn of(files: &[PathBuf], asked: Option<&Path>) -> Result<Place, String> {
        let many = files.len() > 1;
        let stdins = files.iter().filter(|file| input::is_stdin(file)).count();
        if stdins > 1 {
            return Err("standard input is there once".to_owned());
        }
        match asked {
            None if stdins == 0 => Ok(Place::Beside),
            None if many => Err("standard input among several files takes -o DIR/".to_owned()),
            None if io::stdout().is_terminal() => {
                Err("the answer would go to this terminal: -o FILE writes it to a file".to_owned())
            }
            None => Ok(Place::Stdout),
            Some(path) => Place::asked(path, many),
        }
    }

    fn asked(path: &Path, many: bool) -> Result<Place, String> {
        if path.as_os_str() == "-" {
            return if many { Err("standard output takes one file".to_owned()) } else { Ok(Place::Stdout) };
        }
        if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Ok(Place::Directory(path.to_owned()));
        }
        if many {
            return Err(format!("{0} is not a directory; {0}/ is made", path.display()));
        }
        Ok(Place::File(path.to_owned()))
    }

    /// Those of `files` whose answers would have the same name as another's.
    fn namesakes(&self, files: &[PathBuf]) -> HashSet<PathBuf> {
        let mut by_name: HashMap<PathBuf, HashSet<PathBuf>> = HashMap::new();
        let name = |file: &Path| match self {
            Place::Directory(_) => PathBuf::from(stem(file).unwrap_or_default()),
            Place::Beside | Place::File(_) | Place::Stdout => {
                located(file).with_file_name(stem(file).unwrap_or_default())
            }
        };
        for file in files {
            by_name.entry(name(file)).or_default().insert(located(file));
        }
        files.iter().filter(|file| by_name[&name(file)].len() > 1).cloned().collect()
    }
}

/// The name of `input` without its extension.
fn stem(input: &Path) -> Option<&OsStr> {
    if input::is_stdin(input) { Some(OsStr::new("stdin")) } else { input.file_stem() }
}

/// `path` by way of the directory that it is really in: the same for every way of writing it.
fn located(path: &Path) -> PathBuf {
    let directory = directory(path).canonicalize();
    match (directory, path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn open_to_write(path: &Path) -> std::io::Result<File> {
    File::options().write(true).open(path)
}

/// Writes to what may be full, or gone, and says so.
fn write_through(mut target: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    target.write_all(bytes)?;
    target.flush()
}

/// What becomes of a file that stands where one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Kept,
    Replaced,
}

/// Writes beside `path` and renames, so that nobody ever sees half a file.
fn write_whole(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if existing == Existing::Kept && path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut file = tempfile::Builder::new()
        .prefix(".bytefit-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let persisted = match existing {
        // It may have come to be meanwhile.
        Existing::Kept => file.persist_noclobber(path),
        Existing::Replaced => file.persist(path),
    };
    persisted.map_err(|error| error.error)?;
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

    fn output(files: &[&str], asked: Option<&str>) -> Output {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        Output::new(&files, asked.map(Path::new), false).unwrap()
    }

    #[test]
    fn an_answer_is_never_overwritten_by_another() {
        let output = output(&["a.jpg", "a.png"], None);
        assert!(output.claim(Path::new("a.fit.webp")).is_ok());
        assert!(output.claim(Path::new("./a.fit.webp")).unwrap_err().detail().contains("another input"));
        assert!(output.claim(Path::new("a.fit.png")).is_ok());
    }

    #[test]
    fn namesakes_keep_their_extension() {
        let paths = |asked: Option<&str>, files: &[&str]| -> Vec<String> {
            let output = output(files, asked);
            let path = |file: &&str| output.path(Path::new(file), Format::Webp).unwrap().display().to_string();
            files.iter().map(path).collect()
        };
        assert_eq!(
            paths(None, &["a.jpg", "a.png", "b.jpg", "src/b.png"]),
            ["a.jpg.fit.webp", "a.png.fit.webp", "b.fit.webp", "src/b.fit.webp"]
        );
        assert_eq!(
            paths(Some("new/"), &["a.jpg", "src/a.png", "b.jpg", "-"]),
            ["new/a.jpg.webp", "new/a.png.webp", "new/b.webp", "new/stdin.webp"]
        );
        assert_eq!(paths(None, &["a.jpg", "./a.jpg"]), ["a.fit.webp", "./a.fit.webp"], "the same file");
    }

    #[test]
    fn places_are_what_was_asked_for() {
        let place = |files: &[&str], asked: &str| {
            Place::of(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), Some(Path::new(asked)))
        };
        assert_eq!(place(&["a"], "new/"), Ok(Place::Directory("new/".into())));
        assert_eq!(place(&["a", "b"], "src"), Ok(Place::Directory("src".into())));
        assert_eq!(place(&["a"], "out.webp"), Ok(Place::File("out.webp".into())));
        assert!(place(&["a", "b"], "out.webp").unwrap_err().contains("out.webp/ is made"));
        assert!(place(&["a", "b"], "-").is_err() && place(&["-", "-"], "new/").is_err());
        let without = |files: &[&str]| Place::of(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), None);
        assert_eq!(without(&["a", "b"]), Ok(Place::Beside));
        assert!(without(&["a", "-"]).unwrap_err().contains("-o DIR/"));
    }

    #[test]
    fn the_name_of_a_file_promises_a_format() {
        for (asked, format) in [
            ("out.webp", Some(Format::Webp)),
            ("out.JPG", Some(Format::Jpeg)),
            ("out.gif", Some(Format::Gif)),
            ("out.bin", None),
            ("webp", None),
            ("new.webp/", None),
        ] {
            assert_eq!(output(&["a.jpg"], Some(asked)).named_format(), format, "{asked}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer");
        for bytes in [&b"a long answer"[..], b"short"] {
            write_whole(&path, bytes, Existing::Replaced).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let refused = write_whole(&path, b"another", Existing::Kept).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        write_whole(&folder.path().join("new"), b"new", Existing::Kept).unwrap();
    }
}
