//! Operations on names.

use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::{Replace, ShardChange, ShardReply};
use eggs_proto::{AttributeChange, BlockServiceId, InodeId, ServiceState};

use super::{ATTRIBUTES, Act, any_name};
use crate::client::Outcome;
use crate::cluster::DISKS;
use crate::random::Random;

/// Directories that a run has at most.
const DIRECTORIES_MAX: usize = 24;

fn replace(random: &mut Random) -> Replace {
    match random.below(8) {
        0..=1 => Replace::Never,
        2 => Replace::Exchange,
        _ => Replace::Files,
    }
}

impl Act {
    async fn change(&self, dir: InodeId, change: ShardChange) -> Outcome<()> {
        let shard = dir.shard();
        self.client.change(shard, change, self.deadline_us).await?;
        Ok(())
    }

    pub(super) async fn create_file(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.any_entry(random);
        let content = vec![b'x'; random.below(40) as usize];
        if random.permille(250) {
            return self.create_reserved(entry, content, random).await;
        }
        let change = ShardChange::CreateFile {
            dir: entry.dir,
            name: entry.name,
            replace: replace(random),
            attributes: ATTRIBUTES,
            content,
        };
        self.change(entry.dir, change).await
    }

    /// As a mount does: inodes first, of which some are used and the others expire.
    async fn create_reserved(
        &self,
        entry: EntryName,
        content: Vec<u8>,
        random: &mut Random,
    ) -> Outcome<()> {
        let reserve = ShardChange::Reserve {
            dir: entry.dir,
            count: random.between(1, 4) as u8,
        };
        let shard = entry.dir.shard();
        let reply = self.client.change(shard, reserve, self.deadline_us).await?;
        let ShardReply::Reserved(files) = reply else {
            return Ok(());
        };
        let Some((file, cookie)) = random.pick(&files) else {
            return Ok(());
        };
        for _ in 0..random.between(1, 3) {
            let change = ShardChange::CreateReserved {
                file,
                cookie,
                dir: entry.dir,
                name: any_name(random),
                replace: replace(random),
                attributes: ATTRIBUTES,
                content: content.clone(),
            };
            self.change(entry.dir, change).await?;
        }
        Ok(())
    }

    pub(super) async fn symlink(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.any_entry(random);
        let change = ShardChange::Symlink {
            dir: entry.dir,
            name: entry.name,
            target: b"anywhere".to_vec(),
            attributes: ATTRIBUTES,
        };
        self.change(entry.dir, change).await
    }

    pub(super) async fn unlink(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |inode| !inode.is_directory());
        let known = self.client.sim.with(|world| world.oracle.names.get(&entry));
        let change = ShardChange::Unlink {
            dir: entry.dir,
            name: entry.name,
            expected: known.filter(|_| random.permille(300)),
        };
        self.change(entry.dir, change).await
    }

    pub(super) async fn rename_here(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |_| true);
        let change = ShardChange::Rename {
            dir: entry.dir,
            source: entry.name,
            target: any_name(random),
            replace: replace(random),
        };
        self.change(entry.dir, change).await
    }

    pub(super) async fn make_directory(&self, random: &mut Random) -> Outcome<()> {
        let live = self.client.sim.with(|world| {
            let all = world.oracle.names.directories.values();
            all.filter(|directory| !directory.removed).count()
        });
        if live > DIRECTORIES_MAX {
            return self.remove_directory(random).await;
        }
        let operation = CdcOperation::MakeDirectory {
            entry: self.any_entry(random),
            attributes: ATTRIBUTES,
        };
        self.client.transact(operation, self.deadline_us).await?;
        Ok(())
    }

    pub(super) async fn remove_directory(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, InodeId::is_directory);
        let operation = CdcOperation::RemoveDirectory { entry };
        self.client.transact(operation, self.deadline_us).await?;
        Ok(())
    }

    pub(super) async fn move_anything(&self, random: &mut Random) -> Outcome<()> {
        let source = self.known_entry(random, |_| true);
        let target = match random.below(3) {
            0 => self.known_entry(random, |_| true),
            _ => self.any_entry(random),
        };
        let operation = CdcOperation::Rename {
            source,
            target,
            replace: replace(random),
        };
        self.client.transact(operation, self.deadline_us).await?;
        Ok(())
    }

    pub(super) async fn set_attributes(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.known_entry(random, |_| true);
        let known = self.client.sim.with(|world| world.oracle.names.get(&entry));
        let inode = known.unwrap_or(entry.dir);
        let change = AttributeChange {
            mode: Some(random.below(0o1000) as u32),
            ..AttributeChange::default()
        };
        let change = ShardChange::SetAttributes { inode, change };
        self.change(inode, change).await
    }

    pub(super) async fn set_service(&self, random: &mut Random) -> Outcome<()> {
        let service = BlockServiceId(random.between(1, u64::from(DISKS) + 1));
        let state = random.pick(&[
            ServiceState::Active,
            ServiceState::Active,
            ServiceState::NoWrite,
            ServiceState::NoRead,
        ]);
        let state = state.unwrap_or(ServiceState::Active);
        let deadline_us = self.deadline_us;
        self.client.set_service(service, state, deadline_us).await?;
        Ok(())
    }
}
