//! Tests of the tier in a directory, with faults of the directory.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::engine::cache::tests::{cached, key};

/// Time for what the thread does on its own.
const PATIENCE: Duration = Duration::from_secs(20);

struct TestDisk {
    disk: Disk,
    metrics: Arc<Metrics>,
}

impl TestDisk {
    fn open(path: &Path, capacity_bytes: u64) -> TestDisk {
        let config =
            CacheConfig { disk_dir: path.to_owned(), disk_capacity_bytes: capacity_bytes, ..CacheConfig::default() };
        TestDisk::with(&config)
    }

    fn with(config: &CacheConfig) -> TestDisk {
        let metrics = Arc::new(Metrics::new());
        let disk = Disk::open(config, &metrics).unwrap().unwrap();
        TestDisk { disk, metrics }
    }

    async fn get(&self, number: u64) -> Option<Vec<u8>> {
        match self.disk.get(&key(number)).await {
            TierAnswer::Answer(cached) => Some(cached.answer.bytes.clone()),
            _ => None,
        }
    }

    async fn write(&self, number: u64, bytes: &[u8]) {
        self.disk.write(key(number), &cached(bytes)).await;
    }

    fn is_off(&self) -> bool {
        self.metrics.render().contains(r#"bytefit_breaker_open{target="disk"} 1"#)
    }

    async fn until_indexed(&self) {
        until(|| self.disk.shared.health.is_indexed()).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The file of a key below `path`.
fn file(path: &Path, number: u64) -> PathBuf {
    let name = key(number).to_hex();
    path.join(&name[..2]).join(name)
}

/// Bytes and number of all files below `path`.
fn held(path: &Path) -> (u64, usize) {
    let folders = fs::read_dir(path).unwrap().filter_map(|folder| fs::read_dir(folder.unwrap().path()).ok());
    let size = |file: io::Result<DirEntry>| match file.unwrap().metadata() {
        // The disk removes files at the same time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        metadata => Some(on_disk(metadata.unwrap().len())),
    };
    let sizes: Vec<u64> = folders.flatten().filter_map(size).collect();
    (sizes.iter().sum(), sizes.len())
}

#[tokio::test]
async fn an_answer_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestDisk::open(folder.path(), 1 << 20);
    assert_eq!(first.get(1).await, None);
    first.write(1, b"an image").await;
    assert_eq!(first.get(1).await.unwrap(), b"an image");
    drop(first);
    let second = TestDisk::open(folder.path(), 1 << 20);
    assert_eq!(second.get(1).await.unwrap(), b"an image", "before the directory was looked through, too");
    second.until_indexed().await;
    assert_eq!(second.get(1).await.unwrap(), b"an image");
    assert_eq!((second.disk.stats().entries, second.disk.stats().bytes), (1, 4096));
    assert_eq!(second.get(2).await, None);
}

#[tokio::test]
async fn a_damaged_file_is_a_miss_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TestDisk::open(folder.path(), 1 << 20);
    let faults: [fn(&mut Vec<u8>); 5] = [
        |file| file.truncate(0),
        |file| file.truncate(20),
        |file| file.truncate(file.len() - 1),
        |file| file[60] ^= 4,
        |file| file.push(0),
    ];
    for (number, fault) in (0..).zip(faults) {
        disk.write(number, b"an image").await;
        let path = file(folder.path(), number);
        let mut stored = fs::read(&path).unwrap();
        fault(&mut stored);
        fs::write(&path, stored).unwrap();
        assert_eq!(disk.get(number).await, None, "{number}");
        assert!(!path.exists(), "{number}");
        disk.write(number, b"an image").await;
        assert!(disk.get(number).await.is_some(), "{number}: it can be written again");
    }
}

#[tokio::test]
async fn a_file_under_the_name_of_another_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TestDisk::open(folder.path(), 1 << 20);
    disk.until_indexed().await;
    disk.write(1, b"one").await;
    disk.write(2, b"two").await;
    fs::copy(file(folder.path(), 1), file(folder.path(), 2)).unwrap();
    assert_eq!(disk.get(2).await, None);
}

#[tokio::test]
async fn the_capacity_holds_and_what_was_used_last_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TestDisk::open(folder.path(), 1 << 20);
    disk.until_indexed().await;
    for number in 0..600 {
        disk.write(number, &[7; 3000]).await;
        assert!(disk.get(0).await.is_some(), "{number}");
    }
    let (bytes, files) = held(folder.path());
    assert_eq!((bytes, files), (1 << 20, 256));
    assert_eq!(disk.disk.stats().bytes, 1 << 20);
    assert!(disk.get(599).await.is_some() && disk.get(1).await.is_none());
    assert!(!disk.disk.offer(key(9), &cached(&[7; (1 << 17) + 1])), "more than an eighth of it");
}

#[tokio::test]
async fn a_directory_filled_twice_over_is_cut_to_its_capacity_from_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TestDisk::open(folder.path(), 4 << 20);
    for number in 0..512 {
        disk.write(number, &[7; 3000]).await;
    }
    drop(disk);
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..256 {
        let file = fs::File::open(file(folder.path(), number)).unwrap();
        file.set_times(fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago)).unwrap();
    }
    let disk = TestDisk::open(folder.path(), 1 << 20);
    until(|| held(folder.path()).0 <= 1 << 20).await;
    assert_eq!(held(folder.path()), (1 << 20, 256));
    for number in 0..512 {
        assert_eq!(disk.get(number).await.is_some(), number >= 256, "{number}");
    }
}

#[tokio::test]
async fn answers_over_their_time_are_misses_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let config = CacheConfig { disk_dir: folder.path().to_owned(), ..CacheConfig::default() };
    let disk = TestDisk::with(&config);
    disk.write(1, b"old").await;
    disk.write(2, b"new").await;
    let path = file(folder.path(), 1);
    let eight_days_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    fs::File::open(&path).unwrap().set_modified(eight_days_ago).unwrap();
    drop(disk);
    let disk = TestDisk::with(&config);
    until(|| !path.exists()).await;
    assert_eq!((disk.get(1).await, disk.get(2).await.is_some()), (None, true));
}

#[tokio::test]
async fn a_directory_that_is_removed_is_a_miss_and_is_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("below/cache");
    let disk = TestDisk::open(&folder, 1 << 20);
    disk.write(1, b"an image").await;
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(disk.get(1).await, None);
    disk.write(2, b"lost").await;
    assert!(disk.is_off());
    until(|| !disk.is_off()).await;
    disk.write(3, b"another").await;
    assert_eq!(disk.get(3).await.unwrap(), b"another");
}

#[tokio::test]
async fn a_directory_that_can_not_be_is_off_and_no_more() {
    let parent = tempfile::tempdir().unwrap();
    let blocked = parent.path().join("a file");
    fs::write(&blocked, b"not a directory").unwrap();
    let disk = TestDisk::open(&blocked.join("cache"), 1 << 20);
    until(|| disk.is_off()).await;
    assert!(!disk.disk.offer(key(1), &cached(b"an image")));
    assert_eq!(disk.get(1).await, None);
    fs::remove_file(&blocked).unwrap();
    until(|| !disk.is_off()).await;
    disk.write(1, b"an image").await;
    assert!(disk.get(1).await.is_some());
}

#[tokio::test]
async fn files_of_others_are_left_alone_and_abandoned_ones_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestDisk::open(folder.path(), 1 << 20);
    first.write(1, b"an image").await;
    drop(first);
    let other = folder.path().join("notes.txt");
    let beside = file(folder.path(), 1).with_file_name("notes.txt");
    let abandoned = file(folder.path(), 1).with_extension("part");
    for path in [&other, &beside, &abandoned] {
        fs::write(path, b"text").unwrap();
    }
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&abandoned).unwrap().set_modified(hour_ago).unwrap();
    let disk = TestDisk::open(folder.path(), 1 << 20);
    disk.until_indexed().await;
    assert!(other.exists() && beside.exists() && !abandoned.exists());
    assert_eq!(disk.disk.stats().entries, 1);
}

/// A file system of its own, where this process may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(folder))
    }

    fn remount(&self, option: &str) {
        let mut mount = std::process::Command::new("mount");
        let options = format!("remount,{option}");
        assert!(mount.args(["-o", &options]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_makes_room_by_removing_old_answers() {
    let Some(small) = SmallDisk::mount("2m") else { return eprintln!("skipped: nothing may be mounted here") };
    let disk = TestDisk::open(small.0.path(), 100 << 20);
    for number in 0..1000 {
        disk.write(number, &[7; 7000]).await;
    }
    assert!(!disk.is_off());
    assert!(disk.get(999).await.is_some() && disk.get(0).await.is_none());
    let filler = small.0.path().join("filler");
    // Others take what is free, until nothing is.
    let _ = fs::write(&filler, vec![1; 4 << 20]);
    for number in 1000..1400 {
        disk.write(number, &[7; 7000]).await;
        disk.get(number).await;
    }
    fs::remove_file(filler).unwrap();
    until(|| !disk.is_off()).await;
    disk.write(2000, b"an image").await;
    assert!(disk.get(2000).await.is_some());
}

#[tokio::test]
async fn a_full_disk_has_room_after_a_restart_with_less_capacity() {
    let Some(small) = SmallDisk::mount("2m") else { return eprintln!("skipped: nothing may be mounted here") };
    let disk = TestDisk::open(small.0.path(), 1 << 20);
    for number in 0..200 {
        disk.write(number, &[7; 3000]).await;
    }
    drop(disk);
    // Others take all that is free.
    let _ = fs::write(small.0.path().join("filler"), vec![1; 4 << 20]);
    let disk = TestDisk::open(small.0.path(), 400 << 10);
    disk.until_indexed().await;
    until(|| !disk.is_off() && disk.disk.stats().bytes <= 400 << 10).await;
    disk.write(1000, b"an image").await;
    assert!(disk.get(1000).await.is_some());
    assert!(!small.0.path().join("check.part").exists());
}

#[tokio::test]
async fn what_is_over_its_time_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let disk_ttl = Duration::from_secs(1);
    let disk = TestDisk::with(&CacheConfig { disk_dir: folder.path().to_owned(), disk_ttl, ..CacheConfig::default() });
    disk.write(1, b"an image").await;
    assert!(disk.disk.has(&key(1)));
    until(|| !disk.disk.has(&key(1))).await;
    assert_eq!(disk.get(1).await, None);
}

#[tokio::test]
async fn many_readers_of_a_disk_that_answers_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let disk = TestDisk::open(folder.path(), 100 << 20);
    disk.write(1, b"an image").await;
    let turns = disk.disk.shared.readers.clone().acquire_many_owned(READERS as u32).await.unwrap();
    let freed = async {
        tokio::time::sleep(2 * READ_TIMEOUT).await;
        drop(turns);
    };
    let (read, ()) = tokio::join!(disk.get(1), freed);
    assert_eq!(read.unwrap(), b"an image");
    assert!(!disk.is_off());
}

#[tokio::test]
async fn a_disk_that_can_only_be_read_is_read() {
    let Some(small) = SmallDisk::mount("2m") else { return eprintln!("skipped: nothing may be mounted here") };
    let disk = TestDisk::open(small.0.path(), 1 << 20);
    disk.write(1, b"an image").await;
    small.remount("ro");
    disk.write(2, b"another").await;
    assert!(disk.is_off());
    assert_eq!((disk.get(1).await.unwrap(), disk.get(2).await), (b"an image".to_vec(), None));
    small.remount("rw");
    until(|| !disk.is_off()).await;
    disk.write(2, b"another").await;
    assert!(disk.get(2).await.is_some());
}
