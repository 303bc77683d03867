//! The cache as a whole, over real files.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::*;
use crate::cache::format::FILE_PREFIX;

const MIB: u64 = 1 << 20;
const KEY: ContentKey = ContentKey(0x1234_5678_9abc << 40);
type Spoil = fn(&File);

const LONG: Duration = Duration::from_secs(20);

fn content(key: ContentKey, range: Range<u64>) -> Bytes {
    let byte = |at: u64| ((at / 3) ^ key.0 as u64 ^ (at >> 13)) as u8;
    range.map(byte).collect::<Vec<_>>().into()
}

async fn put(cache: &ReadCache, key: ContentKey, size: u64, range: Range<u64>) {
    cache.put(key, size, range.start, &content(key, range));
    cache.settle(LONG).await;
}

/// Opens it as soon as the last user has let go.
fn open(dir: &Path, bytes: u64) -> ReadCache {
    let began = Instant::now();
    loop {
        match ReadCache::open(dir, bytes) {
            Ok(cache) => return cache,
            Err(CacheError::InUse { .. }) if began.elapsed() < LONG => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

#[tokio::test]
async fn whole_pages_come_back_also_in_another_life() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 16 * MIB);
    let size = 300_001;
    put(&cache, KEY, size, 1000..200_000).await;
    put(&cache, KEY, size, 250_000..size).await;
    let expect = async |cache: &ReadCache| {
        for (range, there) in [
            (4096..196_608, true),
            (5000..5001, true),
            (65_000..140_000, true),
            (1000..5000, false),
            (190_000..199_000, false),
            (190_000..260_000, false),
            (253_952..size, true),
            (size - 1..size, true),
        ] {
            let found = cache.get(KEY, range.clone()).await;
            let expected = there.then(|| content(KEY, range.clone()));
            assert!(found == expected, "{range:?}");
        }
        assert_eq!(cache.get(ContentKey(1), 4096..8192).await, None);
    };
    expect(&cache).await;
    let counted = cache.statistics();
    assert_eq!((counted.hits, counted.misses), (5, 4));
    drop(cache);
    expect(&open(dir.path(), 16 * MIB)).await;
    // Another size begins anew.
    let larger = open(dir.path(), 17 * MIB);
    assert_eq!(larger.statistics().used_bytes, 0);
}

#[tokio::test]
async fn it_stays_within_its_size_and_keeps_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 16 * MIB);
    let favourite = ContentKey(7);
    put(&cache, favourite, MIB, 0..MIB).await;
    for number in 100..140 {
        assert!(cache.get(favourite, 0..MIB).await.is_some(), "{number}");
        put(&cache, ContentKey(number), MIB, 0..MIB).await;
    }
    let counted = cache.statistics();
    assert!(counted.evicted > 20 * 16, "{counted:?}");
    assert!(counted.used_bytes <= 16 * MIB);
    let on_disk = std::fs::metadata(file(dir.path())).unwrap();
    assert!(on_disk.len() <= 16 * MIB);
    assert_eq!(cache.get(ContentKey(100), 0..MIB).await, None);
    assert!(cache.get(ContentKey(139), 0..MIB).await.is_some());
}

#[tokio::test]
async fn torn_garbled_and_cut_files_are_misses() {
    let dir = tempfile::tempdir().unwrap();
    let spoil: [(&str, Spoil); 5] = [
        ("empty", |file| file.set_len(0).unwrap()),
        ("cut", |file| file.set_len(3 * MIB).unwrap()),
        ("garbage all over", |file| {
            let garbage = vec![0xa5; 64 << 10];
            for at in 0..256 {
                file.write_all_at(&garbage, at * garbage.len() as u64)
                    .unwrap();
            }
        }),
        ("labels are gone", |file| {
            file.write_all_at(&vec![0; 64 << 10], 4096).unwrap();
        }),
        ("content is gone", |file| {
            file.write_all_at(&vec![0; MIB as usize * 2], 64 << 10)
                .unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        let cache = open(dir.path(), 16 * MIB);
        put(&cache, KEY, MIB, 0..MIB).await;
        assert!(cache.get(KEY, 0..MIB).await.is_some(), "{what}");
        drop(cache);
        let lock = open(dir.path(), 16 * MIB); // nobody writes any more
        spoil(&File::options().write(true).open(file(dir.path())).unwrap());
        drop(lock);
        let cache = open(dir.path(), 16 * MIB);
        for at in 0..16 {
            let part = at * (64 << 10)..(at + 1) * (64 << 10);
            assert_eq!(cache.get(KEY, part).await, None, "{what}");
        }
        // And it goes on.
        put(&cache, KEY, MIB, 0..MIB).await;
        assert!(cache.get(KEY, 0..MIB).await.is_some(), "{what}");
    }
}

#[tokio::test]
async fn bytes_that_change_under_it_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 16 * MIB);
    put(&cache, KEY, MIB, 0..MIB).await;
    let writer = File::options().write(true).open(file(dir.path())).unwrap();
    let slots = crate::cache::format::slots_at(slots_in(16 * MIB));
    writer
        .write_all_at(b"x", slots + 3 * (64 << 10) + 70)
        .unwrap();
    assert_eq!(cache.get(KEY, 0..MIB).await, None);
    assert_eq!(cache.statistics().damaged, 1);
    assert!(cache.get(KEY, 0..3 * (64 << 10)).await.is_some());
}

/// Ends with the test, however that ends.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        unmount(self.0, UnmountFlags::DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_left_alone_and_what_is_there_is_read_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let options = Some(c"size=4m");
    if mount("none", dir.path(), "tmpfs", MountFlags::empty(), options).is_err() {
        return; // only root may
    }
    let _mounted = Mounted(dir.path());
    let cache = open(dir.path(), 16 * MIB);
    put(&cache, KEY, MIB, 0..MIB).await;
    for number in 0..6 {
        put(&cache, ContentKey(number), MIB, 0..MIB).await;
    }
    let counted = cache.statistics();
    assert!(
        counted.failures >= 1 && counted.dropped_bytes > 0,
        "{counted:?}"
    );
    assert_eq!(cache.get(KEY, 0..MIB).await, None, "left alone");
    *cache.shared.rests_until.lock().unwrap() = None;
    assert!(cache.get(KEY, 0..MIB).await.is_some());
    for number in 0..6 {
        let found = cache.get(ContentKey(number), 0..MIB).await;
        assert!(found.is_none_or(|bytes| bytes == content(ContentKey(number), 0..MIB)));
    }
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), 64 * MIB);
    let bytes = content(KEY, 0..8 * MIB);
    for number in 0..100 {
        cache.put(ContentKey(number), 8 * MIB, 0, &bytes);
        assert!(cache.shared.waiting.load(Ordering::Acquire) <= WAITING_BYTES_MAX);
    }
    assert!(cache.statistics().dropped_bytes > 0);
    cache.settle(LONG).await;
    assert_eq!(cache.shared.waiting.load(Ordering::Acquire), 0);
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [0, MIB, 17 << 40, u64::MAX] {
        let refused = ReadCache::open(dir.path(), bytes);
        assert!(matches!(refused, Err(CacheError::Size { .. })), "{bytes}");
    }
    assert!(file(dir.path()).to_string_lossy().contains(FILE_PREFIX));
}
