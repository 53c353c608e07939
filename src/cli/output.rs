//! Where `bytefit fit` writes its answers.

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

/// Where answers are written, and which files must not be overwritten.
pub(super) struct Output {
    destination: Destination,
    /// Whether existing files may be overwritten.
    force: bool,
    inputs: HashSet<PathBuf>,
    /// Inputs whose answers would have the same name as another's. The names of their answers keep the input's extension.
    same_stem: HashSet<PathBuf>,
    /// Paths of the answers written so far.
    written: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// In the directory of each input, as NAME.fit.EXTENSION.
    BesideInput,
    /// In this directory, under the input's name with the answer's extension.
    Directory(PathBuf),
    File(PathBuf),
    Stdout,
}

impl Output {
    /// Decides where the answers for `files` go. `requested` is the value of `--output`.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn new(files: &[PathBuf], requested: Option<&Path>, force: bool) -> Result<Output, String> {
        let destination = Destination::choose(files, requested)?;
        let inputs = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let same_stem = destination.same_stem(files);
        Ok(Output { destination, force, inputs, same_stem, written: Mutex::default() })
    }

    /// Creates the directory for the answers if it does not exist.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn make_directory(&self) -> Result<(), String> {
        let Destination::Directory(path) = &self.destination else { return Ok(()) };
        fs::create_dir_all(path).map_err(|error| format!("can't make {}: {error}", path.display()))
    }

    /// Whether answers go to standard output.
    pub(super) fn is_stdout(&self) -> bool {
        self.destination == Destination::Stdout
    }

    /// The format that the extension of the requested file stands for. Returns `None` when no file was requested.
    pub(super) fn format_from_name(&self) -> Option<Format> {
        let Destination::File(path) = &self.destination else { return None };
        Format::of_name(path.extension()?.to_str()?)
    }

    /// Writes the whole answer or nothing, and returns its path.
    ///
    /// # Errors
    /// [`Failure`] when writing fails, or when the path is an input, the answer to another input, or an existing file.
    pub(super) fn write(&self, input: &Path, answer: &Answer) -> Result<PathBuf, Failure> {
        let Some(path) = self.path(input, answer.report.output.format) else {
            write_and_flush(io::stdout(), &answer.bytes).map_err(|error| Failure::unwritable(error.to_string()))?;
            return Ok(PathBuf::from("-"));
        };
        if path.canonicalize().is_ok_and(|existing| self.inputs.contains(&existing)) {
            return Err(Failure::unwritable(format!("{} is an input and is never overwritten", path.display())));
        }
        self.reserve(&path)?;
        match self.write_to(&path, &answer.bytes) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::exists(&path)),
            Err(error) => Err(Failure::unwritable(format!("can't write {}: {error}", path.display()))),
        }
    }

    /// The path of the answer to `input`. Returns `None` for standard output.
    fn path(&self, input: &Path, format: Format) -> Option<PathBuf> {
        let name = |ending: &str| {
            let stem = if self.same_stem.contains(input) { input.file_name() } else { stem(input) };
            let mut name = OsString::from(stem.unwrap_or_default());
            name.push(format!("{ending}.{}", format.extension()));
            name
        };
        match &self.destination {
            Destination::Stdout => None,
            Destination::BesideInput => Some(input.with_file_name(name(".fit"))),
            Destination::Directory(path) => Some(path.join(name(""))),
            Destination::File(path) => Some(path.clone()),
        }
    }

    fn write_to(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // A generated name may be an unrelated file. A name that the user gave is meant to be written.
        if !self.force && !matches!(self.destination, Destination::File(_)) {
            return write_atomically(path, bytes, IfExists::Keep);
        }
        match path.metadata() {
            // A pipe or a device is written to directly: renaming would replace it with a file.
            Ok(existing) if !existing.is_file() => open_to_write(path).and_then(|file| write_and_flush(file, bytes)),
            _ => write_atomically(path, bytes, IfExists::Replace),
        }
    }

    /// Keeps `path` for one answer.
    ///
    /// # Errors
    /// [`Failure`] when it is the path of another answer.
    fn reserve(&self, path: &Path) -> Result<(), Failure> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.insert(resolve(path)) {
            return Ok(());
        }
        Err(Failure::unwritable(format!("{} is already the answer to another input", path.display())))
    }
}

impl Destination {
    fn choose(files: &[PathBuf], requested: Option<&Path>) -> Result<Destination, String> {
        let many = files.len() > 1;
        let stdin_count = files.iter().filter(|file| input::is_stdin(file)).count();
        if stdin_count > 1 {
            return Err("standard input (-) can be given only once".to_owned());
        }
        match requested {
            None if stdin_count == 0 => Ok(Destination::BesideInput),
            None if many => Err("with standard input among several files, give a directory: -o DIR/".to_owned()),
            None if io::stdout().is_terminal() => {
                Err("the answer is binary and standard output is a terminal: give a file with -o FILE".to_owned())
            }
            None => Ok(Destination::Stdout),
            Some(path) => Destination::from_path(path, many),
        }
    }

    fn from_path(path: &Path, many: bool) -> Result<Destination, String> {
        if path.as_os_str() == "-" {
            return if many {
                Err("standard output (-o -) takes the answer to one file only".to_owned())
            } else {
                Ok(Destination::Stdout)
            };
        }
        if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Ok(Destination::Directory(path.to_owned()));
        }
        if many {
            return Err(format!("{0} is not a directory; to create it, write {0}/", path.display()));
        }
        Ok(Destination::File(path.to_owned()))
    }

    /// Those of `files` whose answers would have the same name as another's.
    fn same_stem(&self, files: &[PathBuf]) -> HashSet<PathBuf> {
        let mut by_name: HashMap<PathBuf, HashSet<PathBuf>> = HashMap::new();
        let name = |file: &Path| match self {
            Destination::Directory(_) => PathBuf::from(stem(file).unwrap_or_default()),
            Destination::BesideInput | Destination::File(_) | Destination::Stdout => {
                resolve(file).with_file_name(stem(file).unwrap_or_default())
            }
        };
        for file in files {
            by_name.entry(name(file)).or_default().insert(resolve(file));
        }
        files.iter().filter(|file| by_name[&name(file)].len() > 1).cloned().collect()
    }
}

/// The name of `input` without its extension.
fn stem(input: &Path) -> Option<&OsStr> {
    if input::is_stdin(input) { Some(OsStr::new("stdin")) } else { input.file_stem() }
}

/// `path` in its canonical directory, so that different spellings of one path compare equal.
fn resolve(path: &Path) -> PathBuf {
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

/// Writes all bytes and flushes, so that a full device or a closed pipe is an error.
fn write_and_flush(mut target: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    target.write_all(bytes)?;
    target.flush()
}

/// What to do with an existing file at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfExists {
    Keep,
    Replace,
}

/// Writes to a temporary file in the same directory and renames it, so that nobody sees half a file.
fn write_atomically(path: &Path, bytes: &[u8], if_exists: IfExists) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if if_exists == IfExists::Keep && path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut file = tempfile::Builder::new()
        .prefix(".bytefit-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let persisted = match if_exists {
        // The file may have been created in the meantime.
        IfExists::Keep => file.persist_noclobber(path),
        IfExists::Replace => file.persist(path),
    };
    persisted.map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_to_directly_and_a_full_one_is_an_error() {
        assert!(open_to_write(Path::new("/dev/null")).and_then(|file| write_and_flush(file, b"bytes")).is_ok());
        let full = open_to_write(Path::new("/dev/full")).and_then(|file| write_and_flush(file, b"bytes"));
        assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    fn output(files: &[&str], requested: Option<&str>) -> Output {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        Output::new(&files, requested.map(Path::new), false).unwrap()
    }

    #[test]
    fn an_answer_is_never_overwritten_by_another() {
        let output = output(&["a.jpg", "a.png"], None);
        assert!(output.reserve(Path::new("a.fit.webp")).is_ok());
        assert!(output.reserve(Path::new("./a.fit.webp")).unwrap_err().detail().contains("another input"));
        assert!(output.reserve(Path::new("a.fit.png")).is_ok());
    }

    #[test]
    fn inputs_of_one_stem_keep_their_extension() {
        let paths = |requested: Option<&str>, files: &[&str]| -> Vec<String> {
            let output = output(files, requested);
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
    fn the_destination_is_what_the_user_asked_for() {
        let destination = |files: &[&str], requested: &str| {
            Destination::choose(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), Some(Path::new(requested)))
        };
        assert_eq!(destination(&["a"], "new/"), Ok(Destination::Directory("new/".into())));
        assert_eq!(destination(&["a", "b"], "src"), Ok(Destination::Directory("src".into())));
        assert_eq!(destination(&["a"], "out.webp"), Ok(Destination::File("out.webp".into())));
        assert!(destination(&["a", "b"], "out.webp").unwrap_err().contains("write out.webp/"));
        assert!(destination(&["a", "b"], "-").is_err() && destination(&["-", "-"], "new/").is_err());
        let without = |files: &[&str]| Destination::choose(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), None);
        assert_eq!(without(&["a", "b"]), Ok(Destination::BesideInput));
        assert!(without(&["a", "-"]).unwrap_err().contains("-o DIR/"));
    }

    #[test]
    fn the_extension_of_the_requested_file_names_a_format() {
        for (requested, format) in [
            ("out.webp", Some(Format::Webp)),
            ("out.JPG", Some(Format::Jpeg)),
            ("out.gif", Some(Format::Gif)),
            ("out.bin", None),
            ("webp", None),
            ("new.webp/", None),
        ] {
            assert_eq!(output(&["a.jpg"], Some(requested)).format_from_name(), format, "{requested}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answer");
        for bytes in [&b"a long answer"[..], b"short"] {
            write_atomically(&path, bytes, IfExists::Replace).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let refused = write_atomically(&path, b"another", IfExists::Keep).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        write_atomically(&folder.path().join("new"), b"new", IfExists::Keep).unwrap();
    }
}
