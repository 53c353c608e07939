//! Which files `bytefit fit` works on: those that are named, those in folders, and those that a quoted pattern matches.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::failure::Failure;
use super::input;
use crate::codec::sniff;

/// Bytes of a file that tell what it is: those with which every format begins, and the brands of an ISO-BMFF file.
const HEAD_BYTES: u64 = 4096;

/// Folders within folders: more than any collection has. Paths end at 4096 bytes.
const MAX_DEPTH: usize = 256;

/// How a pattern is matched, as shells do it: `*` stays within a folder and finds nothing hidden.
const AS_SHELLS_MATCH: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A file to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InputFile {
    pub path: PathBuf,
    /// The folder of the file below the one that was named; empty for a file that was named itself.
    pub below: PathBuf,
}

impl InputFile {
    /// A file that was named.
    pub(super) fn named(path: impl Into<PathBuf>) -> InputFile {
        InputFile { path: path.into(), below: PathBuf::new() }
    }
}

/// What was left out of folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    pub hidden: usize,
    pub no_pictures: usize,
    /// Links to folders: following them might never end.
    pub links: usize,
    /// `NAME.fit.EXTENSION`, where answers are written beside their inputs.
    pub answers: usize,
}

/// The files to fit, each once, in the order of the arguments and of their names.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub files: Vec<InputFile>,
    pub skipped: Skipped,
    /// Folders that can't be read.
    pub failures: Vec<(PathBuf, Failure)>,
    /// Whether a folder or a pattern was named.
    pub has_folder: bool,
}

/// How folders are searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    /// Whether a folder may be named.
    pub recursive: bool,
    /// Where the answers are written, if that was said.
    pub output: Option<&'a Path>,
}

impl Selection {
    /// Finds the files that `named` stands for.
    ///
    /// # Errors
    /// A message for the user, when a folder is named without `--recursive`, is where the answers go as well, or a
    /// pattern is none or matches nothing.
    pub(super) fn find(named: &[PathBuf], search: Search<'_>) -> Result<Selection, String> {
        let mut walk = Walk {
            selection: Selection::default(),
            seen: HashSet::new(),
            output: search.output.and_then(|output| output.canonicalize().ok()),
            beside_input: search.output.is_none(),
        };
        for path in named {
            walk.add(path, search.recursive)?;
        }
        Ok(walk.selection)
    }
}

/// A search that is going on.
struct Walk {
    selection: Selection,
    /// The files so far, as [`resolved`] writes them.
    seen: HashSet<PathBuf>,
    /// The folder of the answers: what lies in it is not looked at.
    output: Option<PathBuf>,
    beside_input: bool,
}

impl Walk {
    fn add(&mut self, path: &Path, recursive: bool) -> Result<(), String> {
        if input::is_stdin(path) {
            self.selection.files.push(InputFile::named(path));
            return Ok(());
        }
        if path.is_dir() {
            return self.add_folder(path, recursive);
        }
        match pattern(path) {
            Some(text) if path.symlink_metadata().is_err() => self.add_matches(path, text),
            _ => {
                self.push(InputFile::named(path));
                Ok(())
            }
        }
    }

    fn add_folder(&mut self, folder: &Path, recursive: bool) -> Result<(), String> {
        let shown = folder.display();
        if !recursive {
            return Err(format!("{shown} is a folder: with --recursive the pictures in it are fitted"));
        }
        if folder.canonicalize().is_ok_and(|folder| self.output.as_ref() == Some(&folder)) {
            return Err(format!(
                "{shown} can't take the answers, which would lie among the pictures: choose another -o"
            ));
        }
        self.selection.has_folder = true;
        self.search(&Folder { path: folder, below: PathBuf::new(), depth: 0 }, &Wanted::all());
        Ok(())
    }

    fn add_matches(&mut self, path: &Path, text: &str) -> Result<(), String> {
        let wanted = Wanted::matching(text).map_err(|reason| format!("{}: {reason}", path.display()))?;
        let before = self.selection.files.len();
        self.selection.has_folder = true;
        let root = fixed_part(path);
        let shown_root = if root.as_os_str().is_empty() { Path::new(".") } else { &root };
        self.search(&Folder { path: shown_root, below: PathBuf::new(), depth: 0 }, &wanted);
        if self.selection.files.len() == before && self.selection.failures.is_empty() {
            return Err(format!("{} matches no picture", path.display()));
        }
        Ok(())
    }

    /// Adds the files in `folder` and below.
    fn search(&mut self, folder: &Folder<'_>, wanted: &Wanted) {
        let entries = match entries(folder.path) {
            Ok(entries) => entries,
            Err(error) => {
                self.selection.failures.push((folder.path.to_owned(), Failure::unreadable(&error)));
                return;
            }
        };
        for entry in entries {
            self.visit(&entry, folder, wanted);
        }
    }

    fn visit(&mut self, entry: &fs::DirEntry, folder: &Folder<'_>, wanted: &Wanted) {
        let path = if folder.path == Path::new(".") && wanted.pattern.is_some() {
            PathBuf::from(entry.file_name())
        } else {
            entry.path()
        };
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let is_folder = path.is_dir();
        if !is_folder && !wanted.has(&path) {
            return;
        }
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            self.selection.skipped.hidden += 1;
        } else if is_folder && is_link {
            self.selection.skipped.links += 1;
        } else if is_folder {
            self.descend(&path, entry, folder, wanted);
        } else {
            self.consider(InputFile { path, below: folder.below.clone() });
        }
    }

    fn descend(&mut self, path: &Path, entry: &fs::DirEntry, folder: &Folder<'_>, wanted: &Wanted) {
        let is_output = || path.canonicalize().is_ok_and(|path| self.output.as_ref() == Some(&path));
        if folder.depth < wanted.depth && !is_output() {
            let below = folder.below.join(entry.file_name());
            self.search(&Folder { path, below, depth: folder.depth + 1 }, wanted);
        }
    }

    /// Adds a file of a folder if it is a picture. One that can't be read is added too: fitting it says why.
    fn consider(&mut self, file: InputFile) {
        if self.beside_input && is_answer(&file.path) {
            self.selection.skipped.answers += 1;
        } else if is_picture(&file.path).unwrap_or(true) {
            self.push(file);
        } else {
            self.selection.skipped.no_pictures += 1;
        }
    }

    fn push(&mut self, file: InputFile) {
        if self.seen.insert(resolved(&file.path)) {
            self.selection.files.push(file);
        }
    }
}

struct Folder<'a> {
    path: &'a Path,
    /// Its path below the folder that was named.
    below: PathBuf,
    depth: usize,
}

/// The files of a folder that are wanted.
struct Wanted {
    pattern: Option<Pattern>,
    /// How deep the search goes.
    depth: usize,
}

impl Wanted {
    fn all() -> Wanted {
        Wanted { pattern: None, depth: MAX_DEPTH }
    }

    fn matching(text: &str) -> Result<Wanted, String> {
        let text = text.strip_prefix("./").unwrap_or(text);
        let pattern = Pattern::new(text).map_err(|error| format!("no pattern: {}", error.msg))?;
        let fixed = fixed_part(Path::new(text)).components().count();
        let depth = Path::new(text).components().count().saturating_sub(fixed + 1);
        let depth = if text.contains("**") { MAX_DEPTH } else { depth };
        Ok(Wanted { pattern: Some(pattern), depth })
    }

    fn has(&self, path: &Path) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        pattern.matches_path_with(path.strip_prefix("./").unwrap_or(path), AS_SHELLS_MATCH)
    }
}

/// The text of `path` if it has a wildcard.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']))
}

/// The folders that a pattern names before its first wildcard.
fn fixed_part(path: &Path) -> PathBuf {
    let folders = path.parent().unwrap_or(Path::new(""));
    folders
        .components()
        .filter(|part| *part != Component::CurDir)
        .take_while(|part| pattern(Path::new(part.as_os_str())).is_none())
        .collect()
}

/// What `folder` holds, by name.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<fs::DirEntry>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// Whether `path` is called as the answer to an input beside it.
fn is_answer(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(b".fit"))
}

/// Whether the file begins as one of the formats that are read. Devices and pipes are not opened.
fn is_picture(path: &Path) -> io::Result<bool> {
    if !path.metadata()?.is_file() {
        return Ok(false);
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(sniff(&head).is_ok())
}

/// `path` in its canonical folder, so that different spellings of one path compare equal.
pub(super) fn resolved(path: &Path) -> PathBuf {
    match (parent(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The folder of `path`.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_searched_from_its_first_wildcard_on() {
        for (text, root, depth) in [
            ("*.jpg", "", 0),
            ("./a/*.jpg", "a", 0),
            ("/a/b*/c/*.jpg", "/a", 2),
            ("a/**/*.jpg", "a", MAX_DEPTH),
            ("a/b?.jpg", "a", 0),
        ] {
            assert_eq!(fixed_part(Path::new(text)), Path::new(root), "{text}");
            assert_eq!(Wanted::matching(text).unwrap().depth, depth, "{text}");
        }
        assert!(Wanted::matching("a/***").is_err());
    }

    #[test]
    fn patterns_match_as_those_of_shells() {
        let has = |text: &str, path: &str| Wanted::matching(text).unwrap().has(Path::new(path));
        assert!(has("a/*.jpg", "a/b.jpg") && !has("a/*.jpg", "a/b/c.jpg") && !has("*.jpg", ".a.jpg"));
        assert!(has("a/**/*.jpg", "a/b.jpg") && has("a/**/*.jpg", "a/b/c/d.jpg"));
        assert!(has("[ab].jpg", "a.jpg") && has("./?.jpg", "a.jpg"));
    }
}
