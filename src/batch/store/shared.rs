//! What several processes do in one directory of batches.
//!
//! The record of an item is written once, by whoever is first (a hard link, which fails where the name is taken). It
//! names its writer, whose answer is the file `out/N.WRITER`: what others write for the same item is never read. Then
//! it takes a place in the order: `order/K` has the index of the item that ended as number K. A place is taken once and
//! after the one before it, so that every process sees the same items end in the same order, and nobody needs more than
//! the directory for that.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ring::rand::{SecureRandom, SystemRandom};

use super::directory::{
    Directory, INPUTS, MANIFEST, ORDER, OUTPUTS, REMOVED, blocking, create, make_private, output_name, partial,
    read_record, remove_unneeded, sync_folder, write_whole,
};
use super::{Stored, manifest_in};
use crate::batch::manifest::{BatchId, ItemError, Record};
use crate::batch::total::Fixed;

/// The file with the identity of a directory that is shared. While it can't be read, the directory is away, and a batch
/// that is not there was not removed.
pub(super) const IDENTITY: &str = "shared.id";

/// The folder of the keys that clients chose, each of which names a batch.
pub(super) const KEYS: &str = "keys";

/// The file with what the items of a batch may have of its total.
pub(super) const PLAN: &str = "plan.json";

/// A batch that was begun, and to which nothing came for this time, will never be complete: a client that sends nothing
/// for `server.upload_timeout` is cut off.
pub(super) const ABANDONED: Duration = Duration::from_secs(3600);

/// An item that has taken its place in the order.
#[derive(Debug)]
pub(in crate::batch) struct Ended {
    pub place: u64,
    /// `None` where the record can't be read: the item is done again.
    pub item: Option<(usize, Record)>,
}

/// A batch, seen from outside.
#[derive(Debug)]
pub(in crate::batch) enum Look {
    /// It is there, and these items ended.
    There(Vec<Ended>),
    /// It was removed.
    Removed,
}

impl Directory {
    /// Opens a directory that other processes use too.
    ///
    /// # Errors
    /// It can't be made or read, or its file system has no hard links.
    pub(in crate::batch) fn open_shared(path: &Path) -> io::Result<Directory> {
        make_private(path, true)?;
        make_private(&path.join(KEYS), true)?;
        let directory = Directory { path: path.to_owned(), writer: random_number()? };
        let identity = format!("{:016x}", random_number()?);
        let written = write_once(&path.join(IDENTITY), directory.writer, identity.as_bytes());
        written.map_err(|error| {
            io::Error::new(error.kind(), format!("sharing {} takes files with hard links: {error}", path.display()))
        })?;
        Ok(directory)
    }

    /// Tells this directory from others.
    ///
    /// # Errors
    /// It can't be read.
    pub(in crate::batch) fn identity(&self) -> io::Result<String> {
        fs::read_to_string(self.path.join(IDENTITY))
    }

    /// The number of this process.
    pub(in crate::batch) fn writer(&self) -> u64 {
        self.writer
    }

    /// The items of a batch that ended after the first `places`.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn look(&self, id: &BatchId, places: u64) -> io::Result<Look> {
        let (root, path) = (self.path.clone(), self.of(id));
        blocking(move || match is_there(&root, &path)? {
            true => Ok(Look::There(ended_after(&path, places)?)),
            false => Ok(Look::Removed),
        })
        .await
    }

    /// Whether a batch is there.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn has(&self, id: &BatchId) -> io::Result<bool> {
        let (root, path) = (self.path.clone(), self.of(id));
        blocking(move || is_there(&root, &path)).await
    }

    /// A batch that another process has received; `None` when it is not there.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn read(&self, id: &BatchId) -> io::Result<Option<Stored>> {
        let (root, path, id) = (self.path.clone(), self.of(id), id.clone());
        blocking(move || match is_there(&root, &path)? {
            true => read_shared(&path, id),
            false => Ok(None),
        })
        .await
    }

    /// The batches that are there, complete or not.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn ids(&self) -> io::Result<HashSet<BatchId>> {
        let root = self.path.clone();
        blocking(move || {
            let mut ids = HashSet::new();
            for entry in fs::read_dir(&root)? {
                ids.extend(entry?.file_name().to_str().and_then(BatchId::parse));
            }
            fs::metadata(root.join(IDENTITY))?;
            Ok(ids)
        })
        .await
    }

    /// Whether an item has a record, with or without a place.
    pub(in crate::batch) async fn has_record(&self, id: &BatchId, index: usize) -> bool {
        let path = self.of(id);
        blocking(move || Ok(read_record(&path, index).is_some())).await.unwrap_or(false)
    }

    /// Writes the record of an item, unless it has one. Returns whether it is this one.
    pub(in crate::batch) async fn put_record_once(
        &self,
        id: &BatchId,
        index: usize,
        record: &Record,
    ) -> io::Result<bool> {
        let (folder, writer) = (self.of(id), self.writer);
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        blocking(move || {
            let path = folder.join(OUTPUTS).join(format!("{index}.json"));
            if write_once(&path, writer, &text)? {
                return Ok(true);
            }
            // It may be ours: an error can hide that it was written.
            if let Some(kept) = read_record(&folder, index) {
                return Ok(kept.writer == writer);
            }
            // A record that can't be read counts as missing.
            fs::metadata(&path)?;
            write_whole(&path, &text).map(|()| true)
        })
        .await
    }

    /// Gives an item this place in the order, unless another has it.
    pub(in crate::batch) async fn take_place(&self, id: &BatchId, place: u64, index: usize) -> io::Result<()> {
        let (folder, writer) = (self.of(id).join(ORDER), self.writer);
        blocking(move || {
            let taken = write_once(&folder.join(place.to_string()), writer, index.to_string().as_bytes());
            match taken {
                // The batch is of a time when nobody shared the directory.
                Err(error) if error.kind() == io::ErrorKind::NotFound => make_private(&folder, false),
                taken => taken.map(drop),
            }
        })
        .await
    }

    /// What the items of a batch may have of its total.
    ///
    /// # Errors
    /// The directory can't be read now.
    pub(in crate::batch) async fn plan(&self, id: &BatchId) -> io::Result<Option<Result<Fixed, ItemError>>> {
        let path = self.of(id).join(PLAN);
        blocking(move || match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(Some(serde_json::from_slice(&text?)?)),
        })
        .await
    }

    /// Keeps a plan, unless there is one.
    pub(in crate::batch) async fn keep_plan(&self, id: &BatchId, plan: &Result<Fixed, ItemError>) -> io::Result<()> {
        let (path, writer) = (self.of(id).join(PLAN), self.writer);
        let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
        blocking(move || write_once(&path, writer, &text).map(drop)).await
    }

    /// Removes the answer of this process to an item whose record names another.
    pub(in crate::batch) async fn remove_output(&self, id: &BatchId, index: usize) {
        let path = self.of(id).join(OUTPUTS).join(output_name(index, self.writer));
        // What stays is removed with the batch.
        let _ = blocking(move || fs::remove_file(path)).await;
    }

    /// Has a client's key name a batch. Returns the batch that it names already.
    pub(in crate::batch) async fn take_key(&self, key: &str, id: &BatchId) -> io::Result<Option<BatchId>> {
        let (path, writer, text) = (self.of_key(key), self.writer, id.to_string());
        blocking(move || {
            if write_once(&path, writer, text.as_bytes())? {
                return Ok(None);
            }
            Ok(BatchId::parse(&fs::read_to_string(&path)?))
        })
        .await
    }

    /// The batch that a client's key names.
    pub(in crate::batch) async fn named_by(&self, key: &str) -> io::Result<Option<BatchId>> {
        let path = self.of_key(key);
        blocking(move || match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(BatchId::parse(&text?)),
        })
        .await
    }

    /// Forgets a client's key.
    pub(in crate::batch) async fn remove_key(&self, key: &str) {
        let path = self.of_key(key);
        // A key that stays names a batch that is not there, which counts as none.
        let _ = blocking(move || fs::remove_file(path)).await;
    }

    fn of_key(&self, key: &str) -> PathBuf {
        self.path.join(KEYS).join(key)
    }

    /// Removes what no process will complete, and what a process was removing when it ended.
    pub(in crate::batch) async fn remove_abandoned(&self) -> io::Result<()> {
        let root = self.path.clone();
        blocking(move || {
            for entry in fs::read_dir(&root)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let is_half = BatchId::parse(name).is_some() && !path.join(MANIFEST).exists();
                if (is_half || name.ends_with(REMOVED)) && is_abandoned(&path) {
                    // Another process may remove it too.
                    let _ = fs::remove_dir_all(&path);
                }
            }
            Ok(())
        })
        .await
    }
}

/// Whether nothing came to a batch for long.
fn is_abandoned(path: &Path) -> bool {
    let files = fs::read_dir(path.join(INPUTS)).into_iter().flatten().flatten().map(|entry| entry.path());
    let paths = [path.to_owned(), path.join(INPUTS)].into_iter().chain(files);
    let changed = paths.filter_map(|path| fs::metadata(path).and_then(|found| found.modified()).ok()).max();
    changed.is_some_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|age| age > ABANDONED))
}

/// Whether a batch is there.
///
/// # Errors
/// The directory `root` is away. It may come back between two looks, so that the batch is looked for again.
fn is_there(root: &Path, path: &Path) -> io::Result<bool> {
    let manifest = path.join(MANIFEST);
    if fs::exists(&manifest)? {
        return Ok(true);
    }
    fs::metadata(root.join(IDENTITY))?;
    fs::exists(&manifest)
}

/// The items that took a place after the first `places`.
pub(super) fn ended_after(path: &Path, places: u64) -> io::Result<Vec<Ended>> {
    let mut ended = Vec::new();
    for place in places + 1.. {
        let index = match fs::read_to_string(path.join(ORDER).join(place.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            text => text?.parse::<usize>().ok(),
        };
        let item = index.and_then(|index| Some((index, read_record(path, index)?)));
        if item.is_none() {
            // The directory may have gone away between the two.
            fs::metadata(path.join(MANIFEST))?;
        }
        ended.push(Ended { place, item });
    }
    Ok(ended)
}

/// The batch at `path`, whose items have ended when they have a place. `None` without a manifest: it may be on its way.
pub(super) fn read_shared(path: &Path, id: BatchId) -> io::Result<Option<Stored>> {
    let read = || -> io::Result<Option<Stored>> {
        let text = fs::read(path.join(MANIFEST))?;
        let Some(manifest) = manifest_in(&text, &id) else { return Ok(None) };
        Ok(Some(Stored::in_order(&id, manifest, ended_after(path, 0)?)))
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(Some(stored)) => {
            // Another process may remove the batch meanwhile.
            let _ = remove_unneeded(&path.join(INPUTS), &stored);
            Ok(Some(stored))
        }
        read => read,
    }
}

/// Writes a file that appears whole and synced under its name, unless there is one. Returns whether it is this one.
fn write_once(path: &Path, writer: u64, bytes: &[u8]) -> io::Result<bool> {
    let mut own = path.as_os_str().to_owned();
    own.push(format!(".{writer:016x}"));
    let own = PathBuf::from(own);
    let written = create(&own).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let own = partial(&own);
    let linked = written.and_then(|()| match fs::hard_link(&own, path) {
        // NFS may say that the name is taken when it was the first try of this call that took it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(fs::metadata(&own)?.nlink() > 1),
        linked => linked.map(|()| true),
    });
    let _ = fs::remove_file(&own);
    let is_ours = linked?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(is_ours)
}

/// A number that is not 0.
pub(super) fn random_number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    let failed = |_| io::Error::other("the system has no random numbers");
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::manifest::{Input, Item, Manifest};
    use crate::job::{Formats, Job};

    fn failed(sequence: u64) -> Record {
        Record { sequence, writer: 7, result: Err(ItemError::Overloaded) }
    }

    /// Two processes on one directory with a batch of so many items.
    async fn two(items: usize) -> (tempfile::TempDir, Directory, Directory, BatchId) {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| Directory::open_shared(folder.path()).unwrap());
        let id = BatchId::generate().unwrap();
        one.begin(&id).await.unwrap();
        let item = Item { name: "a".to_owned(), input: Input::Url("b".to_owned()), job: Job::new(1000, Formats::Keep) };
        let manifest = Manifest {
            created: SystemTime::UNIX_EPOCH,
            expires: SystemTime::UNIX_EPOCH,
            max_concurrent: 1,
            stop_on_error: false,
            total: None,
            idempotency: None,
            items: vec![item; items],
        };
        one.commit(&id, &manifest).await.unwrap();
        (folder, one, other, id)
    }

    fn ended(look: Look) -> Vec<(u64, usize)> {
        let Look::There(ended) = look else { panic!("it is there") };
        ended.into_iter().filter_map(|Ended { place, item }| Some((place, item?.0))).collect()
    }

    #[tokio::test]
    async fn of_two_records_the_first_stays_and_names_whose_answer_counts() {
        let (_folder, one, other, id) = two(1).await;
        assert_eq!(one.identity().unwrap(), other.identity().unwrap());
        one.put_output(&id, 0, "one".into()).await.unwrap();
        other.put_output(&id, 0, "other".into()).await.unwrap();
        let of = |directory: &Directory| Record { writer: directory.writer(), ..failed(1) };
        assert!(other.put_record_once(&id, 0, &of(&other)).await.unwrap());
        assert!(
            other.put_record_once(&id, 0, &of(&other)).await.unwrap(),
            "after an error that hid that it was written"
        );
        assert!(!one.put_record_once(&id, 0, &of(&one)).await.unwrap());
        one.remove_output(&id, 0).await;
        assert_eq!(one.output(&id, 0, other.writer(), 0..9).await.unwrap(), "other");
        let kept = read_record(&one.of(&id), 0).unwrap();
        assert_eq!(kept.writer, other.writer());
    }

    #[tokio::test]
    async fn everyone_sees_items_end_in_one_order() {
        let (_folder, one, other, id) = two(3).await;
        for (directory, index, place) in [(&one, 2, 1), (&other, 0, 1), (&other, 0, 2), (&one, 1, 2), (&one, 1, 3)] {
            directory.put_record_once(&id, index, &failed(0)).await.unwrap();
            directory.take_place(&id, place, index).await.unwrap();
        }
        for directory in [&one, &other] {
            assert_eq!(ended(directory.look(&id, 0).await.unwrap()), [(1, 2), (2, 0), (3, 1)]);
            assert_eq!(ended(directory.look(&id, 2).await.unwrap()), [(3, 1)]);
            let stored = directory.read(&id).await.unwrap().unwrap();
            assert_eq!((stored.places, stored.records.len()), (3, 3));
        }
        let refused = Directory::open(&one.path).unwrap_err().to_string();
        assert!(refused.contains("batch.redis_url"), "{refused}");
        fs::remove_file(one.path.join(IDENTITY)).unwrap();
        let alone = Directory::open(&one.path).unwrap().list().unwrap().remove(0);
        assert_eq!(alone.records[2], (2, failed(1)), "one process alone knows the order too");
    }

    #[tokio::test]
    async fn a_directory_that_is_away_has_lost_no_batch() {
        let (folder, one, other, id) = two(1).await;
        let away = folder.path().with_extension("away");
        fs::rename(folder.path(), &away).unwrap();
        assert!(one.look(&id, 0).await.is_err() && one.read(&id).await.is_err() && one.ids().await.is_err());
        assert!(one.put_record_once(&id, 0, &failed(1)).await.is_err());
        fs::create_dir(folder.path()).unwrap();
        assert!(one.look(&id, 0).await.is_err(), "an empty one is not it");
        fs::remove_dir(folder.path()).unwrap();
        fs::rename(&away, folder.path()).unwrap();
        assert!(ended(one.look(&id, 0).await.unwrap()).is_empty());
        one.remove(&id).await.unwrap();
        other.remove(&id).await.unwrap();
        assert!(matches!(other.look(&id, 0).await.unwrap(), Look::Removed));
    }

    #[tokio::test]
    async fn a_key_names_one_batch() {
        let (_folder, one, other, id) = two(1).await;
        let later = BatchId::generate().unwrap();
        assert_eq!(one.named_by("k").await.unwrap(), None);
        assert_eq!(one.take_key("k", &id).await.unwrap(), None);
        assert_eq!(other.take_key("k", &later).await.unwrap(), Some(id.clone()));
        assert_eq!(other.named_by("k").await.unwrap(), Some(id));
        one.remove_key("k").await;
        assert_eq!(other.take_key("k", &later).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_another_process_receives_is_left_alone() {
        let (_folder, one, other, _) = two(1).await;
        let half = BatchId::generate().unwrap();
        one.begin(&half).await.unwrap();
        assert_eq!(other.list().unwrap().len(), 1);
        other.remove_abandoned().await.unwrap();
        assert!(other.ids().await.unwrap().contains(&half));
    }
}
