//! Operations that only look.

use eggs_proto::block::{BlockReply, BlockRequest};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{DirectoryCursor, ShardQuery, ShardReply};
use eggs_proto::{BlockState, ExtentBlock, ExtentBody, InodeId};

use super::Act;
use crate::client::{Failure, Outcome};
use crate::random::Random;

impl Act {
    async fn query(&self, inode: InodeId, query: ShardQuery) -> Outcome<ShardReply> {
        let deadline_us = self.deadline_us;
        self.client.query(inode.shard(), query, deadline_us).await
    }

    pub(super) async fn lookup(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |_| true);
        if random.permille(300) {
            return self.walk(entry).await;
        }
        let (dir, name) = (entry.dir, entry.name);
        match self.query(dir, ShardQuery::Lookup { dir, name }).await? {
            ShardReply::Dentry(dentry) => {
                let inode = dentry.inode;
                self.query(inode, ShardQuery::Stat { inode }).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Looks a path up from where its shard begins to know it.
    async fn walk(&self, entry: EntryName) -> Outcome<()> {
        let shard = entry.dir.shard();
        let (dir, names) = self.client.sim.with(|world| {
            let mut names = vec![entry.name.clone()];
            let mut dir = entry.dir;
            while let Some(above) = world.oracle.names.places.get(&dir)
                && above.dir.shard() == shard
                && names.len() < 8
            {
                names.insert(0, above.name.clone());
                dir = above.dir;
            }
            (dir, names)
        });
        self.query(dir, ShardQuery::Walk { dir, names }).await?;
        Ok(())
    }

    pub(super) async fn list(&self, random: &mut Random) -> Outcome<()> {
        let dir = self.directory(random);
        let limit = random.between(1, 5) as u32;
        let mut after = None;
        loop {
            let query = ShardQuery::List { dir, after, limit };
            let ShardReply::Listing { entries, more } = self.query(dir, query).await? else {
                return Ok(());
            };
            after = entries.last().map(|entry| DirectoryCursor {
                hash: entry.hash,
                name: Some(entry.name.clone()),
            });
            if !more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads a file as a reader does: the extents, then enough blocks of each.
    pub(super) async fn read(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |inode| !inode.is_directory());
        let (dir, name) = (entry.dir, entry.name);
        let reply = self.query(dir, ShardQuery::Lookup { dir, name }).await?;
        let ShardReply::Dentry(dentry) = reply else {
            return Ok(());
        };
        let file = dentry.inode;
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 100,
            cookie: None,
        };
        let ShardReply::Extents { extents, .. } = self.query(file, query).await? else {
            return Ok(());
        };
        for extent in extents {
            if let ExtentBody::Blocks { blocks, layout, .. } = extent.body {
                self.read_blocks(&blocks, usize::from(layout.scheme.data))
                    .await?;
            }
        }
        Ok(())
    }

    async fn read_blocks(&self, blocks: &[ExtentBlock], needed: usize) -> Outcome<()> {
        let mut found = 0;
        for block in blocks
            .iter()
            .filter(|block| block.state == BlockState::Stored)
        {
            let (service, id) = (block.service, block.block);
            let request = BlockRequest::Check { service, block: id };
            match self.client.block(service, request).await {
                Ok(BlockReply::Checked { checksum, .. }) if checksum == block.checksum => {
                    found += 1;
                }
                Ok(other) => self.client.sim.with(|world| {
                    world.violate(|| format!("block {id} reads as {other:?}"));
                }),
                // Collected while it was read, or out of reach.
                Err(_) => {}
            }
            if found >= needed {
                return Ok(());
            }
        }
        Err(Failure::TooLate)
    }
}
