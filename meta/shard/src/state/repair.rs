//! What only repairs write directly.

use eggs_machine::Fault;
use eggs_proto::{BlockServiceId, InodeId, Time};

use super::State;
use crate::keys;
use crate::records::{BlockCount, InodeRecord};

impl State<'_> {
    /// Removes a placeholder that nobody holds and that is counted nowhere.
    pub(crate) fn drop_placeholder(&mut self, key: &[u8]) {
        self.store.delete(keys::DENTRIES, key);
    }

    /// Sets how many blocks of a file are on a service.
    pub(crate) fn set_service_index(
        &mut self,
        service: BlockServiceId,
        file: InodeId,
        blocks: u64,
    ) {
        let key = keys::service_file(service, file);
        match blocks {
            0 => self.store.delete(keys::SERVICE_FILES, &key),
            blocks => self.put(keys::SERVICE_FILES, &key, &BlockCount(blocks)),
        }
    }

    /// Makes the index agree with the file about one deadline.
    pub(crate) fn rewrite_deadline(&mut self, deadline: Time, file: InodeId) -> Result<(), Fault> {
        let known = match self.read().inode(file)? {
            Some(InodeRecord::File(record)) => record.deadline(),
            Some(InodeRecord::Directory(_)) | None => None,
        };
        let key = keys::transient(deadline, file);
        if known == Some(deadline) {
            self.store.put(keys::TRANSIENTS, &key, &[]);
        } else {
            self.store.delete(keys::TRANSIENTS, &key);
        }
        Ok(())
    }
}
