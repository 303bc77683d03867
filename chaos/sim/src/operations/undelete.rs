//! Bringing old versions back, while the collector may be about to take them.

use eggs_proto::LIST_ENTRIES_MAX;
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::{Replace, ShardChange, ShardQuery, ShardReply};

use super::{Act, any_name};
use crate::client::Outcome;
use crate::random::Random;

impl Act {
    pub(super) async fn undelete(&self, random: &mut Random) -> Outcome<()> {
        let dir = self.directory(random);
        let query = ShardQuery::Snapshots {
            dir,
            after: None,
            limit: LIST_ENTRIES_MAX,
        };
        let deadline_us = self.deadline_us;
        let reply = self.client.query(dir.shard(), query, deadline_us).await?;
        let ShardReply::Snapshots { snapshots, .. } = reply else {
            return Ok(());
        };
        let owned = snapshots.into_iter();
        let owned: Vec<_> = owned
            .filter(|snapshot| snapshot.owned || random.permille(50))
            .collect();
        // The oldest is the one that the collector is after.
        let first = owned.first().filter(|_| random.permille(500)).cloned();
        let Some(snapshot) = first.or_else(|| random.pick(&owned)) else {
            return Ok(());
        };
        let (key, inode) = (snapshot.key, snapshot.inode);
        let name = if random.permille(500) {
            key.name.clone()
        } else {
            any_name(random)
        };
        if inode.is_directory() {
            let entry = EntryName { dir, name };
            let operation = CdcOperation::UndeleteDirectory { entry, key, inode };
            self.client.transact(operation, deadline_us).await?;
        } else {
            let replace = random.pick(&[Replace::Never, Replace::Files]);
            let change = ShardChange::Undelete {
                dir,
                key,
                inode,
                name,
                replace: replace.unwrap_or(Replace::Never),
            };
            self.client.change(dir.shard(), change, deadline_us).await?;
        }
        Ok(())
    }
}
