//! What a directory counts, and its parent.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use eggs_proto::tree::{TreeSums, TreeTotals};
use eggs_proto::{InodeId, InvalidArgument, Refusal};

use super::look;
use crate::keys;
use crate::records::{DentryRecord, SnapshotRecord};
use crate::state::{Held, Range, State, bytes_of, one, visit};
use crate::step::{Step, Stop};
use eggs_machine::from_bytes;

/// The parent that a directory thinks of, and the right one.
pub(super) struct Parents {
    pub(super) known: InodeId,
    pub(super) parent: InodeId,
}

pub(super) fn set_parent(state: &mut State<'_>, dir: InodeId, parents: Parents) -> Step<()> {
    let mut record = state.read().directory(dir)?;
    if dir == InodeId::ROOT || !parents.parent.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    if record.parent == parents.parent {
        return Ok(());
    }
    if record.parent != parents.known {
        return Err(Refusal::Changed.into());
    }
    record.parent = parents.parent;
    state.put_directory(dir, record)?;
    state.mark_tree(dir);
    Ok(())
}

pub(super) fn count(state: &mut State<'_>, dir: InodeId) -> Step<()> {
    let mut record = state.read().directory(dir)?;
    let prefix = keys::inode(dir);
    let store = state.read().store;
    let (mut looked, mut lost) = (0, Vec::new());
    let mut held: BTreeMap<InodeId, Held> = BTreeMap::new();
    (record.entries, record.placeholders, record.snapshots) = (0, 0, 0);
    let all = |table| Range::prefix(table, &prefix, prefix.to_vec());
    visit(store, &all(keys::DENTRIES), |key, value| {
        look(&mut looked)?;
        let dentry: DentryRecord = from_bytes(value)?;
        match (dentry.inode, dentry.lock) {
            (Some(inode), _) => {
                record.entries += 1;
                held.entry(inode).or_default().current += 1;
            }
            (None, Some(_)) => record.placeholders += 1,
            (None, None) => lost.push(key.to_vec()),
        }
        Ok::<_, Stop>(ControlFlow::Continue(()))
    })?;
    visit(store, &all(keys::SNAPSHOTS), |_, value| {
        look(&mut looked)?;
        let snapshot: SnapshotRecord = from_bytes(value)?;
        record.snapshots += 1;
        held.entry(snapshot.inode).or_default().old += i64::from(snapshot.owned);
        Ok::<_, Stop>(ControlFlow::Continue(()))
    })?;
    for key in lost {
        state.drop_placeholder(&key);
    }
    state.put_directory(dir, record)?;
    held.retain(|_, held| *held != Held::default());
    count_tree(state, dir, held)
}

/// The sums of the tree as far as this shard knows them.
fn count_tree(state: &mut State<'_>, dir: InodeId, mut held: BTreeMap<InodeId, Held>) -> Step<()> {
    let mut direct = TreeTotals::default();
    for (inode, held) in &held {
        let bytes = match state.read().inode(*inode)? {
            Some(record) if !state.read().is_child(*inode) => bytes_of(&record),
            Some(_) | None => TreeSums::default(),
        };
        let each = one(*inode).plus(bytes);
        for _ in 0..held.current {
            direct.current = direct.current.plus(each);
        }
        for _ in 0..held.old {
            direct.old = direct.old.plus(each);
        }
    }
    held.retain(|inode, _| state.read().is_child(*inode));
    Ok(state.rewrite_tree(dir, direct, &held)?)
}
