//! What `bytefit fit --resume` has done: a file in the folder of the answers, with a line for each of them.
//!
//! The line is written before the answer gets its name. A run that is interrupted in between has a line without an
//! answer, and does that file again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// The name of the file. It is hidden, so that folders are searched without it.
const NAME: &str = ".bytefit-resume";

/// An answer that was written, or was about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// Path of the answer, below the folder of the record.
    answer: String,
    /// The same without the extension of its format.
    stem: String,
    input: Input,
    /// The parameters: those of equal texts give equal answers.
    job: String,
    /// Whether the answer met them.
    met: bool,
    bytes: u64,
    /// blake3 of the answer.
    hash: String,
}

/// What tells that an input is the same file with the same content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    bytes: u64,
    modified_ns: u64,
}

impl Input {
    /// The file at `path` as it is now.
    ///
    /// # Errors
    /// It is not there, or its system keeps no times.
    pub(super) fn of(path: &Path) -> io::Result<Input> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Input { bytes: metadata.len(), modified_ns: u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX) })
    }
}

/// The record of one folder.
#[derive(Debug)]
pub(super) struct Record {
    folder: PathBuf,
    /// What was read at the start, by stem: the last line for each answer.
    lines: HashMap<String, Vec<Line>>,
}

/// An answer, and what it was made of.
pub(super) struct Made<'a> {
    /// The path of the answer without the extension of its format.
    pub stem: &'a Path,
    pub input: Input,
    pub job: &'a str,
}

impl Record {
    /// Reads the record of `folder`; one that is not there is empty. A line that is cut or unknown says nothing.
    ///
    /// # Errors
    /// The file exists and can't be read.
    pub(super) fn read(folder: &Path) -> io::Result<Record> {
        let text = match fs::read(folder.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut record = Record { folder: folder.to_owned(), lines: HashMap::new() };
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        lines.for_each(|line| record.remember(line));
        Ok(record)
    }

    fn remember(&mut self, line: Line) {
        let lines = self.lines.entry(line.stem.clone()).or_default();
        lines.retain(|older| older.answer != line.answer);
        lines.push(line);
    }

    /// Whether the answer is there, whole, and made from the same input with the same parameters.
    pub(super) fn is_done(&self, made: &Made<'_>) -> bool {
        let same = |line: &&Line| line.met && line.job == made.job && line.input == made.input;
        self.lines_of(made.stem).iter().filter(same).any(|line| self.is_there(line))
    }

    /// Whether the file at `path`, an answer with this `stem`, was written by an earlier run and is unchanged since.
    pub(super) fn has_written(&self, path: &Path, stem: &Path) -> bool {
        let answer = self.below(path);
        self.lines_of(stem).iter().any(|line| line.answer == answer && self.is_there(line))
    }

    fn lines_of(&self, stem: &Path) -> &[Line] {
        self.lines.get(&self.below(stem)).map_or(&[], Vec::as_slice)
    }

    fn is_there(&self, line: &Line) -> bool {
        let path = self.folder.join(&line.answer);
        path.metadata().is_ok_and(|metadata| metadata.len() == line.bytes)
            && fs::read(&path).is_ok_and(|bytes| blake3::hash(&bytes).to_hex().as_str() == line.hash)
    }

    /// Notes that `bytes` are about to become the answer at `path`; `met` is whether they met the job.
    ///
    /// # Errors
    /// The record can't be written.
    pub(super) fn note(&self, path: &Path, made: &Made<'_>, bytes: &[u8], met: bool) -> io::Result<()> {
        let line = Line {
            answer: self.below(path),
            stem: self.below(made.stem),
            input: made.input.clone(),
            job: made.job.to_owned(),
            met,
            bytes: bytes.len() as u64,
            hash: blake3::hash(bytes).to_hex().to_string(),
        };
        // It begins a line of its own, behind one that an interrupted run may have left without an end.
        let text = format!("\n{}\n", serde_json::to_string(&line)?);
        let mut file = File::options().create(true).append(true).open(self.folder.join(NAME))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    fn below(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            files.iter().for_each(|(name, text)| folder.write(name, text));
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn record(&self) -> Record {
            Record::read(self.0.path()).unwrap()
        }

        fn made<'a>(&self, stem: &'a Path, job: &'a str) -> Made<'a> {
            Made { stem, input: Input::of(&self.path("a.png")).unwrap(), job }
        }

        fn is_done(&self, job: &str) -> bool {
            self.record().is_done(&self.made(&self.path("a"), job))
        }

        fn has_written(&self) -> bool {
            self.record().has_written(&self.path("a.webp"), &self.path("a"))
        }

        fn note(&self, met: bool) {
            let stem = self.path("a");
            self.record().note(&self.path("a.webp"), &self.made(&stem, "one"), b"answer", met).unwrap();
        }
    }

    #[test]
    fn an_answer_is_done_if_it_is_whole_and_of_the_same_input_and_job() {
        let folder = Folder::with(&[("a.png", "input")]);
        assert!(!folder.is_done("one"), "nothing is recorded");
        folder.note(true);
        assert!(!folder.is_done("one"), "interrupted before the answer was there");
        folder.write("a.webp", "answer");
        assert!(folder.is_done("one") && folder.has_written() && !folder.is_done("other"));
        folder.write("a.webp", "edited");
        assert!(!folder.is_done("one") && !folder.has_written());
        folder.write("a.webp", "answer");
        folder.write("a.png", "another input");
        assert!(!folder.is_done("one") && folder.has_written());
    }

    #[test]
    fn a_cut_line_says_nothing_and_hides_none() {
        let folder = Folder::with(&[("a.png", "input"), ("a.webp", "answer"), (NAME, "{\"answer\":\"b.we")]);
        folder.note(true);
        assert!(folder.is_done("one"));
    }

    #[test]
    fn an_answer_that_missed_its_job_is_not_done() {
        let folder = Folder::with(&[("a.png", "input"), ("a.webp", "answer")]);
        folder.note(false);
        assert!(!folder.is_done("one") && folder.has_written());
    }
}
