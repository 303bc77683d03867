//! What a shard answers, and the parts of its messages.

use eggs_proto::audit::{AuditPage, ReportedTree, TreeAuditPage, TreeCursor};
use eggs_proto::shard::{
    DirectoryInfo, DirectoryOutcome, GarbageBlock, ListEntry, LockPurpose, PlacedBlock,
    ReleaseAction, Replace, ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest, Snapshot,
    TransientInfo, Usage,
};
use eggs_proto::tree::TreeTotals;
use eggs_proto::*;
use expect_test::expect;

use crate::values::{
    ATTRIBUTES, COOKIE, DENTRY, DIR, FACTS, FILE, ID, TAG, extent, name, snapshot_key, xattr_name,
};
use crate::{bytes_of, hex};

#[test]
fn shard_replies() {
    let (more, name) = (true, name());
    let info = DirectoryInfo {
        attributes: ATTRIBUTES,
        parent: DIR,
        policies: Vec::new(),
        removed: true,
        snapshots: 1,
    };
    let snapshot = Snapshot {
        key: snapshot_key(),
        removed: Time(1),
        inode: FILE,
        owned: true,
        collecting: false,
    };
    let transient = TransientInfo {
        file: FILE,
        deadline: Time(1),
        size: 2,
        note: "x".into(),
    };
    let garbage = GarbageBlock {
        facts: FACTS,
        write_expiry: Time(1),
        certificate: None,
    };
    let placed = PlacedBlock {
        index: 1,
        facts: FACTS,
        expiry: Time(2),
        certificate: TAG,
    };
    let usage = Usage {
        files: 1,
        directories: 2,
        transients: 3,
        bytes: 4,
        physical_bytes: 5,
        garbage_blocks: 6,
        now: Time(7),
        changed: FileTime(8),
    };
    let entry = ListEntry {
        hash: NameHash(1),
        name,
        dentry: DENTRY,
    };
    pin!(
        ShardReply[
            Done, Dentry, Attributes, Listing, Target, Extents, Directory, Snapshots, Transients,
            Inodes, Garbage, Usage, Transient, Placed, Linked, Progress, DentryLocked, Walked,
            Started, Reserved, Xattr, Xattrs, Audit, Tree, TreesTaken, TreeAudit,
        ],
        [
            ShardReply::Done,
            ShardReply::Dentry(DENTRY),
            ShardReply::Attributes(ATTRIBUTES),
            ShardReply::Listing { entries: vec![entry], more },
            ShardReply::Target(vec![1]),
            ShardReply::Extents { extents: vec![extent()], more },
            ShardReply::Directory(info),
            ShardReply::Snapshots { snapshots: vec![snapshot], more },
            ShardReply::Transients { transients: vec![transient], more, now: Time(1) },
            ShardReply::Inodes { inodes: vec![FILE], more },
            ShardReply::Garbage { blocks: vec![garbage], more },
            ShardReply::Usage(usage),
            ShardReply::Transient { file: FILE, cookie: COOKIE },
            ShardReply::Placed(vec![placed]),
            ShardReply::Linked { inode: FILE, created: Time(1) },
            ShardReply::Progress { finished: true },
            ShardReply::DentryLocked { inode: Some(FILE) },
            ShardReply::Walked { dentries: vec![DENTRY], refusal: Some(Refusal::NotFound) },
            ShardReply::Started { file: FILE, cookie: COOKIE, blocks: vec![placed] },
            ShardReply::Reserved(vec![(FILE, COOKIE)]),
            ShardReply::Xattr(vec![1]),
            ShardReply::Xattrs(vec![Xattr { name: xattr_name(), value: vec![1] }]),
            ShardReply::Audit(AuditPage::default()),
            ShardReply::Tree(TreeTotals::default()),
            ShardReply::TreesTaken(vec![true, false]),
            ShardReply::TreeAudit(TreeAuditPage {
                reported: vec![ReportedTree {
                    dir: DIR,
                    parent: InodeId::ROOT,
                    totals: TreeTotals::default(),
                }],
                known: Vec::new(),
                next: Some(TreeCursor::Directory(DIR)),
            }),
        ],
        expect![[r#"
            Done 00
            Dentry 018186808080808080401a00
            Attributes 0281868080808080804011121314152c2e3032
            Listing 030101016e8186808080808080401a0001
            Target 040101
            Extents 05011d1e02000101018020010a090b0101
            Directory 0681868080808080804011121314152c2e3032818480808080808020000101
            Snapshots 07011b016e1c01818680808080808040010001
            Transients 0801818680808080808040010201780101
            Inodes 090181868080808080804001
            Garbage 0a01090a80200b010001
            Usage 0b0102030405060710
            Transient 0c81868080808080804004
            Placed 0d0101090a80200b0208080808080808080808080808080808
            Linked 0e81868080808080804001
            Progress 0f01
            DentryLocked 1001818680808080808040
            Walked 11018186808080808080401a000100
            Started 12818680808080808040040101090a80200b0208080808080808080808080808080808
            Reserved 130181868080808080804004
            Xattr 140101
            Xattrs 150103752e780101
            Audit 1600000000000000
            Tree 170000000000000000
            TreesTaken 18020100
            TreeAudit 19018184808080808080208080808080808080200000000000000000000100818480808080808020
        "#]]
    );
}

#[test]
fn parts_of_shard_messages() {
    pin!(
        ShardRequest[Query, Change, QueryAny],
        [
            ShardRequest::Query(ShardQuery::Usage),
            ShardRequest::Change { id: ID, change: ShardChange::RemoveDirectory { dir: DIR } },
            ShardRequest::QueryAny(ShardQuery::Usage),
        ],
        expect![[r#"
            Query 000c
            Change 01060714818480808080808020
            QueryAny 020c
        "#]]
    );
    pin!(
        Replace[Never, Files, Exchange],
        [Replace::Never, Replace::Files, Replace::Exchange],
        expect![[r#"
            Never 00
            Files 01
            Exchange 02
        "#]]
    );
    pin!(
        LockPurpose[Source, Target],
        [
            LockPurpose::Source { expected: Some(FILE) },
            LockPurpose::Target { replace: Replace::Files, kind: InodeKind::Symlink },
        ],
        expect![[r#"
            Source 0001818680808080808040
            Target 010102
        "#]]
    );
    pin!(
        ReleaseAction[Keep, Set, RemoveMoved, RemoveDeleted],
        [
            ReleaseAction::Keep,
            ReleaseAction::Set { inode: FILE },
            ReleaseAction::RemoveMoved,
            ReleaseAction::RemoveDeleted,
        ],
        expect![[r#"
            Keep 00
            Set 01818680808080808040
            RemoveMoved 02
            RemoveDeleted 03
        "#]]
    );
    pin!(
        DirectoryOutcome[Attached, Removed, Moved],
        [
            DirectoryOutcome::Attached,
            DirectoryOutcome::Removed,
            DirectoryOutcome::Moved { parent: DIR },
        ],
        expect![[r#"
            Attached 00
            Removed 01
            Moved 02818480808080808020
        "#]]
    );
    let request = ShardRequest::Query(ShardQuery::Usage);
    let call = ShardCall {
        shard: ShardId(200),
        request,
    };
    expect!["c8000c"].assert_eq(&hex(&bytes_of(&call)));
}
