//! What must be true of the coordinator's state at every moment. For fsck, tests and simulation.
//!
//! An audit goes through the parents page by page and shows all transactions under way on every page, because
//! who asks leaves out what these are about. What spans the coordinator and shards is decided in `eggs-audit`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, StoreRead, StoredNumber, Table, from_bytes};
use eggs_proto::audit::{CdcAuditPage, Finding, FindingCode, RunningTransaction};
use eggs_proto::cdc::CdcOperation;
use eggs_proto::shard::Replace;
use eggs_proto::{DEPTH_MAX, InodeId, LIST_ENTRIES_MAX, TransactionId};

use crate::outcomes::{self, Record};
use crate::state::Parent;
use crate::transaction::{Step, TargetLock, Transaction};
use crate::{keys, state};

/// Checks the whole state.
pub fn check(store: &dyn StoreRead) -> Result<Vec<Finding>, Fault> {
    let (mut after, mut findings) = (None, Vec::new());
    loop {
        let page = audit(store, after, LIST_ENTRIES_MAX)?;
        findings.extend(page.findings);
        match page.parents.last() {
            Some((last, _)) if page.more => after = Some(*last),
            Some(_) | None => return Ok(findings),
        }
    }
}

/// Checks a part of the state: the directories after `after`, and at the beginning all transactions.
pub fn audit(
    store: &dyn StoreRead,
    after: Option<InodeId>,
    limit: u32,
) -> Result<CdcAuditPage, Fault> {
    let running = running(store)?;
    let mut page = CdcAuditPage::default();
    if after.is_none() {
        check_transactions(store, &running, &mut page.findings)?;
    }
    let limit = limit.clamp(1, LIST_ENTRIES_MAX) as usize;
    let from = after.map_or_else(Vec::new, |last| [&keys::inode(last)[..], &[0]].concat());
    let mut found = Vec::new();
    scan(store, keys::PARENTS, &from, |key, value| {
        if found.len() == limit {
            page.more = true;
            return ControlFlow::Break(());
        }
        found.push((keys::parse_inode(key), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    page.running = running.iter().map(|(id, t)| about(*id, t)).collect();
    // A directory being made may turn out to be in one that is gone.
    let moving: BTreeSet<InodeId> = page.running.iter().flat_map(|t| t.inodes.clone()).collect();
    let mut known = BTreeSet::from([InodeId::ROOT]);
    for (dir, parent) in found {
        let damaged = || Fault::Damaged("the key of a parent is not an inode id".into());
        let (dir, Parent(parent)) = (dir.ok_or_else(damaged)?, from_bytes(&parent)?);
        if !moving.contains(&dir) && !leads_to_root(store, dir, &mut known)? {
            let detail = format!("by way of {parent}");
            page.findings
                .push(Finding::new(FindingCode::ParentsLoop, detail).of_inode(dir));
        }
        page.parents.push((dir, parent));
    }
    Ok(page)
}

/// Walks up to the root, or to a directory that is known to lead there.
fn leads_to_root(
    store: &dyn StoreRead,
    dir: InodeId,
    known: &mut BTreeSet<InodeId>,
) -> Result<bool, Fault> {
    let (mut at, mut way) = (dir, Vec::new());
    while !known.contains(&at) {
        way.push(at);
        match state::parent(store, at)? {
            Some(parent) if way.len() <= DEPTH_MAX => at = parent,
            Some(_) | None => return Ok(false),
        }
    }
    known.extend(way);
    Ok(true)
}

fn running(store: &dyn StoreRead) -> Result<Vec<(TransactionId, Transaction)>, Fault> {
    let mut found = Vec::new();
    scan(store, keys::TRANSACTIONS, &[], |key, value| {
        found.push((keys::parse_transaction(key), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    let damaged = || Fault::Damaged("the key of a transaction has another length".into());
    found
        .into_iter()
        .map(|(id, record)| Ok((id.ok_or_else(damaged)?, from_bytes(&record)?)))
        .collect()
}

/// The inodes that a transaction makes, moves, removes or replaces.
fn about(transaction: TransactionId, record: &Transaction) -> RunningTransaction {
    let of_step = match record.step {
        Step::Create { dir }
        | Step::Link { dir }
        | Step::Abandon { dir }
        | Step::Detach { dir, .. }
        | Step::SettleMoved { dir }
        | Step::SettleRemoved { dir }
        | Step::Reattach { dir }
        | Step::Revive { dir }
        | Step::RestoreName { dir }
        | Step::Rebury { dir }
        | Step::SettleBack { dir } => Some(dir),
        Step::SetTarget { inode } | Step::SetSource { inode } => Some(inode),
        Step::LockSource
        | Step::LockTarget { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted
        | Step::KeepTarget
        | Step::KeepSource
        | Step::LockVersion => None,
    };
    let target = match record.target {
        TargetLock::Held(inode) => inode,
        TargetLock::NotHeld => None,
    };
    let revived = match &record.operation {
        CdcOperation::UndeleteDirectory { inode, .. } => Some(*inode),
        CdcOperation::MakeDirectory { .. }
        | CdcOperation::RemoveDirectory { .. }
        | CdcOperation::Rename { .. } => None,
    };
    let all = [of_step, record.source, target, record.detached, revived];
    let inodes: BTreeSet<InodeId> = all.into_iter().flatten().collect();
    RunningTransaction {
        transaction,
        inodes: inodes.into_iter().collect(),
    }
}

/// Counts of transactions, of names on their way out of directories, and what is known of requests.
fn check_transactions(
    store: &dyn StoreRead,
    running: &[(TransactionId, Transaction)],
    findings: &mut Vec<Finding>,
) -> Result<(), Fault> {
    let mut wrong = |detail: String| {
        findings.push(Finding::new(FindingCode::CoordinatorCounters, detail));
    };
    let begun = state::counter(store, keys::BEGUN)?;
    let ended = state::counter(store, keys::ENDED)?;
    if begun.checked_sub(ended) != Some(running.len() as u64) {
        let count = running.len();
        wrong(format!("{begun} begun, {ended} ended, {count} under way"));
    }
    let mut leaving: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (id, transaction) in running {
        if outcomes::recall(store, transaction.request)? != Some(Record::Running(*id)) {
            wrong(format!("the request of transaction {id} is not known"));
        }
        if let Some(dir) = leaves(transaction) {
            *leaving.entry(keys::inode(dir).to_vec()).or_default() += 1;
        }
    }
    let mut kept = BTreeMap::new();
    scan(store, keys::LEAVING, &[], |key, value| {
        let count = from_bytes::<StoredNumber>(value);
        kept.insert(key.to_vec(), count.unwrap_or_default().0);
        ControlFlow::Continue(())
    })?;
    if kept != leaving {
        let (kept, found) = (kept.len(), leaving.len());
        wrong(format!(
            "names leave {found} directories, {kept} are kept, or other numbers of them"
        ));
    }
    Ok(())
}

/// The directory that a decided transaction has yet to remove a name from.
fn leaves(transaction: &Transaction) -> Option<InodeId> {
    let decided = match transaction.step {
        Step::SetTarget { .. }
        | Step::SettleMoved { .. }
        | Step::SettleRemoved { .. }
        | Step::ReleaseMoved
        | Step::ReleaseDeleted => true,
        Step::Create { .. }
        | Step::Link { .. }
        | Step::Abandon { .. }
        | Step::LockSource
        | Step::LockTarget { .. }
        | Step::Detach { .. }
        | Step::Reattach { .. }
        | Step::KeepTarget
        | Step::KeepSource
        | Step::Revive { .. }
        | Step::LockVersion
        | Step::RestoreName { .. }
        | Step::Rebury { .. }
        | Step::SettleBack { .. }
        | Step::SetSource { .. } => false,
    };
    let exchange = match &transaction.operation {
        CdcOperation::Rename { replace, .. } => *replace == Replace::Exchange,
        CdcOperation::MakeDirectory { .. }
        | CdcOperation::RemoveDirectory { .. }
        | CdcOperation::UndeleteDirectory { .. } => false,
    };
    let entry = transaction
        .source_entry()
        .filter(|_| decided && !exchange)?;
    Some(entry.dir)
}

fn scan(
    store: &dyn StoreRead,
    table: Table,
    from: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let scan = Scan {
        table,
        from,
        until: None,
        direction: ScanDirection::Forward,
    };
    store.scan(scan, &mut visit)
}

#[cfg(test)]
mod tests {
    use eggs_machine::{MemoryStore, Store as _, to_bytes};
    use eggs_proto::{InodeKind, ShardId};

    use super::*;

    fn dir(n: u64) -> InodeId {
        InodeId::new(InodeKind::Directory, ShardId(1), n)
    }

    fn codes(store: &MemoryStore) -> Vec<FindingCode> {
        let findings = check(store).expect("no fault");
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn parents_lead_to_the_root() {
        let mut store = MemoryStore::default();
        state::set_parent(&mut store, dir(1), InodeId::ROOT);
        state::set_parent(&mut store, dir(2), dir(1));
        assert_eq!(codes(&store), []);
        state::set_parent(&mut store, dir(1), dir(2));
        assert_eq!(codes(&store), [FindingCode::ParentsLoop; 2]);
        state::remove_parent(&mut store, dir(1));
        assert_eq!(codes(&store), [FindingCode::ParentsLoop]);
    }

    #[test]
    fn transactions_and_leaving_names_are_counted() {
        let mut store = MemoryStore::default();
        let three = to_bytes(&StoredNumber(3));
        store.put(keys::COUNTERS, keys::BEGUN, &three);
        assert_eq!(codes(&store), [FindingCode::CoordinatorCounters]);
        store.put(keys::COUNTERS, keys::ENDED, &three);
        assert_eq!(codes(&store), []);
        state::leave(&mut store, dir(1)).expect("no fault");
        assert_eq!(codes(&store), [FindingCode::CoordinatorCounters]);
    }

    #[test]
    fn a_long_list_comes_in_pages() {
        let mut store = MemoryStore::default();
        for n in 1..10 {
            state::set_parent(&mut store, dir(n), InodeId::ROOT);
        }
        let (mut after, mut seen) = (None, 0);
        loop {
            let page = audit(&store, after, 4).expect("no fault");
            seen += page.parents.len();
            after = page.parents.last().map(|(last, _)| *last);
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, 9);
    }

    #[test]
    fn a_repair_needs_to_know_and_makes_no_loop() {
        use crate::{CdcAnswer, CdcCommand, CdcMachine};
        use eggs_machine::{ApplyContext, Outcome, StateMachine as _};
        use eggs_proto::Refusal;
        let mut store = MemoryStore::default();
        state::set_parent(&mut store, dir(1), InodeId::ROOT);
        state::set_parent(&mut store, dir(2), dir(1));
        let mut repair = |dir, known, parent| {
            let command = CdcCommand::RepairParent { dir, known, parent }.encode();
            let context = ApplyContext {
                now: eggs_proto::Time(1),
            };
            match CdcMachine.apply(&mut store, context, &command) {
                Ok(Outcome::Accepted(bytes)) => match CdcAnswer::decode(&bytes) {
                    Some(CdcAnswer::Repaired(answer)) => answer,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        };
        let root = Some(InodeId::ROOT);
        assert_eq!(repair(dir(2), None, root), Err(Refusal::Changed));
        assert_eq!(repair(dir(1), root, Some(dir(2))), Err(Refusal::Loop));
        for _ in 0..2 {
            assert_eq!(repair(dir(2), Some(dir(1)), root), Ok(()));
            assert_eq!(repair(dir(3), None, Some(dir(1))), Ok(()));
            assert_eq!(repair(dir(1), root, None), Ok(()));
        }
        assert_eq!(state::parent(&store, dir(2)).expect("no fault"), root);
        assert_eq!(state::parent(&store, dir(1)).expect("no fault"), None);
    }
}
