//! The files of the cache, in 256 folders by the first two digits of their names. A file is written under another name
//! and then renamed, so that none is ever seen half written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::key::Key;

/// The end of the names of files that are being written.
const UNFINISHED: &str = ".part";

/// A file that is still unfinished after this long was left behind by a process that ended.
const ABANDONED: Duration = Duration::from_secs(60);

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// A file that was found in the directory. Times are in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub key: Key,
    pub bytes: u64,
    pub written: u64,
    /// When it was read last, as far as the system notes that.
    pub used: u64,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the directory where there is none, and checks that files can be written.
    pub(super) fn check(&self) -> io::Result<()> {
        if !self.0.is_dir() {
            fs::create_dir_all(&self.0)?;
        }
        let file = self.0.join(format!("check{UNFINISHED}"));
        let written = fs::write(&file, [0; 4096]);
        let removed = fs::remove_file(file);
        written.and(removed)
    }

    /// Writes the file of `key`.
    pub(super) fn write(&self, key: &Key, stored: &[u8]) -> io::Result<()> {
        let (folder, name) = self.place(key);
        let unfinished = folder.join(format!("{name}{UNFINISHED}"));
        let written = fs::write(&unfinished, stored);
        let written = match written {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir(&folder).and_then(|()| fs::write(&unfinished, stored))
            }
            written => written,
        };
        let finished = written.and_then(|()| fs::rename(&unfinished, folder.join(name)));
        if finished.is_err() {
            // Half a file takes room that may be what is missing.
            let _ = fs::remove_file(&unfinished);
        }
        finished
    }

    /// The file of `key`, of at most `most` bytes.
    pub(super) fn read(&self, key: &Key, most: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.file(key))?;
        let length = file.metadata()?.len();
        if length > most {
            return Err(io::Error::new(ErrorKind::InvalidData, "larger than any file of the cache"));
        }
        let mut stored = Vec::with_capacity(length as usize);
        file.take(length).read_to_end(&mut stored)?;
        Ok(stored)
    }

    /// Removes the file of `key`. It may be gone already.
    pub(super) fn remove(&self, key: &Key) -> io::Result<()> {
        match fs::remove_file(self.file(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every file of the cache. Removes what was left unfinished. Files of other names are left alone.
    pub(super) fn files(&self) -> io::Result<Vec<FoundFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if is_ours(&entry.file_name().to_string_lossy()) {
                self.files_in(&entry.path(), &mut found);
            }
        }
        Ok(found)
    }

    /// Adds the files of one folder. One that can't be read has none.
    fn files_in(&self, folder: &Path, found: &mut Vec<FoundFile>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let written = metadata.modified().unwrap_or(UNIX_EPOCH);
            if name.ends_with(UNFINISHED) && written.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
            let Some(key) = Key::from_hex(name).filter(|_| metadata.is_file()) else { continue };
            let used = metadata.accessed().unwrap_or(written).max(written);
            found.push(FoundFile { key, bytes: metadata.len(), written: seconds(written), used: seconds(used) });
        }
    }

    fn file(&self, key: &Key) -> PathBuf {
        let (folder, name) = self.place(key);
        folder.join(name)
    }

    fn place(&self, key: &Key) -> (PathBuf, String) {
        let name = key.to_hex();
        (self.0.join(&name[..2]), name)
    }
}

/// Whether a folder of this name is one of the 256.
fn is_ours(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The time in seconds since 1970, not later than now: a clock that was set back must not keep files for ever.
fn seconds(time: SystemTime) -> u64 {
    time.min(SystemTime::now()).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Now, in seconds since 1970.
pub(super) fn now() -> u64 {
    seconds(SystemTime::now())
}
