//! Reading and writing slots. Synchronous: who waits is decided in [`read_cache`](super::read_cache).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use eggs_proto::PAGE_BYTES;

use super::format::{
    ChunkName, HEAD_BYTES, LABEL_BYTES, LABELS_AT, Label, SLOT_BYTES, SLOT_PAGES, file_bytes, head,
    slots_at,
};
use super::key::ContentKey;

/// Labels that are read at a time.
const LABELS_PER_READ: usize = 4096;

/// The file of a cache.
#[derive(Debug)]
pub(super) struct Store {
    file: File,
    slots: u32,
}

/// Pages of a chunk, from one on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub first: usize,
    pub count: usize,
}

impl Pages {
    /// One bit for each.
    pub const fn bits(self) -> u16 {
        let all = (1u32 << self.count) - 1;
        (all << self.first) as u16
    }
}

impl Store {
    /// Uses the file if it was made for so many slots, or makes it anew.
    pub fn open(file: File, slots: u32) -> io::Result<Self> {
        let (expected, mut found) = (head(slots), [0; HEAD_BYTES]);
        let bytes = file_bytes(slots);
        let is_ours = file.metadata()?.len() == bytes
            && file.read_exact_at(&mut found, 0).is_ok()
            && found == expected;
        if !is_ours {
            file.set_len(0)?;
            file.set_len(bytes)?; // no space is taken yet
            file.write_all_at(&expected, 0)?;
        }
        Ok(Self { file, slots })
    }

    /// What the slots say that they hold.
    pub fn labels(&self, mut found: impl FnMut(u32, &Label)) -> io::Result<()> {
        let mut buffer = vec![0; LABELS_PER_READ * LABEL_BYTES];
        for first in (0..self.slots).step_by(LABELS_PER_READ) {
            let count = (self.slots - first).min(LABELS_PER_READ as u32);
            let bytes = &mut buffer[..count as usize * LABEL_BYTES];
            self.file.read_exact_at(bytes, label_at(first))?;
            let (labels, _) = bytes.as_chunks::<LABEL_BYTES>();
            for (slot, label) in (first..).zip(labels) {
                if let Some(label) = Label::decode(label) {
                    found(slot, &label);
                }
            }
        }
        Ok(())
    }

    /// Reads and verifies pages of a chunk into `out`; `false` if the slot does not hold them.
    pub fn read(
        &self,
        slot: u32,
        name: &ChunkName,
        pages: Pages,
        out: &mut [u8],
    ) -> io::Result<bool> {
        let mut label = [0; LABEL_BYTES];
        self.file.read_exact_at(&mut label, label_at(slot))?;
        let wanted = pages.bits();
        let Some(label) = Label::decode(&label)
            .filter(|label| label.name == *name && label.present & wanted == wanted)
        else {
            return Ok(false);
        };
        let at = self.slot_at(slot) + (pages.first * PAGE_BYTES) as u64;
        self.file.read_exact_at(out, at)?;
        let sums = label.sums.iter().skip(pages.first);
        let mut parts = out.chunks_exact(PAGE_BYTES).zip(sums).zip(pages.first..);
        Ok(parts.all(|((bytes, sum), page)| sum_of(name, page, bytes) == *sum))
    }

    /// Writes pages of a chunk; `present` are those that the slot holds already. Gives those that it holds now.
    pub fn write(
        &self,
        slot: u32,
        name: &ChunkName,
        present: u16,
        (first, bytes): (usize, &[u8]),
    ) -> io::Result<u16> {
        let mut label = Label {
            name: *name,
            present: 0,
            sums: [0; SLOT_PAGES],
        };
        if present != 0 {
            let mut known = [0; LABEL_BYTES];
            self.file.read_exact_at(&mut known, label_at(slot))?;
            let known = Label::decode(&known).filter(|known| known.name == *name);
            label = known.unwrap_or(label);
        }
        self.file
            .write_all_at(bytes, self.slot_at(slot) + (first * PAGE_BYTES) as u64)?;
        for (page, bytes) in (first..).zip(bytes.chunks_exact(PAGE_BYTES)) {
            if let Some(sum) = label.sums.get_mut(page) {
                *sum = sum_of(name, page, bytes);
                label.present |= 1 << page;
            }
        }
        self.file.write_all_at(&label.encode(), label_at(slot))?;
        Ok(label.present)
    }

    fn slot_at(&self, slot: u32) -> u64 {
        slots_at(self.slots) + u64::from(slot) * SLOT_BYTES as u64
    }
}

fn label_at(slot: u32) -> u64 {
    LABELS_AT + u64::from(slot) * LABEL_BYTES as u64
}

fn sum_of(name: &ChunkName, page: usize, bytes: &[u8]) -> u64 {
    let page = u64::from(name.chunk) * SLOT_PAGES as u64 + page as u64;
    ContentKey(name.key).page_sum(page, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: ChunkName = ChunkName { key: 77, chunk: 3 };

    fn store() -> Store {
        Store::open(tempfile::tempfile().unwrap(), 8).unwrap()
    }

    fn read(store: &Store, name: &ChunkName, pages: Pages) -> Option<Vec<u8>> {
        let mut out = vec![0; pages.count * PAGE_BYTES];
        store.read(2, name, pages, &mut out).unwrap().then_some(out)
    }

    #[test]
    fn pages_come_back_and_are_joined_by_others() {
        let store = store();
        let (one, two) = (vec![1; PAGE_BYTES], vec![2; 2 * PAGE_BYTES]);
        let present = store.write(2, &NAME, 0, (4, &one)).unwrap();
        assert_eq!(present, 1 << 4);
        let present = store.write(2, &NAME, present, (5, &two)).unwrap();
        assert_eq!(present, 0b111 << 4);
        let all = Pages { first: 4, count: 3 };
        assert_eq!(read(&store, &NAME, all), Some([one, two].concat()));
        assert_eq!(read(&store, &NAME, Pages { first: 3, count: 2 }), None);
        let other = ChunkName { chunk: 4, ..NAME };
        assert_eq!(read(&store, &other, all), None);
    }

    #[test]
    fn any_damage_to_a_slot_is_a_miss() {
        let store = store();
        let bytes = vec![9; SLOT_BYTES];
        let pages = Pages {
            first: 0,
            count: SLOT_PAGES,
        };
        for at in [
            label_at(2) + 30 + 5,
            label_at(2),
            store.slot_at(2),
            store.slot_at(2) + SLOT_BYTES as u64 - 1,
        ] {
            store.write(2, &NAME, 0, (0, &bytes)).unwrap();
            assert!(read(&store, &NAME, pages).is_some());
            store.file.write_all_at(b"x", at).unwrap();
            assert_eq!(read(&store, &NAME, pages), None, "byte {at}");
        }
        // The label is of another chunk's bytes, as after a crash.
        let other = ChunkName { chunk: 4, ..NAME };
        store.write(2, &other, 0, (0, &bytes)).unwrap();
        let label = Label {
            name: NAME,
            present: u16::MAX,
            sums: std::array::from_fn(|page| sum_of(&other, page, &bytes[..PAGE_BYTES])),
        };
        store
            .file
            .write_all_at(&label.encode(), label_at(2))
            .unwrap();
        assert_eq!(read(&store, &NAME, pages), None);
    }

    #[test]
    fn a_file_of_another_size_or_kind_begins_anew() {
        let file = tempfile::tempfile().unwrap();
        let store = |slots| Store::open(file.try_clone().unwrap(), slots).unwrap();
        let labels = |store: &Store| {
            let mut found = Vec::new();
            store.labels(|slot, _| found.push(slot)).unwrap();
            found
        };
        let first = store(8);
        first.write(2, &NAME, 0, (0, &[1; PAGE_BYTES])).unwrap();
        assert_eq!(labels(&store(8)), [2]);
        assert_eq!(labels(&store(9)), [0; 0]);
        store(9).write(7, &NAME, 0, (0, &[1; PAGE_BYTES])).unwrap();
        file.set_len(file_bytes(9) - 1).unwrap();
        assert_eq!(labels(&store(9)), [0; 0]);
        file.write_all_at(b"garbage", 3).unwrap();
        assert_eq!(labels(&store(9)), [0; 0]);
        assert_eq!(file.metadata().unwrap().len(), file_bytes(9));
    }
}
