//! What is checked again and again, and what must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::cdc::EntryName;
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{DirectoryCursor, ShardQuery, ShardReply};
use eggs_proto::{GroupId, InodeId, Refusal, ShardId, Time};
use eggs_shard::{QueryContext, invariants};

use super::totals::Certain;
use crate::world::{Event, World};

/// Between checks.
const CHECK_US: u64 = 1_000_000;
/// How many checks of single shards there are for one across shards.
const ACROSS_EVERY: u64 = 5;
/// Entries of a page of a listing: few, so that cursors are used.
const PAGE: u32 = 3;

impl World {
    /// Checks what has changed, and now and then everything.
    pub(crate) fn check(&mut self) {
        self.after(CHECK_US, Event::Check);
        self.oracle.checks += 1;
        self.check_groups();
        if self.oracle.checks.is_multiple_of(ACROSS_EVERY) {
            self.check_blocks();
            self.check_registry();
        }
    }

    fn check_groups(&mut self) {
        let changed = self.groups.values_mut();
        let changed: Vec<GroupId> = changed
            .filter_map(|group| std::mem::take(&mut group.changed).then_some(group.id))
            .collect();
        for id in changed {
            match self.group(id).copies_agree() {
                Ok(true) => {}
                Ok(false) => self.violate(|| format!("{id}: the same log gave two states")),
                Err(fault) => self.violate(|| format!("{id}: replay is a fault: {fault}")),
            }
            if let Some(shard) = id.shard() {
                self.check_shard(shard);
            } else if id == GroupId::CDC {
                self.check_cdc();
            }
        }
    }

    fn check_cdc(&mut self) {
        match eggs_cdc::check(&self.group(GroupId::CDC).state) {
            Ok(findings) if findings.is_empty() => {}
            Ok(findings) => self.violate(|| format!("cdc: {findings:?}")),
            Err(fault) => self.violate(|| format!("cdc: {fault}")),
        }
    }

    fn check_shard(&mut self, shard: ShardId) {
        let state = &self.group(GroupId::of_shard(shard)).state;
        match invariants::check(shard, state) {
            Ok(violations) if violations.is_empty() => {}
            Ok(violations) => {
                self.violate(|| format!("shard {shard}: {violations:?}"));
            }
            Err(fault) => self.violate(|| format!("shard {shard}: {fault}")),
        }
        let here = |(dir, known): (&InodeId, &super::names::Directory)| {
            (dir.shard() == shard && !known.removed).then_some(*dir)
        };
        let dirs: Vec<InodeId> = self
            .oracle
            .names
            .directories
            .iter()
            .filter_map(here)
            .collect();
        for dir in dirs {
            self.check_directory(dir);
            let _ = self.look(shard, &ShardQuery::Directory { dir }); // its policies
        }
        let some = self.oracle.xattrs.keys();
        let some: Vec<InodeId> = some
            .filter(|inode| inode.shard() == shard)
            .copied()
            .collect();
        for inode in some {
            let listed = self.look(shard, &ShardQuery::ListXattrs { inode });
            let named = self.oracle.names.places.contains_key(&inode);
            if named && let Err(refusal) = listed {
                self.violate(|| format!("extended attributes of {inode}: {refusal}"));
            }
        }
    }

    /// Reads a shard as a client would, at one moment, and lets the oracle see it.
    pub(crate) fn look(
        &mut self,
        shard: ShardId,
        query: &ShardQuery,
    ) -> Result<ShardReply, Refusal> {
        let context = QueryContext {
            keys: &|_| None,
            origin: PeerRole::Server,
            now: Time(self.now_us / 1000),
        };
        let state = &self.group(GroupId::of_shard(shard)).state;
        match eggs_shard::query(shard, state, &context, query) {
            Ok(answer) => {
                self.watch_read(shard, query, &answer);
                answer
            }
            Err(fault) => {
                self.violate(|| format!("shard {shard}: {query:?} is a fault: {fault}"));
                Err(Refusal::NotFound)
            }
        }
    }

    fn check_directory(&mut self, dir: InodeId) {
        let mut after = None;
        loop {
            let query = ShardQuery::List {
                dir,
                after,
                limit: PAGE,
            };
            match self.look(dir.shard(), &query) {
                Ok(ShardReply::Listing { entries, more }) => {
                    after = entries.last().map(|entry| DirectoryCursor {
                        hash: entry.hash,
                        name: Some(entry.name.clone()),
                    });
                    if !more || after.is_none() {
                        return;
                    }
                }
                Ok(_) | Err(_) => break,
            }
        }
        // The listing ended at a locked name: look at the others one by one.
        let names = self.oracle.names.attached(dir);
        let names: Vec<_> = names
            .map(|directory| directory.entries.keys().map(|(_, name)| name.clone()))
            .into_iter()
            .flatten()
            .collect();
        for name in names {
            let query = ShardQuery::Lookup {
                dir,
                name: name.clone(),
            };
            let answer = self.look(dir.shard(), &query);
            let entry = EntryName { dir, name };
            if answer == Err(Refusal::Locked) && !self.oracle.is_busy(&entry) {
                self.violate(|| format!("{entry:?} is locked and no transaction holds it"));
            }
        }
    }

    fn check_registry(&mut self) {
        let state = &self.group(GroupId::REGISTRY).state;
        match eggs_registry_state::map_version(state) {
            Ok((epoch, _)) => {
                let was = std::mem::replace(&mut self.oracle.epoch, epoch.0);
                if epoch.0 < was {
                    self.violate(|| format!("the epoch went from {was} to {}", epoch.0));
                }
            }
            Err(fault) => self.violate(|| format!("the registry: {fault}")),
        }
    }

    /// What must hold once no transaction is under way: nothing is locked, and shards and coordinator agree.
    pub fn check_at_rest(&mut self) {
        match eggs_cdc::pending(&self.group(GroupId::CDC).state, None, usize::MAX) {
            Ok(steps) if steps.is_empty() => {}
            Ok(steps) => return self.violate(|| format!("transactions never end: {steps:?}")),
            Err(fault) => return self.violate(|| format!("pending transactions: {fault}")),
        }
        self.check_names_at_rest();
        self.check_parents_at_rest();
        self.check_owners_at_rest();
        self.check_blocks();
        self.check_totals(Certain::Current);
        if !self.is_all_heard() {
            self.violate(|| "the registry does not know how processes and disks are".into());
        }
    }

    fn check_names_at_rest(&mut self) {
        let live = self.oracle.names.directories.iter();
        let live: Vec<InodeId> = live
            .filter(|(_, known)| !known.removed)
            .map(|(dir, _)| *dir)
            .collect();
        for dir in live {
            self.check_directory(dir);
            for name in crate::plan::NAMES {
                let Ok(name) = eggs_proto::Name::new(name) else {
                    continue;
                };
                let locked = self.look(
                    dir.shard(),
                    &ShardQuery::Lookup {
                        dir,
                        name: name.clone(),
                    },
                );
                if locked == Err(Refusal::Locked) {
                    self.violate(|| format!("{name} in {dir} is locked for ever"));
                }
            }
        }
    }

    fn check_parents_at_rest(&mut self) {
        let parents = match eggs_cdc::parents(&self.group(GroupId::CDC).state) {
            Ok(parents) => parents,
            Err(fault) => return self.violate(|| format!("parents: {fault}")),
        };
        let live = self.oracle.names.directories.iter();
        let expected: Vec<(InodeId, InodeId)> = live
            .filter(|(dir, known)| !known.removed && **dir != InodeId::ROOT)
            .map(|(dir, known)| (*dir, known.parent))
            .collect();
        if parents != expected {
            self.violate(|| format!("the coordinator knows {parents:?} and not {expected:?}"));
        }
        for (dir, parent) in expected {
            match self.look(dir.shard(), &ShardQuery::Directory { dir }) {
                Ok(ShardReply::Directory(info)) if info.parent == parent && !info.removed => {}
                other => self.violate(|| format!("{dir} in {parent} is {other:?}")),
            }
        }
    }

    /// Each file is owned by exactly one name or snapshot, wherever that is.
    fn check_owners_at_rest(&mut self) {
        let mut owners: BTreeMap<InodeId, u32> = BTreeMap::new();
        for inode in self.oracle.names.places.keys() {
            *owners.entry(*inode).or_default() += 1;
        }
        let shards: Vec<ShardId> = self.shards().map(|(shard, _)| shard).collect();
        let mut files = Vec::new();
        let mut leaving = BTreeSet::new();
        for shard in shards {
            let (after, limit) = (None, eggs_proto::LIST_ENTRIES_MAX);
            let query = ShardQuery::VisitDirectories { after, limit };
            let Ok(ShardReply::Inodes { inodes, .. }) = self.look(shard, &query) else {
                continue;
            };
            for dir in inodes {
                for snapshot in self.snapshots(dir) {
                    if snapshot.collecting {
                        leaving.insert(snapshot.inode);
                    } else if snapshot.owned {
                        *owners.entry(snapshot.inode).or_default() += 1;
                    }
                }
            }
            let query = ShardQuery::VisitFiles { after: None, limit };
            if let Ok(ShardReply::Inodes { inodes, .. }) = self.look(shard, &query) {
                files.extend(inodes);
            }
        }
        for (inode, count) in &owners {
            let stat = self.look(inode.shard(), &ShardQuery::Stat { inode: *inode });
            if *count != 1 || stat.is_err() {
                let entry: Option<EntryName> = self.oracle.names.places.get(inode).cloned();
                self.violate(|| format!("{inode} has {count} owners ({entry:?}) and is {stat:?}"));
            }
        }
        let transients = self.transients();
        for file in files {
            let owned = owners.contains_key(&file) || leaving.contains(&file);
            if !owned && !transients.contains(&file) {
                self.violate(|| format!("{file} is linked and nothing owns it"));
            }
        }
    }

    pub(crate) fn snapshots(&mut self, dir: InodeId) -> Vec<eggs_proto::shard::Snapshot> {
        let query = ShardQuery::Snapshots {
            dir,
            after: None,
            limit: eggs_proto::LIST_ENTRIES_MAX,
        };
        match self.look(dir.shard(), &query) {
            Ok(ShardReply::Snapshots { snapshots, .. }) => snapshots,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    fn transients(&mut self) -> BTreeSet<InodeId> {
        let shards: Vec<ShardId> = self.shards().map(|(shard, _)| shard).collect();
        let mut found = BTreeSet::new();
        for shard in shards {
            let query = ShardQuery::VisitTransients {
                after: None,
                limit: eggs_proto::LIST_ENTRIES_MAX,
            };
            if let Ok(ShardReply::Transients { transients, .. }) = self.look(shard, &query) {
                found.extend(transients.iter().map(|info| info.file));
            }
        }
        found
    }

    /// Whether nothing is left that expires.
    pub fn is_collected(&mut self) -> bool {
        self.gather_blocks().garbage == 0
            && self.transients().is_empty()
            && self.all_snapshots().is_empty()
    }

    fn all_snapshots(&mut self) -> Vec<(InodeId, eggs_proto::shard::Snapshot)> {
        let shards: Vec<ShardId> = self.shards().map(|(shard, _)| shard).collect();
        let mut found = Vec::new();
        for shard in shards {
            let (after, limit) = (None, eggs_proto::LIST_ENTRIES_MAX);
            let query = ShardQuery::VisitDirectories { after, limit };
            if let Ok(ShardReply::Inodes { inodes, .. }) = self.look(shard, &query) {
                for dir in inodes {
                    found.extend(self.snapshots(dir).into_iter().map(|old| (dir, old)));
                }
            }
        }
        found
    }

    /// What must hold once everything that expired has been collected: nothing waits for it any more.
    pub fn check_collected(&mut self) {
        self.check_at_rest();
        self.check_totals(Certain::All);
        let blocks = self.gather_blocks();
        if blocks.garbage > 0 {
            self.violate(|| format!("{} blocks are garbage for ever", blocks.garbage));
        }
        let snapshots = self.all_snapshots();
        if !snapshots.is_empty() {
            self.violate(|| format!("snapshots for ever: {snapshots:?}"));
        }
        let transients = self.transients();
        if !transients.is_empty() {
            self.violate(|| format!("transient for ever: {transients:?}"));
        }
        let on_disks: usize = self.disks.values().map(|disk| disk.blocks.len()).sum();
        let lost = self.disks.values().flat_map(|disk| &disk.lost);
        let lost = lost
            .filter(|block| blocks.stored.contains_key(block))
            .count();
        let stored = blocks.stored.len() - lost;
        if on_disks != stored {
            self.violate(|| format!("{on_disks} blocks are on disks and {stored} are needed"));
        }
    }
}
