//! The bytes of every message are pinned: a variant's position is its number on the wire and in the log.
//!
//! Each enum lists all its variants in order, which the compiler checks for completeness, with one value of each. A
//! new variant goes at the end, here as there; a line of an expectation never changes.

use std::fmt::Write;

use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest, EntryName};
use eggs_proto::hello::{Challenge, Confirm, Hello, PeerRole, Welcome};
use eggs_proto::registry::{
    HealthFinding, RegistryReply, RegistryRequest, ServiceRegistration, ServiceReport, Severity,
};
use eggs_proto::shard::{
    AddExtent, Dentry, DirectoryCursor, DirectoryInfo, DirectoryOutcome, ErasedBlock, GarbageBlock,
    ListEntry, LockPurpose, PlacedBlock, ReleaseAction, Replace, ShardCall, ShardChange,
    ShardQuery, ShardReply, ShardRequest, Snapshot, SnapshotKey, TransientInfo, Usage,
};
use eggs_proto::*;
use expect_test::expect;
use serde::{Serialize, de::DeserializeOwned};

/// Pins one value of every variant.
macro_rules! pin {
    ($enum:ident [$($variant:ident),* $(,)?], $values:expr, $expected:expr) => {{
        let name = |value: &$enum| match value {
            $($enum::$variant { .. } => stringify!($variant)),*
        };
        let names = [$(stringify!($variant)),*];
        let values: Vec<$enum> = $values.into();
        assert_eq!(values.iter().map(name).collect::<Vec<_>>(), names);
        let mut text = String::new();
        for (number, value) in values.iter().enumerate() {
            let bytes = bytes_of(value);
            assert_eq!(usize::from(bytes[0]), number, "{value:?}");
            writeln!(text, "{} {}", names[number], hex(&bytes)).expect("a string takes all");
        }
        $expected.assert_eq(&text);
    }};
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The encoding, after checking that it comes back and that nothing shorter or longer does.
fn bytes_of<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> Vec<u8> {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert_eq!(
            decode::<T>(&bytes[..end]),
            Err(Malformed),
            "{value:?} cut at {end}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode::<T>(&longer), Err(Malformed));
    bytes
}

const DIR: InodeId = InodeId::new(InodeKind::Directory, ShardId(1), 2);
const FILE: InodeId = InodeId::new(InodeKind::File, ShardId(1), 3);
const COOKIE: Cookie = Cookie(4);
const TRANSACTION: TransactionId = TransactionId(5);
const ID: RequestId = RequestId {
    client: 6,
    sequence: 7,
};
const TAG: MacTag = MacTag([8; 16]);
const SERVICE: BlockServiceId = BlockServiceId(9);
const BLOCK: BlockId = BlockId(10);
const FACTS: BlockFacts = BlockFacts {
    service: SERVICE,
    block: BLOCK,
    size: 4096,
    checksum: Checksum(11),
};
const LAYOUT: ExtentLayout = ExtentLayout {
    scheme: Scheme { data: 1, parity: 1 },
    stripes: 1,
    cell_bytes: 4096,
};
const NEW: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 12,
    gid: 13,
    mtime: Some(FileTime(-14)),
    atime: None,
};
const CHANGE: AttributeChange = AttributeChange {
    mode: Some(0o600),
    uid: None,
    gid: Some(15),
    mtime: Some(NewTime::Now),
    atime: Some(NewTime::At(FileTime(16))),
};
const ATTRIBUTES: Attributes = Attributes {
    inode: FILE,
    size: 17,
    physical_bytes: 18,
    mode: 19,
    uid: 20,
    gid: 21,
    mtime: FileTime(22),
    ctime: FileTime(23),
    atime: FileTime(24),
    created: FileTime(25),
};
const DENTRY: Dentry = Dentry {
    inode: FILE,
    created: Time(26),
    attributes: None,
};

fn name() -> Name {
    Name::new(*b"n").expect("a good name")
}

fn snapshot_key() -> SnapshotKey {
    SnapshotKey {
        hash: NameHash(27),
        name: name(),
        created: Time(28),
    }
}

fn extent() -> Extent {
    let block = ExtentBlock {
        block: BLOCK,
        service: SERVICE,
        checksum: Checksum(11),
        state: BlockState::Stored,
    };
    let body = ExtentBody::Blocks {
        class: StorageClass::Hdd,
        layout: LAYOUT,
        blocks: vec![block],
    };
    Extent {
        offset: 29,
        size: 30,
        body,
    }
}

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
            VisitDirectories, VisitFiles, VisitGarbage, FilesOnService, Usage,
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
    let key = snapshot_key;
    let erased = vec![ErasedBlock {
        block: BLOCK,
        proof: TAG,
    }];
    let purpose = LockPurpose::Source { expected: None };
    pin!(
        ShardChange[
            CreateTransient, AddInline, AddHole, AddExtent, ReplaceBlocks, CertifyExtent, Link,
            CreateFile, Symlink, KeepAlive, Scrap, Unlink, Rename, SetAttributes, SetPolicy,
            ClearPolicy, DestroyTransient, CollectSnapshot, BeginCollect, ScrapForeign,
            RemoveDirectory, GarbageErased, CreateDirectory, AbandonDirectory, LinkDirectory,
            LockDentry, ReleaseDentry, DetachDirectory, SettleDirectory,
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
        "#]]
    );
}

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
            Inodes, Garbage, Usage, Transient, Placed, Linked, Progress, DentryLocked,
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
        "#]]
    );
}

#[test]
fn parts_of_shard_messages() {
    pin!(
        ShardRequest[Query, Change],
        [
            ShardRequest::Query(ShardQuery::Usage),
            ShardRequest::Change { id: ID, change: ShardChange::RemoveDirectory { dir: DIR } },
        ],
        expect![[r#"
            Query 000c
            Change 01060714818480808080808020
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

#[test]
fn refusals() {
    let problem = ExtentProblem::NotAtEnd;
    let argument = InvalidArgument::Encoding;
    pin!(
        Refusal[
            NotFound, Exists, NotDirectory, IsDirectory, NotEmpty, WrongShard, BadCookie,
            NotTransient, Expired, BadExtent, BadProof, NotCertified, NoSpace, Locked,
            NeedsCoordinator, Loop, Forbidden, Invalid, Unsupported, BadPolicy, Changed, NoSnapshot,
        ],
        [
            Refusal::NotFound,
            Refusal::Exists,
            Refusal::NotDirectory,
            Refusal::IsDirectory,
            Refusal::NotEmpty,
            Refusal::WrongShard,
            Refusal::BadCookie,
            Refusal::NotTransient,
            Refusal::Expired,
            Refusal::BadExtent(problem),
            Refusal::BadProof { index: 1 },
            Refusal::NotCertified,
            Refusal::NoSpace { healthy: 1, needed: 2 },
            Refusal::Locked,
            Refusal::NeedsCoordinator,
            Refusal::Loop,
            Refusal::Forbidden,
            Refusal::Invalid(argument),
            Refusal::Unsupported,
            Refusal::BadPolicy(BadPolicyWire::Rows),
            Refusal::Changed,
            Refusal::NoSnapshot,
        ],
        expect![[r#"
            NotFound 00
            Exists 01
            NotDirectory 02
            IsDirectory 03
            NotEmpty 04
            WrongShard 05
            BadCookie 06
            NotTransient 07
            Expired 08
            BadExtent 0900
            BadProof 0a01
            NotCertified 0b
            NoSpace 0c0102
            Locked 0d
            NeedsCoordinator 0e
            Loop 0f
            Forbidden 10
            Invalid 1100
            Unsupported 12
            BadPolicy 1300
            Changed 14
            NoSnapshot 15
        "#]]
    );
    pin!(
        ExtentProblem[NotAtEnd, Sizes, Missing, InlineTooLarge, State],
        [
            ExtentProblem::NotAtEnd,
            ExtentProblem::Sizes,
            ExtentProblem::Missing,
            ExtentProblem::InlineTooLarge,
            ExtentProblem::State,
        ],
        expect![[r#"
            NotAtEnd 00
            Sizes 01
            Missing 02
            InlineTooLarge 03
            State 04
        "#]]
    );
    pin!(
        InvalidArgument[Encoding, Target, Kind, List, Mode, Range],
        [
            InvalidArgument::Encoding,
            InvalidArgument::Target,
            InvalidArgument::Kind,
            InvalidArgument::List,
            InvalidArgument::Mode,
            InvalidArgument::Range,
        ],
        expect![[r#"
            Encoding 00
            Target 01
            Kind 02
            List 03
            Mode 04
            Range 05
        "#]]
    );
    pin!(
        BadPolicyWire[Rows, Scheme, Size],
        [BadPolicyWire::Rows, BadPolicyWire::Scheme, BadPolicyWire::Size],
        expect![[r#"
            Rows 00
            Scheme 01
            Size 02
        "#]]
    );
    let leader = Some(NodeId::new(ProcessRole::Shard, 2));
    pin!(
        CallError[
            Refused, NotLeader, NotHosted, Overloaded, Deadline, Unavailable, Malformed, Forbidden,
        ],
        [
            CallError::Refused(Refusal::Locked),
            CallError::NotLeader { leader },
            CallError::NotHosted,
            CallError::Overloaded,
            CallError::Deadline,
            CallError::Unavailable("x".into()),
            CallError::Malformed,
            CallError::Forbidden,
        ],
        expect![[r#"
            Refused 000d
            NotLeader 01018280808010
            NotHosted 02
            Overloaded 03
            Deadline 04
            Unavailable 050178
            Malformed 06
            Forbidden 07
        "#]]
    );
}

#[test]
fn cdc() {
    let entry = || EntryName {
        dir: DIR,
        name: name(),
    };
    let operation = CdcOperation::RemoveDirectory { entry: entry() };
    pin!(
        CdcRequest[Run, Status],
        [CdcRequest::Run { id: ID, operation }, CdcRequest::Status],
        expect![[r#"
            Run 00060701818480808080808020016e
            Status 01
        "#]]
    );
    pin!(
        CdcOperation[MakeDirectory, RemoveDirectory, Rename],
        [
            CdcOperation::MakeDirectory { entry: entry(), attributes: NEW },
            CdcOperation::RemoveDirectory { entry: entry() },
            CdcOperation::Rename { source: entry(), target: entry(), replace: Replace::Never },
        ],
        expect![[r#"
            MakeDirectory 00818480808080808020016ea4030c0d011b00
            RemoveDirectory 01818480808080808020016e
            Rename 02818480808080808020016e818480808080808020016e00
        "#]]
    );
    pin!(
        CdcReply[Done, Made, Status],
        [
            CdcReply::Done,
            CdcReply::Made { dir: DIR },
            CdcReply::Status { running: vec![TRANSACTION], finished: 1 },
        ],
        expect![[r#"
            Done 00
            Made 01818480808080808020
            Status 02010501
        "#]]
    );
}

#[test]
fn blocks() {
    let (service, block) = (SERVICE, BLOCK);
    pin!(
        BlockRequest[Write, Read, Erase, Check, List],
        [
            BlockRequest::Write { facts: FACTS, expiry: Time(1), certificate: TAG },
            BlockRequest::Read { service, block, page: 1, pages: 2 },
            BlockRequest::Erase { facts: FACTS, write_expiry: Time(1), certificate: TAG },
            BlockRequest::Check { service, block },
            BlockRequest::List { service, after: Some(BLOCK), limit: 1 },
        ],
        expect![[r#"
            Write 00090a80200b0108080808080808080808080808080808
            Read 01090a0102
            Erase 02090a80200b0108080808080808080808080808080808
            Check 03090a
            List 0409010a01
        "#]]
    );
    pin!(
        BlockReply[Written, Pages, Erased, Checked, Blocks],
        [
            BlockReply::Written { proof: TAG },
            BlockReply::Pages { checksums: vec![Checksum(1)] },
            BlockReply::Erased { proof: TAG },
            BlockReply::Checked { checksum: Checksum(1), size: 2 },
            BlockReply::Blocks { blocks: vec![(BLOCK, 1)], more: true },
        ],
        expect![[r#"
            Written 0008080808080808080808080808080808
            Pages 010101
            Erased 0208080808080808080808080808080808
            Checked 030102
            Blocks 04010a0101
        "#]]
    );
    pin!(
        BlockRefusal[
            NotFound, WrongService, BadCertificate, Expired, BadPayload, WasErased, BadRange,
            NoSpace, DiskFailed, Damaged, Overloaded, Forbidden, Malformed,
        ],
        [
            BlockRefusal::NotFound,
            BlockRefusal::WrongService,
            BlockRefusal::BadCertificate,
            BlockRefusal::Expired,
            BlockRefusal::BadPayload,
            BlockRefusal::WasErased,
            BlockRefusal::BadRange,
            BlockRefusal::NoSpace,
            BlockRefusal::DiskFailed("x".into()),
            BlockRefusal::Damaged,
            BlockRefusal::Overloaded,
            BlockRefusal::Forbidden,
            BlockRefusal::Malformed,
        ],
        expect![[r#"
            NotFound 00
            WrongService 01
            BadCertificate 02
            Expired 03
            BadPayload 04
            WasErased 05
            BadRange 06
            NoSpace 07
            DiskFailed 080178
            Damaged 09
            Overloaded 0a
            Forbidden 0b
            Malformed 0c
        "#]]
    );
}

#[test]
fn registry() {
    let node = NodeId::new(ProcessRole::Blocks, 1);
    let registration = ServiceRegistration {
        service: SERVICE,
        key: ServiceKey::new([1; 32]),
        domain: FailureDomainId(2),
        class: StorageClass::Flash,
    };
    let report = ServiceReport {
        service: SERVICE,
        capacity_bytes: 1,
        available_bytes: 2,
        used_bytes: 3,
        blocks: 4,
        io_errors: 5,
        fenced: true,
    };
    let (address, state) = ("a:1".to_string(), ServiceState::Stale);
    let groups = vec![(GroupId(1), vec![node])];
    pin!(
        RegistryRequest[Map, Keys, RegisterNode, Heartbeat, SetServiceState, Health],
        [
            RegistryRequest::Map { known: Some(Epoch(1)) },
            RegistryRequest::Keys,
            RegistryRequest::RegisterNode {
                id: ID, node, address: address.clone(), groups, services: vec![registration],
            },
            RegistryRequest::Heartbeat {
                node, leads: vec![GroupId(1)], services: vec![report],
            },
            RegistryRequest::SetServiceState { id: ID, service: SERVICE, state },
            RegistryRequest::Health,
        ],
        expect![[r#"
            Map 000101
            Keys 01
            RegisterNode 020607818080803003613a310101018180808030010901010101010101010101010101010101010101010101010101010101010101010201
            Heartbeat 03818080803001010109010203040501
            SetServiceState 0406070903
            Health 05
        "#]]
    );
    let info = BlockServiceInfo {
        service: SERVICE,
        node,
        domain: FailureDomainId(1),
        class: StorageClass::Hdd,
        state,
        capacity_bytes: 2,
        available_bytes: 3,
        used_bytes: 4,
        blocks: 5,
        last_seen: Time(6),
    };
    let (last_seen, started) = (Time(1), Time(2));
    let map = ClusterMap {
        epoch: Epoch(1),
        time: Time(2),
        nodes: vec![NodeInfo {
            node,
            address,
            last_seen,
            started,
        }],
        services: vec![info],
        groups: vec![GroupInfo {
            replicas: vec![node],
            leader: None,
        }],
    };
    let severity = Severity::Degraded;
    let text = || "x".to_string();
    let finding = HealthFinding {
        code: text(),
        severity,
        what: text(),
        affects: text(),
        remedy: text(),
    };
    let keys = vec![(SERVICE, ServiceKey::new([1; 32]))];
    pin!(
        RegistryReply[Done, Unchanged, Map, Keys, Health],
        [
            RegistryReply::Done,
            RegistryReply::Unchanged,
            RegistryReply::Map(map),
            RegistryReply::Keys(keys),
            RegistryReply::Health { severity, findings: vec![finding] },
        ],
        expect![[r#"
            Done 00
            Unchanged 01
            Map 02010201818080803003613a3101020109818080803001000302030405060101818080803000
            Keys 0301090101010101010101010101010101010101010101010101010101010101010101
            Health 040101017801017801780178
        "#]]
    );
    pin!(
        Severity[Ok, Degraded, Down],
        [Severity::Ok, Severity::Degraded, Severity::Down],
        expect![[r#"
            Ok 00
            Degraded 01
            Down 02
        "#]]
    );
    pin!(
        ServiceState[Active, NoRead, NoWrite, Stale, Decommissioned],
        [
            ServiceState::Active,
            ServiceState::NoRead,
            ServiceState::NoWrite,
            ServiceState::Stale,
            ServiceState::Decommissioned,
        ],
        expect![[r#"
            Active 00
            NoRead 01
            NoWrite 02
            Stale 03
            Decommissioned 04
        "#]]
    );
}

#[test]
fn files_and_policies() {
    pin!(
        InodeKind[Directory, File, Symlink],
        [InodeKind::Directory, InodeKind::File, InodeKind::Symlink],
        expect![[r#"
            Directory 00
            File 01
            Symlink 02
        "#]]
    );
    pin!(
        StorageClass[Hdd, Flash],
        [StorageClass::Hdd, StorageClass::Flash],
        expect![[r#"
            Hdd 00
            Flash 01
        "#]]
    );
    pin!(
        BlockState[Pending, Stored, Missing],
        [BlockState::Pending, BlockState::Stored, BlockState::Missing],
        expect![[r#"
            Pending 00
            Stored 01
            Missing 02
        "#]]
    );
    pin!(
        ExtentBody[Inline, Hole, Blocks],
        [ExtentBody::Inline(vec![1]), ExtentBody::Hole, extent().body],
        expect![[r#"
            Inline 000101
            Hole 01
            Blocks 02000101018020010a090b01
        "#]]
    );
    pin!(
        NewTime[Now, At],
        [NewTime::Now, NewTime::At(FileTime(-1))],
        expect![[r#"
            Now 00
            At 0101
        "#]]
    );
    let row = ExtentRow {
        extent_bytes_max: 1,
        scheme: Scheme { data: 2, parity: 3 },
    };
    pin!(
        Policy[Snapshot, Extent, Class, Stripe, Inline],
        [
            Policy::Snapshot(SnapshotPolicy { keep_ms: Some(1), keep_versions: None }),
            Policy::Extent(ExtentPolicy { rows: vec![row] }),
            Policy::Class(ClassPolicy { flash_bytes_max: 1 }),
            Policy::Stripe(StripePolicy { stripe_bytes: 1 }),
            Policy::Inline(InlinePolicy { inline_bytes_max: 1 }),
        ],
        expect![[r#"
            Snapshot 00010100
            Extent 0101010203
            Class 0201
            Stripe 0301
            Inline 0401
        "#]]
    );
    pin!(
        PolicyKind[Snapshot, Extent, Class, Stripe, Inline],
        [
            PolicyKind::Snapshot,
            PolicyKind::Extent,
            PolicyKind::Class,
            PolicyKind::Stripe,
            PolicyKind::Inline,
        ],
        expect![[r#"
            Snapshot 00
            Extent 01
            Class 02
            Stripe 03
            Inline 04
        "#]]
    );
}

#[test]
fn connections() {
    pin!(
        PeerRole[Client, Server],
        [PeerRole::Client, PeerRole::Server],
        expect![[r#"
            Client 00
            Server 01
        "#]]
    );
    let hello = Hello {
        version_min: 1,
        version_max: 2,
        role: PeerRole::Server,
        nonce: [3; 16],
        program: "x".into(),
    };
    let challenge = Challenge {
        version: 1,
        nonce: [2; 16],
        proof: [3; 32],
    };
    let messages = [
        bytes_of(&hello),
        bytes_of(&challenge),
        bytes_of(&Confirm { proof: [1; 32] }),
        encode(&Welcome),
    ];
    let text: Vec<String> = messages.iter().map(|bytes| hex(bytes)).collect();
    expect![[r#"
        010201030303030303030303030303030303030178
        01020202020202020202020202020202020303030303030303030303030303030303030303030303030303030303030303
        0101010101010101010101010101010101010101010101010101010101010101
    "#]].assert_eq(&text.join("\n"));
}

#[test]
fn numbers_that_are_no_message() {
    let kinds =
        (0..=u16::MAX).filter_map(|number| MessageKind::from_u16(number).map(|k| (number, k)));
    let text: Vec<String> = kinds
        .map(|(number, kind)| format!("{number} {kind:?}"))
        .collect();
    expect![[r#"
        1 Hello
        16 Shard
        17 Cdc
        18 Block
        19 Registry
        64 Raft"#]]
    .assert_eq(&text.join("\n"));
    for roles in [
        ProcessRole::Registry,
        ProcessRole::Shard,
        ProcessRole::Cdc,
        ProcessRole::Blocks,
        ProcessRole::Gc,
        ProcessRole::Client,
    ] {
        let node = NodeId::new(roles, 1);
        assert_eq!(NodeId::from_u64(node.get()).map(NodeId::role), Some(roles));
    }
    assert_eq!(NodeId::new(ProcessRole::Client, 1).get(), (5 << 32) | 1);
    assert!(decode::<ShardChange>(&[200, 1]).is_err());
}
