//! The bytes of one file: what there is, what is durable, and what lies between.

use rustix::io::Errno;

use crate::fate::Fate;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;
/// Nobody means to fill the memory of the machine.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of one file.
#[derive(Clone, Debug, Default)]
pub struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// In the order in which they were made.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// Where a write ends.
fn end(at: u64, len: u64) -> Result<usize, Errno> {
    let end = at.checked_add(len).filter(|end| *end <= FILE_BYTES_MAX);
    end.map(|end| end as usize).ok_or(Errno::FBIG)
}

fn put(target: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    target.resize(target.len().max(end), 0);
    target[at..end].copy_from_slice(bytes);
}

impl Content {
    /// Bytes of the file.
    pub const fn len(&self) -> usize {
        self.now.len()
    }

    /// What is there of so many bytes.
    pub fn read(&self, at: u64, len: usize) -> &[u8] {
        let from = self
            .now
            .len()
            .min(usize::try_from(at).unwrap_or(usize::MAX));
        let to = self.now.len().min(from.saturating_add(len));
        &self.now[from..to]
    }

    /// Writes, beyond the end if need be.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        end(at, bytes.len() as u64)?;
        let at = at as usize;
        put(&mut self.now, at, bytes);
        let bytes = bytes.to_vec();
        self.unsynced.push(Change::Write { at, bytes });
        Ok(())
    }

    /// Cuts it off, or adds zeros.
    pub fn set_len(&mut self, len: u64) -> Result<(), Errno> {
        let len = end(len, 0)?;
        self.now.resize(len, 0);
        self.unsynced.push(Change::Length(len));
        Ok(())
    }

    /// Space for a range, which the file grows by.
    pub fn allocate(&mut self, at: u64, len: u64) -> Result<(), Errno> {
        let end = end(at, len)?;
        if end > self.now.len() {
            self.set_len(end as u64)?;
        }
        Ok(())
    }

    /// Makes it durable.
    pub fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { at, bytes } => put(&mut self.durable, at, &bytes),
                Change::Length(len) => self.durable.resize(len, 0),
            }
        }
    }

    /// What a power cut leaves: all that was synced, and of the rest any sectors, with any of its lengths.
    pub fn survivor(&self, fate: &mut Fate) -> Self {
        let mut left = self.durable.clone();
        for change in &self.unsynced {
            match change {
                Change::Length(len) if fate.keeps() => left.resize(*len, 0),
                Change::Length(_) => {}
                Change::Write { at, bytes } => survive(&mut left, *at, bytes, fate),
            }
        }
        Self {
            now: left.clone(),
            durable: left,
            unsynced: Vec::new(),
        }
    }
}

/// The length may survive without the data: a file system that puts data off has zeros there.
fn survive(left: &mut Vec<u8>, at: usize, bytes: &[u8], fate: &mut Fate) {
    if fate.keeps() {
        left.resize(left.len().max(at + bytes.len()), 0);
    }
    let mut done = 0;
    while done < bytes.len() {
        let in_sector = SECTOR_BYTES - (at + done) % SECTOR_BYTES;
        let next = bytes.len().min(done + in_sector);
        if fate.keeps() {
            put(left, at + done, &bytes[done..next]);
        }
        done = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Survival;

    fn fate(survival: Survival, seed: u64) -> Fate {
        let mut fate = Fate::new(survival, seed);
        fate.next();
        fate
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_may() {
        let mut content = Content::default();
        content.write(0, &[1; 1000]).unwrap();
        content.sync();
        content.write(500, &[2; 2000]).unwrap();
        content.allocate(0, 9000).unwrap();
        assert_eq!(content.len(), 9000);
        assert_eq!(content.read(499, 2), [1, 2]);
        assert_eq!(content.read(8999, 10), [0]);
        assert!(content.read(u64::MAX, 10).is_empty());
        let nothing = content.survivor(&mut fate(Survival::Nothing, 0));
        assert_eq!(nothing.read(0, 9999), [1; 1000]);
        let everything = content.survivor(&mut fate(Survival::Everything, 0));
        assert_eq!(everything.now, content.now);
    }

    #[test]
    fn sectors_survive_on_their_own_in_any_order() {
        let mut content = Content::default();
        content.write(0, &[1; 8 * SECTOR_BYTES]).unwrap();
        let mut holes = 0;
        for seed in 0..50 {
            let left = content.survivor(&mut fate(Survival::Some, seed)).now;
            for sector in left.chunks(SECTOR_BYTES) {
                assert!(
                    sector.iter().all(|byte| *byte == sector[0]),
                    "a sector was torn"
                );
            }
            holes += usize::from(left.contains(&0) && left.contains(&1));
        }
        assert!(holes > 5, "{holes}");
    }

    #[test]
    fn a_file_has_a_largest_size() {
        let mut content = Content::default();
        assert_eq!(content.write(FILE_BYTES_MAX, &[1]), Err(Errno::FBIG));
        assert_eq!(content.set_len(u64::MAX), Err(Errno::FBIG));
        assert_eq!(content.allocate(u64::MAX, 2), Err(Errno::FBIG));
        assert_eq!(content.len(), 0);
    }
}
