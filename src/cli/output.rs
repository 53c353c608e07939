//! Where `bytefit fit` writes its answers.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::failure::Failure;
use super::input;
use super::record::{Input, Made, Record};
use super::selection::{InputFile, parent, resolved};
use crate::codec::Format;
use crate::job::{Answer, Outcome};

/// Where answers are written, and which files must not be overwritten.
pub(super) struct Output {
    destination: Destination,
    /// Whether existing files may be overwritten.
    force: bool,
    inputs: HashSet<PathBuf>,
    /// The path of each answer without the extension of its format; empty for standard output.
    stems: Vec<PathBuf>,
    /// What is recorded, by folder; `None` without `--resume`.
    records: Option<HashMap<PathBuf, Record>>,
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

/// An input, and what is needed to record its answer.
#[derive(Clone, Debug)]
pub(super) struct Origin<'a> {
    /// The number of the input.
    pub index: usize,
    /// The parameters of its answer.
    pub job: &'a str,
    /// The file before it was read.
    pub input: Option<Input>,
}

impl Output {
    /// Decides where the answers for `files` go. `requested` is the value of `--output`; `has_folder` says that the
    /// files come from folders.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn new(
        files: &[InputFile],
        requested: Option<&Path>,
        has_folder: bool,
        force: bool,
    ) -> Result<Output, String> {
        let destination = Destination::choose(files, requested, has_folder)?;
        let inputs = files.iter().filter_map(|file| file.path.canonicalize().ok()).collect();
        let stems = destination.stems(files)?;
        Ok(Output { destination, force, inputs, stems, records: None, written: Mutex::default() })
    }

    /// Creates the directory for the answers if it does not exist. That of a single file has to.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn make_directory(&self) -> Result<(), String> {
        match &self.destination {
            Destination::Directory(path) => {
                fs::create_dir_all(path).map_err(|error| format!("can't make {}: {error}", path.display()))
            }
            Destination::File(path) if !parent(path).exists() => {
                Err(format!("can't write {}: there is no folder {}", path.display(), parent(path).display()))
            }
            Destination::File(_) | Destination::Stdout | Destination::BesideInput => Ok(()),
        }
    }

    /// Reads what earlier runs recorded, and records the answers of this one.
    ///
    /// # Errors
    /// A message for the user.
    pub(super) fn resume(&mut self) -> Result<(), String> {
        if self.is_stdout() {
            return Err(
                "--resume is for answers in files: with standard output there is nothing to go on from".to_owned()
            );
        }
        let mut records = HashMap::new();
        for stem in &self.stems {
            let folder = self.record_folder(stem);
            if !records.contains_key(folder) {
                let record = Record::read(folder);
                let record =
                    record.map_err(|error| format!("can't read the record in {}: {error}", folder.display()))?;
                records.insert(folder.to_owned(), record);
            }
        }
        self.records = Some(records);
        Ok(())
    }

    /// Whether the answer of `origin` is there already, by what earlier runs recorded.
    pub(super) fn is_done(&self, origin: &Origin<'_>) -> bool {
        let stem = &self.stems[origin.index];
        let Some((record, made)) = self.record(stem).zip(made(stem, origin)) else { return false };
        record.is_done(&made)
    }

    /// Whether answers are recorded.
    pub(super) fn is_recorded(&self) -> bool {
        self.records.is_some()
    }

    fn record(&self, stem: &Path) -> Option<&Record> {
        self.records.as_ref()?.get(self.record_folder(stem))
    }

    /// The folder whose record has the answer.
    fn record_folder<'a>(&'a self, stem: &'a Path) -> &'a Path {
        match &self.destination {
            Destination::Directory(path) => path,
            Destination::BesideInput | Destination::File(_) | Destination::Stdout => parent(stem),
        }
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
    pub(super) fn write(&self, origin: &Origin<'_>, answer: &Answer) -> Result<PathBuf, Failure> {
        let stem = &self.stems[origin.index];
        let Some(path) = self.path(stem, answer.report.output.format) else {
            write_and_flush(io::stdout(), &answer.bytes).map_err(|error| Failure::unwritable(error.to_string()))?;
            return Ok(PathBuf::from("-"));
        };
        if path.canonicalize().is_ok_and(|existing| self.inputs.contains(&existing)) {
            return Err(Failure::unwritable(format!("{} is an input and is never overwritten", path.display())));
        }
        self.reserve(&path)?;
        match self.write_to(&path, origin, answer) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::exists(&path)),
            Err(error) => Err(Failure::unwritable(format!("can't write {}: {}", path.display(), reason(&error)))),
        }
    }

    /// The path of the answer with this `stem`. Returns `None` for standard output.
    fn path(&self, stem: &Path, format: Format) -> Option<PathBuf> {
        match &self.destination {
            Destination::Stdout => None,
            Destination::File(path) => Some(path.clone()),
            Destination::BesideInput | Destination::Directory(_) => {
                Some(with_ending(stem, &format!(".{}", format.extension())))
            }
        }
    }

    fn write_to(&self, path: &Path, origin: &Origin<'_>, answer: &Answer) -> io::Result<()> {
        let stem = &self.stems[origin.index];
        if matches!(self.destination, Destination::Directory(_)) {
            fs::create_dir_all(parent(path))?;
        }
        let record = self.record(stem);
        let is_ours = record.is_some_and(|record| record.has_written(path, stem));
        // A generated name may be an unrelated file. A name that the user gave is meant to be written.
        let may_replace = self.force || is_ours || matches!(self.destination, Destination::File(_));
        if !may_replace && path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some((record, made)) = record.zip(made(stem, origin)) {
            record.note(path, &made, &answer.bytes, answer.report.outcome != Outcome::Missed)?;
        }
        let temporary = if self.is_recorded() { Temporary::SameInEveryRun } else { Temporary::Unique };
        match path.metadata() {
            _ if !may_replace => write_atomically(path, &answer.bytes, IfExists::Keep, temporary),
            // A pipe or a device is written to directly: renaming would replace it with a file.
            Ok(existing) if !existing.is_file() => {
                open_to_write(path).and_then(|file| write_and_flush(file, &answer.bytes))
            }
            _ => write_atomically(path, &answer.bytes, IfExists::Replace, temporary),
        }
    }

    /// Keeps `path` for one answer.
    ///
    /// # Errors
    /// [`Failure`] when it is the path of another answer.
    fn reserve(&self, path: &Path) -> Result<(), Failure> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.insert(resolved(path)) {
            return Ok(());
        }
        Err(Failure::unwritable(format!("{} is already the answer to another input", path.display())))
    }
}

/// What is recorded of an answer. Returns `None` when the input was not seen, as it can't be read.
fn made<'a>(stem: &'a Path, origin: &Origin<'a>) -> Option<Made<'a>> {
    Some(Made { stem, input: origin.input.clone()?, job: origin.job })
}

impl Destination {
    fn choose(files: &[InputFile], requested: Option<&Path>, has_folder: bool) -> Result<Destination, String> {
        let many = files.len() > 1 || has_folder;
        let stdin_count = files.iter().filter(|file| input::is_stdin(&file.path)).count();
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
            Some(path) => Destination::from_path(path, many, has_folder),
        }
    }

    fn from_path(path: &Path, many: bool, has_folder: bool) -> Result<Destination, String> {
        if path.as_os_str() == "-" {
            return if many {
                Err("standard output (-o -) takes the answer to one file only".to_owned())
            } else {
                Ok(Destination::Stdout)
            };
        }
        let is_called_a_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        // What comes from folders goes into one.
        if path.is_dir() || is_called_a_directory || (has_folder && !path.exists()) {
            return Ok(Destination::Directory(path.to_owned()));
        }
        if many {
            return Err(format!("{0} is not a directory; to create it, write {0}/", path.display()));
        }
        Ok(Destination::File(path.to_owned()))
    }

    /// The path of each answer without the extension of its format. Those that would be the same keep the extension of
    /// their input.
    ///
    /// # Errors
    /// A message for the user, when two answers would have the same name even so.
    fn stems(&self, files: &[InputFile]) -> Result<Vec<PathBuf>, String> {
        let mut stems: Vec<PathBuf> = files.iter().map(|file| self.stem(file, Name::Stem)).collect();
        for index in namesakes(&stems).concat() {
            stems[index] = self.stem(&files[index], Name::Whole);
        }
        match namesakes(&stems).first().map(Vec::as_slice) {
            Some([first, second, ..]) if self.has_names() => Err(format!(
                "{} and {} would have the same answer, {}.*: fit them apart",
                files[*first].path.display(),
                files[*second].path.display(),
                stems[*first].display()
            )),
            _ => Ok(stems),
        }
    }

    /// Whether each answer has a name of its own.
    fn has_names(&self) -> bool {
        matches!(self, Destination::BesideInput | Destination::Directory(_))
    }

    fn stem(&self, file: &InputFile, name: Name) -> PathBuf {
        let path = &file.path;
        let name = match name {
            _ if input::is_stdin(path) => Some("stdin".as_ref()),
            Name::Stem => path.file_stem(),
            Name::Whole => path.file_name(),
        };
        let name = name.unwrap_or_default();
        match self {
            Destination::BesideInput => with_ending(&path.with_file_name(name), ".fit"),
            Destination::Directory(folder) => folder.join(&file.below).join(name),
            Destination::File(path) => path.clone(),
            Destination::Stdout => PathBuf::new(),
        }
    }
}

/// The part of an input's name that its answer keeps.
#[derive(Clone, Copy)]
enum Name {
    Stem,
    Whole,
}

/// The numbers of the paths that are there more than once, grouped, in their order.
fn namesakes(paths: &[PathBuf]) -> Vec<Vec<usize>> {
    let mut by_path: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (index, path) in paths.iter().enumerate() {
        by_path.entry(resolved(path)).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = by_path.into_values().filter(|group| group.len() > 1).collect();
    groups.sort();
    groups
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(ending);
    PathBuf::from(path)
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

/// Writes to a `temporary` file in the same directory and renames it, so that nobody sees half a file.
fn write_atomically(path: &Path, bytes: &[u8], if_exists: IfExists, temporary: Temporary) -> io::Result<()> {
    if if_exists == IfExists::Keep && path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut file = temporary.create(path)?;
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

/// Why a file can't be written, without the temporary name that it has until it is complete.
fn reason(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(Error::source);
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

/// How a temporary file is called. A killed run leaves the one that it was writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temporary {
    /// As no other.
    Unique,
    /// As in every run, so that a resumed one takes away what was left.
    SameInEveryRun,
}

impl Temporary {
    /// Creates the file that will be `path`.
    fn create(self, path: &Path) -> io::Result<NamedTempFile> {
        use std::os::unix::fs::PermissionsExt;
        let folder = parent(path);
        let mut builder = tempfile::Builder::new();
        builder.permissions(fs::Permissions::from_mode(0o666));
        if self == Temporary::Unique {
            return builder.prefix(".bytefit-").tempfile_in(folder);
        }
        // Without the extension, since another run may choose another format; a hash, since names have at most 255
        // bytes.
        let hash = blake3::hash(path.with_extension("").as_os_str().as_encoded_bytes()).to_hex();
        let name = format!(".bytefit-{}", &hash[..16]);
        // Most often there is none.
        let _ = fs::remove_file(folder.join(&name));
        builder.prefix(&name).rand_bytes(0).tempfile_in(folder)
    }
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

    fn named(files: &[&str]) -> Vec<InputFile> {
        files.iter().map(|file| InputFile::named(*file)).collect()
    }

    fn output(files: &[&str], requested: Option<&str>) -> Output {
        Output::new(&named(files), requested.map(Path::new), false, false).unwrap()
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
            let path = |stem: &PathBuf| output.path(stem, Format::Webp).unwrap().display().to_string();
            output.stems.iter().map(path).collect()
        };
        assert_eq!(
            paths(None, &["a.jpg", "a.png", "b.jpg", "src/b.png"]),
            ["a.jpg.fit.webp", "a.png.fit.webp", "b.fit.webp", "src/b.fit.webp"]
        );
        assert_eq!(
            paths(Some("new/"), &["a.jpg", "src/a.png", "b.jpg", "-"]),
            ["new/a.jpg.webp", "new/a.png.webp", "new/b.webp", "new/stdin.webp"]
        );
    }

    #[test]
    fn the_same_name_for_two_answers_is_refused() {
        let refused = |files: &[InputFile], requested: Option<&str>| {
            Output::new(files, requested.map(Path::new), true, true).err().unwrap()
        };
        let reason = refused(&named(&["x/a.jpg", "b.jpg", "y/a.jpg"]), Some("new/"));
        assert!(reason.starts_with("x/a.jpg and y/a.jpg would have the same answer, new/a.jpg.*"), "{reason}");
        // Names with the extension of the input may meet another's without it.
        refused(&named(&["a.jpg", "a.png", "a.jpg.gif"]), None);
        let below = |path: &str, below: &str| InputFile { path: path.into(), below: below.into() };
        let apart = [below("x/1/a.jpg", "1"), below("y/2/a.jpg", "2")];
        let output = Output::new(&apart, Some(Path::new("new")), true, false).unwrap();
        assert_eq!(output.stems, [Path::new("new/1/a"), Path::new("new/2/a")]);
    }

    #[test]
    fn the_destination_is_what_the_user_asked_for() {
        let destination =
            |files: &[&str], requested: &str| Destination::choose(&named(files), Some(Path::new(requested)), false);
        assert_eq!(destination(&["a"], "new/"), Ok(Destination::Directory("new/".into())));
        assert_eq!(destination(&["a", "b"], "src"), Ok(Destination::Directory("src".into())));
        assert_eq!(destination(&["a"], "out.webp"), Ok(Destination::File("out.webp".into())));
        assert!(destination(&["a", "b"], "out.webp").unwrap_err().contains("write out.webp/"));
        assert!(destination(&["a", "b"], "-").is_err() && destination(&["-", "-"], "new/").is_err());
        let without = |files: &[&str]| Destination::choose(&named(files), None, false);
        assert_eq!(without(&["a", "b"]), Ok(Destination::BesideInput));
        assert!(without(&["a", "-"]).unwrap_err().contains("-o DIR/"));
        let from_folder = |requested: &str| Destination::choose(&named(&["a"]), Some(Path::new(requested)), true);
        assert_eq!(from_folder("new"), Ok(Destination::Directory("new".into())));
        assert!(from_folder("Cargo.toml").is_err() && from_folder("-").is_err());
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
        for temporary in [Temporary::Unique, Temporary::SameInEveryRun] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("answer");
            for bytes in [&b"a long answer"[..], b"short"] {
                write_atomically(&path, bytes, IfExists::Replace, temporary).unwrap();
                assert_eq!(fs::read(&path).unwrap(), bytes);
            }
            let refused = write_atomically(&path, b"another", IfExists::Keep, temporary).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"short");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
            write_atomically(&folder.path().join("new"), b"new", IfExists::Keep, temporary).unwrap();
        }
    }

    #[test]
    fn what_a_killed_run_left_is_taken_away_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let killed = Temporary::SameInEveryRun.create(&folder.path().join("a.webp")).unwrap();
        killed.keep().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let path = folder.path().join("a.avif");
        write_atomically(&path, b"answer", IfExists::Keep, Temporary::SameInEveryRun).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"answer");
    }
}
