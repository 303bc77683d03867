//! What is asked of a shard.

use eggs_proto::audit::TreeCursor;
use eggs_proto::audit::{AuditCursor, ShardRepair};
use eggs_proto::shard::{
    AddExtent, DirectoryCursor, DirectoryOutcome, ErasedBlock, ExtentProofs, HealTarget,
    LockPurpose, NewExtent, ReleaseAction, Replace, ShardChange, ShardQuery,
};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::*;
use expect_test::expect;

use crate::values::{
    BLOCK, CHANGE, COOKIE, DIR, FILE, LAYOUT, NEW, SERVICE, TAG, TRANSACTION, name, snapshot_key,
    xattr_name,
};
use crate::{bytes_of, hex};

#[test]
fn shard_queries() {
    let (after, limit) = (None, 1);
    let cursor = DirectoryCursor {
        hash: NameHash(27),
        name: Some(name()),
    };
    pin!(
        ShardQuery[
            Lookup, Stat, List, ReadLink, Extents, Directory, Snapshots, VisitTransients,
            VisitDirectories, VisitFiles, VisitGarbage, FilesOnService, Usage, Walk, GetXattr, ListXattrs,
            Audit, Tree, AuditTrees,
        ],
        [
            ShardQuery::Lookup { dir: DIR, name: name() },
            ShardQuery::Stat { inode: FILE },
            ShardQuery::List { dir: DIR, after: Some(cursor), limit },
            ShardQuery::ReadLink { inode: FILE },
            ShardQuery::Extents { file: FILE, offset: 2, limit, cookie: Some(COOKIE) },
            ShardQuery::Directory { dir: DIR },
            ShardQuery::Snapshots { dir: DIR, after: Some(snapshot_key()), limit },
            ShardQuery::VisitTransients { after: Some((Time(1), FILE)), limit },
            ShardQuery::VisitDirectories { after, limit },
            ShardQuery::VisitFiles { after, limit },
            ShardQuery::VisitGarbage { after: Some(BLOCK), limit },
            ShardQuery::FilesOnService { service: SERVICE, after, limit },
            ShardQuery::Usage,
            ShardQuery::Walk { dir: DIR, names: vec![name()] },
            ShardQuery::GetXattr { inode: FILE, name: xattr_name() },
            ShardQuery::ListXattrs { inode: FILE },
            ShardQuery::Audit { after: Some(AuditCursor(vec![1, 2])), limit },
            ShardQuery::Tree { dir: DIR },
            ShardQuery::AuditTrees { after: Some(TreeCursor::Child(DIR, FILE)), limit: 1 },
        ],
        expect![[r#"
            Lookup 00818480808080808020016e
            Stat 01818680808080808040
            List 02818480808080808020011b01016e01
            ReadLink 03818680808080808040
            Extents 0481868080808080804002010104
            Directory 05818480808080808020
            Snapshots 06818480808080808020011b016e1c01
            VisitTransients 07010181868080808080804001
            VisitDirectories 080001
            VisitFiles 090001
            VisitGarbage 0a010a01
            FilesOnService 0b090001
            Usage 0c
            Walk 0d81848080808080802001016e
            GetXattr 0e81868080808080804003752e78
            ListXattrs 0f818680808080808040
            Audit 100102010201
            Tree 11818480808080808020
            AuditTrees 12010181848080808080802081868080808080804001
        "#]]
    );
}

#[test]
fn shard_changes() {
    let (file, dir, cookie, transaction) = (FILE, DIR, COOKIE, TRANSACTION);
    let replace = Replace::Files;
    let add = AddExtent {
        file,
        cookie,
        offset: 1,
        size: 2,
        class: StorageClass::Flash,
        layout: LAYOUT,
        checksums: vec![Checksum(3)],
        exclude: vec![SERVICE],
        certify: Some((4, vec![None])),
    };
    let new_extent = NewExtent {
        size: 2,
        class: StorageClass::Flash,
        layout: LAYOUT,
        checksums: vec![Checksum(3)],
        exclude: vec![SERVICE],
    };
    let proofs = ExtentProofs {
        offset: 1,
        proofs: vec![Some(TAG)],
    };
    let key = snapshot_key;
    let erased = vec![ErasedBlock {
        block: BLOCK,
        proof: TAG,
    }];
    let purpose = LockPurpose::Source { expected: None };
    let sums = TreeSums {
        files: 1,
        directories: 2,
        bytes: 3,
        physical_bytes: 4,
    };
    let report = TreeReport {
        parent: DIR,
        child: FILE,
        version: Time(5),
        totals: TreeTotals {
            current: sums,
            old: TreeSums::default(),
        },
    };
    let target = HealTarget {
        file,
        offset: 1,
        indexes: vec![2, 3],
        seen: vec![BlockId(4)],
    };
    pin!(
        ShardChange[
            CreateTransient, AddInline, AddHole, AddExtent, ReplaceBlocks, CertifyExtent, Link,
            CreateFile, Symlink, KeepAlive, Scrap, Unlink, Rename, SetAttributes, SetPolicy,
            ClearPolicy, DestroyTransient, CollectSnapshot, BeginCollect, ScrapForeign,
            RemoveDirectory, GarbageErased, CreateDirectory, AbandonDirectory, LinkDirectory,
            LockDentry, ReleaseDentry, DetachDirectory, SettleDirectory,
            CreateWithExtent, CertifyAndLink, Undelete, ReviveDirectory, LockVersion, RestoreDentry,
            Reserve, CreateReserved, SetXattr, RemoveXattr,
            Repair, ReportTrees, SettleTrees, AdvanceTime, BeginHeal, FinishHeal,
        ],
        [
            ShardChange::CreateTransient { dir, attributes: NEW, note: "x".into() },
            ShardChange::AddInline { file, cookie, offset: 1, content: vec![2] },
            ShardChange::AddHole { file, cookie, offset: 1, size: 2 },
            ShardChange::AddExtent(add),
            ShardChange::ReplaceBlocks {
                file, cookie, offset: 1, indexes: vec![2], exclude: vec![SERVICE],
            },
            ShardChange::CertifyExtent { file, cookie, offset: 1, proofs: vec![Some(TAG)] },
            ShardChange::Link { file, cookie, dir, name: name(), replace, attributes: CHANGE },
            ShardChange::CreateFile {
                dir, name: name(), replace, attributes: NEW, content: vec![1],
            },
            ShardChange::Symlink { dir, name: name(), target: vec![1], attributes: NEW },
            ShardChange::KeepAlive { file, cookie },
            ShardChange::Scrap { file, cookie },
            ShardChange::Unlink { dir, name: name(), expected: Some(FILE) },
            ShardChange::Rename { dir, source: name(), target: name(), replace },
            ShardChange::SetAttributes { inode: FILE, change: CHANGE },
            ShardChange::SetPolicy {
                dir, policy: Policy::Inline(InlinePolicy { inline_bytes_max: 1 }),
            },
            ShardChange::ClearPolicy { dir, kind: PolicyKind::Stripe },
            ShardChange::DestroyTransient { file },
            ShardChange::CollectSnapshot { dir, key: key(), inode: FILE },
            ShardChange::BeginCollect { dir, key: key(), inode: FILE },
            ShardChange::ScrapForeign { inode: FILE },
            ShardChange::RemoveDirectory { dir },
            ShardChange::GarbageErased { erased },
            ShardChange::CreateDirectory { dir, parent: DIR, attributes: NEW, transaction },
            ShardChange::AbandonDirectory { dir, transaction },
            ShardChange::LinkDirectory { parent: DIR, name: name(), dir, transaction },
            ShardChange::LockDentry { dir, name: name(), purpose, transaction },
            ShardChange::ReleaseDentry {
                dir, name: name(), action: ReleaseAction::Keep, transaction,
            },
            ShardChange::DetachDirectory { dir, transaction },
            ShardChange::SettleDirectory {
                dir, outcome: DirectoryOutcome::Attached, transaction,
            },
            ShardChange::CreateWithExtent {
                dir, attributes: NEW, note: "x".into(), extent: new_extent,
            },
            ShardChange::CertifyAndLink {
                file, cookie, certify: vec![proofs], dir, name: name(), replace,
                attributes: CHANGE,
            },
            ShardChange::Undelete { dir, key: key(), inode: FILE, name: name(), replace },
            ShardChange::ReviveDirectory { dir, transaction },
            ShardChange::LockVersion { dir, name: name(), key: key(), inode: DIR, transaction },
            ShardChange::RestoreDentry { dir, name: name(), key: key(), inode: DIR, transaction },
            ShardChange::Reserve { dir, count: 2 },
            ShardChange::CreateReserved {
                file, cookie, dir, name: name(), replace, attributes: NEW, content: vec![1],
            },
            ShardChange::SetXattr {
                inode: FILE, name: xattr_name(), value: vec![1], mode: XattrMode::Create,
            },
            ShardChange::RemoveXattr { inode: FILE, name: xattr_name() },
            ShardChange::Repair(ShardRepair::File { file: FILE }),
            ShardChange::ReportTrees { reports: vec![report] },
            ShardChange::SettleTrees { reported: vec![(DIR, Time(1))] },
            ShardChange::AdvanceTime,
            ShardChange::BeginHeal { target: target.clone(), exclude: vec![SERVICE] },
            ShardChange::FinishHeal { scratch: DIR, cookie, target, proofs: vec![Some(TAG), None] },
        ],
        expect![[r#"
            CreateTransient 00818480808080808020a4030c0d011b000178
            AddInline 0181868080808080804004010102
            AddHole 02818680808080808040040102
            AddExtent 038186808080808080400401020101010180200103010901040100
            ReplaceBlocks 04818680808080808040040101020109
            CertifyExtent 058186808080808080400401010108080808080808080808080808080808
            Link 0681868080808080804004818480808080808020016e0101800300010f0100010120
            CreateFile 07818480808080808020016e01a4030c0d011b000101
            Symlink 08818480808080808020016e0101a4030c0d011b00
            KeepAlive 0981868080808080804004
            Scrap 0a81868080808080804004
            Unlink 0b818480808080808020016e01818680808080808040
            Rename 0c818480808080808020016e016e01
            SetAttributes 0d81868080808080804001800300010f0100010120
            SetPolicy 0e8184808080808080200401
            ClearPolicy 0f81848080808080802003
            DestroyTransient 10818680808080808040
            CollectSnapshot 118184808080808080201b016e1c818680808080808040
            BeginCollect 128184808080808080201b016e1c818680808080808040
            ScrapForeign 13818680808080808040
            RemoveDirectory 14818480808080808020
            GarbageErased 15010a08080808080808080808080808080808
            CreateDirectory 16818480808080808020818480808080808020a4030c0d011b0005
            AbandonDirectory 1781848080808080802005
            LinkDirectory 18818480808080808020016e81848080808080802005
            LockDentry 19818480808080808020016e000005
            ReleaseDentry 1a818480808080808020016e0005
            DetachDirectory 1b81848080808080802005
            SettleDirectory 1c8184808080808080200005
            CreateWithExtent 1d818480808080808020a4030c0d011b0001780201010101802001030109
            CertifyAndLink 1e818680808080808040040101010108080808080808080808080808080808818480808080808020016e0101800300010f0100010120
            Undelete 1f8184808080808080201b016e1c818680808080808040016e01
            ReviveDirectory 2081848080808080802005
            LockVersion 21818480808080808020016e1b016e1c81848080808080802005
            RestoreDentry 22818480808080808020016e1b016e1c81848080808080802005
            Reserve 2381848080808080802002
            CreateReserved 2481868080808080804004818480808080808020016e01a4030c0d011b000101
            SetXattr 2581868080808080804003752e78010101
            RemoveXattr 2681868080808080804003752e78
            Repair 2701818680808080808040
            ReportTrees 2801818480808080808020818680808080808040050102030400000000
            SettleTrees 290181848080808080802001
            AdvanceTime 2a
            BeginHeal 2b8186808080808080400102020301040109
            FinishHeal 2c8184808080808080200481868080808080804001020203010402010808080808080808080808080808080800
        "#]]
    );
}
