//! Three ways to read the same pages, and files that stay open.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use eggs_block_store::{BlockPages, PinnedPages, Pipes};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, PAGE_BYTES};

use crate::common::{NOW, content, fixture, may_erase, refusal, write};

const BLOCK: BlockId = BlockId(0x1_02);
const PAGES: u32 = 700;

/// Sends pinned pages through a socket that does not block.
fn sent(mut pinned: PinnedPages) -> BlockPages {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let len = pinned.remaining();
    let receiver = std::thread::spawn(move || {
        let mut bytes = vec![0; len];
        theirs.read_exact(&mut bytes).unwrap();
        bytes
    });
    while pinned.remaining() > 0 {
        match pinned.send(ours.as_fd()) {
            Ok(sent) => assert!(sent > 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    BlockPages {
        bytes: receiver.join().unwrap().into(),
        checksums: std::mem::take(&mut pinned.checksums),
    }
}

#[test]
fn all_ways_to_read_give_the_same() {
    let f = fixture();
    let bytes = content(PAGES as usize, 7);
    write(&f.disk, BLOCK, &bytes);
    let pipes = Pipes::default();
    // More of them in a row than there are pipes: they are used again.
    for (page, pages) in [(0, 1), (3, 16), (PAGES - 1, 1), (1, 300), (0, PAGES)].repeat(20) {
        let read = f.disk.read(BLOCK, page, pages).unwrap();
        let from = page as usize * PAGE_BYTES;
        assert!(read.bytes == bytes[from..from + pages as usize * PAGE_BYTES]);
        assert_eq!(read.checksums.len(), pages as usize);
        let at_once = f.disk.read_at_once(BLOCK, page, pages).unwrap();
        assert!(at_once.is_none_or(|at_once| at_once == read));
        let pinned = f.disk.pin(BLOCK, page, pages, &pipes).unwrap().unwrap();
        assert!(sent(pinned) == read);
    }
    for (page, pages) in [(PAGES, 1), (0, PAGES + 1), (0, 0), (u32::MAX, u32::MAX)] {
        let bad = BlockRefusal::BadRange;
        assert_eq!(refusal(f.disk.read(BLOCK, page, pages)), bad);
        assert_eq!(refusal(f.disk.read_at_once(BLOCK, page, pages)), bad);
        assert_eq!(refusal(f.disk.pin(BLOCK, page, pages, &pipes)), bad);
    }
}

#[test]
fn without_pipes_nothing_is_pinned_and_those_that_are_given_up_make_room() {
    let f = fixture();
    write(&f.disk, BLOCK, &content(PAGES as usize, 7));
    let pipes = Pipes::default();
    let pin = || f.disk.pin(BLOCK, 0, PAGES, &pipes).unwrap();
    let held: Vec<_> = std::iter::from_fn(pin).take(1000).collect();
    assert!((2..100).contains(&held.len()), "{}", held.len());
    drop(held);
    assert!(pin().is_some());
}

#[test]
fn an_erased_block_is_not_kept_open() {
    let f = fixture();
    let order = write(&f.disk, BLOCK, &content(4, 7));
    f.disk.read(BLOCK, 0, 4).unwrap();
    let file = f.only_block_file();
    let is_open = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let mut paths = fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        let name = file.to_string_lossy().into_owned();
        paths.any(|path| path.to_string_lossy().starts_with(&name))
    };
    assert!(is_open());
    f.disk.erase(&may_erase(&f.disk, &order), NOW).unwrap();
    assert!(!is_open(), "its space does not come back");
    let gone = BlockRefusal::NotFound;
    assert_eq!(refusal(f.disk.read(BLOCK, 0, 4)), gone);
    assert!(f.disk.read_at_once(BLOCK, 0, 4).unwrap().is_none());
}

#[test]
fn a_file_that_gets_shorter_while_it_is_open_is_damaged() {
    let f = fixture();
    write(&f.disk, BLOCK, &content(PAGES as usize, 7));
    let pipes = Pipes::default();
    f.disk.read(BLOCK, 0, 4).unwrap();
    let file = File::options().write(true).open(f.only_block_file());
    file.unwrap().set_len(10 * PAGE_BYTES as u64).unwrap();
    let damaged = BlockRefusal::Damaged;
    assert_eq!(refusal(f.disk.read(BLOCK, 5, 6)), damaged);
    assert_eq!(refusal(f.disk.pin(BLOCK, 5, 600, &pipes)), damaged);
    assert!(f.disk.read_at_once(BLOCK, 5, 6).unwrap().is_none());
}
