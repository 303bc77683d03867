//! Waiting for what is on its way to the disks.

use super::writer::FileWriter;
use crate::error::ClientError;

impl FileWriter {
    /// Waits until the extents that have filled up so far are durable on their block services, and tells if one of them could
    /// not be stored. What has not filled an extent yet stays in memory: stored by itself it would stay a small extent for
    /// ever, and nobody could find it before the file is linked.
    pub async fn sync(&mut self) -> Result<(), ClientError> {
        self.check_open()?;
        match &self.pump {
            Some(pump) => pump.drain().await.map(drop),
            None => Ok(()),
        }
    }
}
