//! Batches as files: `manifest.json`, `in/N` for each file, `out/N` and `out/N.json` for each item that has ended.
//!
//! A file appears under its name whole and synced, or not at all. A batch without a manifest was never complete; one
//! that is being removed gets another name first, under which nothing writes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::shared::{IDENTITY, ended_after, read_shared};
use super::{Stored, manifest_in};
use crate::batch::manifest::{BatchId, Manifest, Record};
use crate::engine::run_blocking;
use crate::panics::Panicked;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const INPUTS: &str = "in";
pub(super) const OUTPUTS: &str = "out";

/// The folder of the order in which items ended, where several processes share the directory.
pub(super) const ORDER: &str = "order";

/// Ends the name of a batch that is being removed.
pub(super) const REMOVED: &str = ".removed";

/// Ends the name of a file that is being written.
const PARTIAL: &str = ".partial";

/// Bytes of an upload that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A directory of batches.
#[derive(Clone, Debug)]
pub(in crate::batch) struct Directory {
    pub(super) path: PathBuf,
    /// Tells what this process writes from what others do that share the directory; 0 where none does.
    pub(super) writer: u64,
}

/// A file while it is received.
pub(in crate::batch) struct Writing {
    path: PathBuf,
    /// `None` while a thread writes.
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Directory {
    /// Opens the directory at `path`, and makes it where it is missing.
    ///
    /// # Errors
    /// It can't be made, or instances share it: to one that knows nothing of the others, what they receive is left
    /// over.
    pub(in crate::batch) fn open(path: &Path) -> io::Result<Directory> {
        make_private(path, true)?;
        if fs::exists(path.join(IDENTITY))? {
            let shared = format!(
                "instances share {}: set batch.redis_url, or remove {IDENTITY} from it when no other instance runs",
                path.display()
            );
            return Err(io::Error::other(shared));
        }
        Ok(Directory { path: path.to_owned(), writer: 0 })
    }

    pub(super) fn is_shared(&self) -> bool {
        self.writer != 0
    }

    pub(super) fn of(&self, id: &BatchId) -> PathBuf {
        self.path.join(id.as_str())
    }

    pub(super) fn list(&self) -> io::Result<Vec<Stored>> {
        let mut batches = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match BatchId::parse(name) {
                Some(id) if self.is_shared() => batches.extend(read_shared(&path, id)?),
                Some(id) => batches.extend(read_batch(&path, id)?),
                None if name.ends_with(REMOVED) && !self.is_shared() => fs::remove_dir_all(&path)?,
                None => {}
            }
        }
        Ok(batches)
    }

    pub(super) async fn begin(&self, id: &BatchId) -> io::Result<()> {
        let (path, is_shared) = (self.of(id), self.is_shared());
        blocking(move || {
            make_private(&path, false)?;
            make_private(&path.join(INPUTS), false)?;
            make_private(&path.join(OUTPUTS), false)?;
            if is_shared { make_private(&path.join(ORDER), false) } else { Ok(()) }
        })
        .await
    }

    pub(super) async fn receive(&self, id: &BatchId, file: usize) -> io::Result<Writing> {
        let path = self.of(id).join(INPUTS).join(file.to_string());
        let opened = path.clone();
        let file = blocking(move || create(&opened)).await?;
        Ok(Writing { path, file: Some(file), buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    pub(super) async fn commit(&self, id: &BatchId, manifest: &Manifest) -> io::Result<()> {
        let path = self.of(id);
        let text = serde_json::to_vec(manifest).map_err(io::Error::other)?;
        let parent = self.path.clone();
        blocking(move || {
            sync_folder(&path.join(INPUTS))?;
            write_whole(&path.join(MANIFEST), &text)?;
            sync_folder(&parent)
        })
        .await
    }

    pub(super) async fn input(&self, id: &BatchId, file: usize) -> io::Result<Bytes> {
        let path = self.of(id).join(INPUTS).join(file.to_string());
        Ok(blocking(move || fs::read(path)).await?.into())
    }

    pub(super) async fn remove_input(&self, id: &BatchId, file: usize) {
        let path = self.of(id).join(INPUTS).join(file.to_string());
        // What stays is removed with the batch.
        let _ = blocking(move || fs::remove_file(path)).await;
    }

    pub(super) async fn put_output(&self, id: &BatchId, index: usize, bytes: Bytes) -> io::Result<()> {
        let path = self.of(id).join(OUTPUTS).join(output_name(index, self.writer));
        blocking(move || write_whole(&path, &bytes)).await
    }

    pub(super) async fn put_record(&self, id: &BatchId, index: usize, record: &Record) -> io::Result<()> {
        let path = self.of(id).join(OUTPUTS).join(format!("{index}.json"));
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        blocking(move || write_whole(&path, &text)).await
    }

    pub(super) async fn output(&self, id: &BatchId, index: usize, writer: u64, range: Range<u64>) -> io::Result<Bytes> {
        let path = self.of(id).join(OUTPUTS).join(output_name(index, writer));
        blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        })
        .await
    }

    pub(super) async fn remove(&self, id: &BatchId) -> io::Result<()> {
        let path = self.of(id);
        let removed = self.path.join(format!("{id}{REMOVED}"));
        let identity = self.is_shared().then(|| self.path.join(IDENTITY));
        blocking(move || match (fs::rename(&path, &removed).and_then(|()| fs::remove_dir_all(&removed)), identity) {
            // Another process removes it too, unless the directory is away.
            (Err(error), Some(identity)) if error.kind() == io::ErrorKind::NotFound => fs::metadata(identity).map(drop),
            (done, _) => done,
        })
        .await
    }
}

impl Writing {
    pub(super) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() >= BUFFER_BYTES { self.write().await } else { Ok(()) }
    }

    /// Writes what is buffered, on another thread.
    async fn write(&mut self) -> io::Result<()> {
        let mut file = self.file.take().ok_or_else(|| io::Error::other("an earlier write failed"))?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = blocking(move || {
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        });
        let (file, buffer) = written.await?;
        (self.file, self.buffer) = (Some(file), buffer);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> io::Result<()> {
        self.write().await?;
        let Some(file) = self.file.take() else { return Ok(()) };
        let path = self.path;
        blocking(move || {
            file.sync_all()?;
            fs::rename(partial(&path), &path)
        })
        .await
    }
}

/// The file of an answer to an item, by the process that wrote it.
pub(super) fn output_name(index: usize, writer: u64) -> String {
    if writer == 0 { index.to_string() } else { format!("{index}.{writer:016x}") }
}

/// The batch at `path`. One without a manifest is removed.
fn read_batch(path: &Path, id: BatchId) -> io::Result<Option<Stored>> {
    let text = match fs::read(path.join(MANIFEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::remove_dir_all(path)?;
            return Ok(None);
        }
        text => text?,
    };
    let Some(manifest) = manifest_in(&text, &id) else { return Ok(None) };
    let records = (0..manifest.items.len()).filter_map(|index| Some((index, read_record(path, index)?)));
    let mut stored = Stored { id, records: records.collect(), manifest, places: 0 };
    stored.number_as_placed(ended_after(path, 0)?);
    remove_unneeded(&path.join(INPUTS), &stored)?;
    Ok(Some(stored))
}

/// Removes the files that only ended items needed: the process may have ended between a record and the removal.
pub(super) fn remove_unneeded(folder: &Path, stored: &Stored) -> io::Result<()> {
    let needed = stored.manifest.files_beside(&stored.records);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if file.is_none_or(|file| !needed.contains_key(&file)) {
            ignore_missing(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// The record of an item. A record that can't be read counts as missing, so that the item is done again.
pub(super) fn read_record(path: &Path, index: usize) -> Option<Record> {
    let text = fs::read(path.join(OUTPUTS).join(format!("{index}.json"))).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes a file that appears whole and synced under its name.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        let _ = fs::remove_file(partial(path));
        return Err(error);
    }
    fs::rename(partial(path), path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// An empty file under a name that says that it is not whole.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial(path))
}

pub(super) fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

/// Counts a file that another process has removed as removed.
fn ignore_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes what was created or renamed in a folder last.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder that only this user reads.
pub(super) fn make_private(path: &Path, with_parents: bool) -> io::Result<()> {
    DirBuilder::new().recursive(with_parents).mode(0o700).create(path)
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    run_blocking(work).await.unwrap_or_else(|Panicked(message)| Err(io::Error::other(message)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::batch::manifest::{Input, Item, ItemError};
    use crate::job::{Formats, Job};

    fn manifest(items: usize) -> Manifest {
        let job = Job::new(1000, Formats::Keep);
        let input = Input::Stored { file: 0, bytes: 3, hash: String::new() };
        let item = Item { name: "a".to_owned(), input, job };
        Manifest {
            created: SystemTime::UNIX_EPOCH,
            expires: SystemTime::UNIX_EPOCH,
            max_concurrent: 1,
            stop_on_error: false,
            total: None,
            idempotency: None,
            items: vec![item; items],
        }
    }

    fn failed(sequence: u64) -> Record {
        Record { sequence, writer: 0, result: Err(ItemError::Overloaded) }
    }

    /// A directory with a batch of so many items, whose one file is `abc`.
    async fn with_batch(items: usize) -> (tempfile::TempDir, Directory, BatchId) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("made")).unwrap();
        let id = BatchId::generate().unwrap();
        directory.begin(&id).await.unwrap();
        let mut writing = directory.receive(&id, 0).await.unwrap();
        writing.push(b"ab").await.unwrap();
        writing.push(b"c").await.unwrap();
        writing.finish().await.unwrap();
        directory.commit(&id, &manifest(items)).await.unwrap();
        (folder, directory, id)
    }

    #[tokio::test]
    async fn what_was_written_is_read_again() {
        let (_folder, directory, id) = with_batch(3).await;
        assert_eq!(directory.input(&id, 0).await.unwrap(), "abc");
        directory.put_output(&id, 1, Bytes::from_static(b"answer")).await.unwrap();
        assert_eq!(directory.output(&id, 1, 0, 0..9).await.unwrap(), "answer");
        assert_eq!(directory.output(&id, 1, 0, 4..6).await.unwrap(), "er");
        directory.put_record(&id, 2, &failed(7)).await.unwrap();
        let stored = directory.list().unwrap().remove(0);
        assert_eq!((stored.id, stored.manifest), (id, manifest(3)));
        assert_eq!(stored.records, [(2, failed(7))], "an answer without a record is none");
    }

    #[tokio::test]
    async fn a_picture_that_no_item_needs_any_more_is_removed_at_the_start() {
        let (_folder, directory, id) = with_batch(2).await;
        directory.put_record(&id, 0, &failed(1)).await.unwrap();
        directory.list().unwrap();
        assert!(directory.input(&id, 0).await.is_ok(), "the other item needs it");
        directory.put_record(&id, 1, &failed(2)).await.unwrap();
        directory.list().unwrap();
        assert!(directory.input(&id, 0).await.is_err());
    }

    #[tokio::test]
    async fn a_damaged_record_counts_as_missing() {
        let (_folder, directory, id) = with_batch(2).await;
        directory.put_record(&id, 0, &failed(1)).await.unwrap();
        directory.put_record(&id, 1, &failed(2)).await.unwrap();
        fs::write(directory.of(&id).join("out/0.json"), b"{\"sequ").unwrap();
        assert_eq!(directory.list().unwrap()[0].records, [(1, failed(2))]);
    }

    #[tokio::test]
    async fn what_was_never_complete_and_what_was_removed_is_gone() {
        let (_folder, directory, id) = with_batch(1).await;
        let half = BatchId::generate().unwrap();
        directory.begin(&half).await.unwrap();
        fs::create_dir(directory.path.join(format!("{}{REMOVED}", BatchId::generate().unwrap()))).unwrap();
        fs::write(directory.path.join("not ours"), b"").unwrap();
        assert_eq!(directory.list().unwrap().len(), 1);
        directory.remove(&id).await.unwrap();
        assert!(directory.list().unwrap().is_empty());
        let left: Vec<_> = fs::read_dir(&directory.path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["not ours"]);
    }

    #[tokio::test]
    async fn files_are_of_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, directory, id) = with_batch(1).await;
        let mode = |name: &str| fs::metadata(directory.of(&id).join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("in"), mode("in/0"), mode(MANIFEST)), (0o700, 0o700, 0o600, 0o600));
    }
}
