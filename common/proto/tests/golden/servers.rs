//! Messages of the other servers.

use eggs_proto::audit::{CdcAuditPage, RunningTransaction};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, DamagedBlock};
use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest, EntryName};
use eggs_proto::image::{PieceId, StateKey, TableDigest};
use eggs_proto::meta::{
    GroupMembers, MemberStep, MetaReply, MetaRequest, PinnedGroup, ReplicaInfo, ReplicaProgress,
    RestoreState, RestoreStep, Standing, StateDigest, StatePiece, Wait,
};
use eggs_proto::registry::{
    DiskCondition, DiskPace, HealthFinding, Latency, RegistryReply, RegistryRequest, SchemeInUse,
    ServiceRegistration, ServiceReport, Severity, SpaceLevel, SpaceReport, StateReason, Succession,
    SuccessionWait,
};
use eggs_proto::shard::Replace;
use eggs_proto::*;
use expect_test::expect;

use crate::values::{
    BLOCK, DIR, FACTS, FILE, ID, NEW, SERVICE, TAG, TRANSACTION, name, snapshot_key,
};
use crate::{bytes_of, hex};

#[test]
fn cdc() {
    let entry = || EntryName {
        dir: DIR,
        name: name(),
    };
    let operation = CdcOperation::RemoveDirectory { entry: entry() };
    pin!(
        CdcRequest[Run, Status, Audit, RepairParent],
        [
            CdcRequest::Run { id: ID, operation },
            CdcRequest::Status,
            CdcRequest::Audit { after: Some(DIR), limit: 1 },
            CdcRequest::RepairParent { dir: DIR, known: None, parent: Some(DIR) },
        ],
        expect![[r#"
            Run 00060701818480808080808020016e
            Status 01
            Audit 020181848080808080802001
            RepairParent 038184808080808080200001818480808080808020
        "#]]
    );
    pin!(
        CdcOperation[MakeDirectory, RemoveDirectory, Rename, UndeleteDirectory],
        [
            CdcOperation::MakeDirectory { entry: entry(), attributes: NEW },
            CdcOperation::RemoveDirectory { entry: entry() },
            CdcOperation::Rename { source: entry(), target: entry(), replace: Replace::Never },
            CdcOperation::UndeleteDirectory { entry: entry(), key: snapshot_key(), inode: DIR },
        ],
        expect![[r#"
            MakeDirectory 00818480808080808020016ea4030c0d011b00
            RemoveDirectory 01818480808080808020016e
            Rename 02818480808080808020016e818480808080808020016e00
            UndeleteDirectory 03818480808080808020016e1b016e1c818480808080808020
        "#]]
    );
    let audit = CdcAuditPage {
        parents: vec![(DIR, InodeId::ROOT)],
        running: vec![RunningTransaction {
            transaction: TRANSACTION,
            inodes: vec![DIR],
        }],
        more: true,
        ..CdcAuditPage::default()
    };
    pin!(
        CdcReply[Done, Made, Status, Audit],
        [
            CdcReply::Done,
            CdcReply::Made { dir: DIR },
            CdcReply::Status { running: vec![TRANSACTION], finished: 1 },
            CdcReply::Audit(audit),
        ],
        expect![[r#"
            Done 00
            Made 01818480808080808020
            Status 02010501
            Audit 03000181848080808080802080808080808080802001050181848080808080802001
        "#]]
    );
}

#[test]
fn blocks() {
    let (service, block) = (SERVICE, BLOCK);
    pin!(
        BlockRequest[Write, Read, Erase, Check, List, Report, Damaged],
        [
            BlockRequest::Write { facts: FACTS, expiry: Time(1), certificate: TAG },
            BlockRequest::Read { service, block, page: 1, pages: 2 },
            BlockRequest::Erase { facts: FACTS, write_expiry: Time(1), certificate: TAG },
            BlockRequest::Check { service, block },
            BlockRequest::List { service, after: Some(BLOCK), limit: 1 },
            BlockRequest::Report { service, block, file: FILE, offset: 1 },
            BlockRequest::Damaged { service },
        ],
        expect![[r#"
            Write 00090a80200b0108080808080808080808080808080808
            Read 01090a0102
            Erase 02090a80200b0108080808080808080808080808080808
            Check 03090a
            List 0409010a01
            Report 05090a81868080808080804001
            Damaged 0609
        "#]]
    );
    pin!(
        BlockReply[Written, Pages, Erased, Checked, Blocks, Noted, Damaged],
        [
            BlockReply::Written { proof: TAG },
            BlockReply::Pages { checksums: vec![Checksum(1)] },
            BlockReply::Erased { proof: TAG },
            BlockReply::Checked { checksum: Checksum(1), size: 2 },
            BlockReply::Blocks { blocks: vec![(BLOCK, 1)], more: true },
            BlockReply::Noted,
            BlockReply::Damaged { blocks: vec![DamagedBlock { service, block, file: FILE, offset: 1 }] },
        ],
        expect![[r#"
            Written 0008080808080808080808080808080808
            Pages 010101
            Erased 0208080808080808080808080808080808
            Checked 030102
            Blocks 04010a0101
            Noted 05
            Damaged 0601090a81868080808080804001
        "#]]
    );
    pin!(
        BlockRefusal[
            NotFound, WrongService, BadCertificate, Expired, BadPayload, WasErased, BadRange,
            NoSpace, DiskFailed, Damaged, Overloaded, Forbidden, Malformed, Unreadable,
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
            BlockRefusal::Unreadable,
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
            Unreadable 0d
        "#]]
    );
}

fn members() -> GroupMembers {
    GroupMembers {
        group: GroupId(1),
        version: 2,
        voters: vec![NodeId::new(ProcessRole::Shard, 3)],
    }
}

#[test]
fn replicas() {
    let node = NodeId::new(ProcessRole::Shard, 3);
    let group = GroupId(1);
    pin!(
        MetaRequest[
            Replicas, Transfer, Change, Standing, Hold, Pin, Piece, Unpin, Restore, Digest, DigestOf,
            Space,
        ],
        [
            MetaRequest::Replicas { group: Some(group) },
            MetaRequest::Transfer { group, to: node },
            MetaRequest::Change { group, change: MemberStep::Settle },
            MetaRequest::Standing,
            MetaRequest::Hold { ms: 300 },
            MetaRequest::Pin { pin: 300 },
            MetaRequest::Piece {
                pin: 1,
                group,
                after: Some(StateKey { table: 17, key: vec![1, 2] }),
                known: Some(PieceId([7; 32])),
            },
            MetaRequest::Unpin { pin: 1 },
            MetaRequest::Restore { group, restore: 2, step: RestoreStep::Begin },
            MetaRequest::Digest { group, id: 3 },
            MetaRequest::DigestOf { group, id: 3 },
            MetaRequest::Space,
        ],
        expect![[r#"
            Replicas 000101
            Transfer 01018380808010
            Change 020103
            Standing 03
            Hold 04ac02
            Pin 05ac02
            Piece 0601010111020102010707070707070707070707070707070707070707070707070707070707070707
            Unpin 0701
            Restore 08010201
            Digest 090103
            DigestOf 0a0103
            Space 0b
        "#]]
    );
    pin!(
        RestoreStep[Look, Begin, Part, End],
        [
            RestoreStep::Look,
            RestoreStep::Begin,
            RestoreStep::Part { sequence: 3, chunk: vec![1, 2].into() },
            RestoreStep::End { parts: 4 },
        ],
        expect![[r#"
            Look 00
            Begin 01
            Part 0203020102
            End 0304
        "#]]
    );
    pin!(
        RestoreState[Empty, InUse, Under, Done, Unreadable],
        [
            RestoreState::Empty,
            RestoreState::InUse,
            RestoreState::Under { restore: 2, next: 3 },
            RestoreState::Done { restore: 2 },
            RestoreState::Unreadable,
        ],
        expect![[r#"
            Empty 00
            InUse 01
            Under 020203
            Done 0302
            Unreadable 04
        "#]]
    );
    pin!(
        MemberStep[AddLearner, Promote, Remove, Settle],
        [
            MemberStep::AddLearner(node),
            MemberStep::Promote { add: node, remove: Some(node) },
            MemberStep::Remove(node),
            MemberStep::Settle,
        ],
        expect![[r#"
            AddLearner 008380808010
            Promote 018380808010018380808010
            Remove 028380808010
            Settle 03
        "#]]
    );
    let info = ReplicaInfo {
        group,
        term: 2,
        leader: Some(node),
        last_log: 3,
        applied: 4,
        version: 5,
        voters: vec![node],
        changing: true,
        learners: vec![],
        progress: vec![ReplicaProgress {
            node,
            matched: Some(6),
            heard_ms: None,
        }],
    };
    pin!(
        MetaReply[Done, Replicas, Waits, Standing, Pinned, Piece, Restoring, Digest, Space],
        [
            MetaReply::Done,
            MetaReply::Replicas(vec![info]),
            MetaReply::Waits(Wait::Busy),
            MetaReply::Standing(Standing::Settled { founders: vec![1] }),
            MetaReply::Pinned(vec![PinnedGroup { group, term: 2, index: 3 }]),
            MetaReply::Piece(StatePiece {
                id: PieceId([7; 32]),
                bytes: Some(vec![1, 2].into()),
                next: None,
            }),
            MetaReply::Restoring(RestoreState::InUse),
            MetaReply::Digest(Some(StateDigest {
                index: 4,
                tables: vec![TableDigest { table: 17, rows: 2, digest: 1 }],
            })),
            MetaReply::Space(SpaceReport::default()),
        ],
        expect![[r#"
            Done 00
            Replicas 010101020183808080100304050183808080100100018380808010010600
            Waits 0200
            Standing 03010101
            Pinned 0401010203
            Piece 0507070707070707070707070707070707070707070707070707070707070707070102010200
            Restoring 0601
            Digest 07010401110201
            Space 08000000
        "#]]
    );
    pin!(
        Standing[New, Settled],
        [
            Standing::New { incarnation: 1 },
            Standing::Settled { founders: vec![2] },
        ],
        expect![[r#"
            New 0001
            Settled 010102
        "#]]
    );
    pin!(
        Wait[Busy, Behind, NotMember, NoMajority, TooMany],
        [
            Wait::Busy,
            Wait::Behind(node),
            Wait::NotMember(node),
            Wait::NoMajority,
            Wait::TooMany,
        ],
        expect![[r#"
            Busy 00
            Behind 018380808010
            NotMember 028380808010
            NoMajority 03
            TooMany 04
        "#]]
    );
}

fn pace() -> DiskPace {
    let latency = |count| Latency {
        count,
        p50_us: 2,
        p95_us: 3,
        p99_us: 300,
    };
    DiskPace {
        service: SERVICE,
        reads: latency(1),
        writes: latency(7),
    }
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
    let space = SpaceReport {
        level: SpaceLevel::Low,
        available_bytes: 2,
        capacity_bytes: 3,
    };
    let in_use = SchemeInUse {
        class: StorageClass::Flash,
        scheme: Scheme {
            data: 10,
            parity: 4,
        },
    };
    let (address, state) = ("a:1".to_string(), ServiceState::Stale);
    let groups = vec![(GroupId(1), vec![node])];
    pin!(
        RegistryRequest[
            Map, Keys, RegisterNode, Heartbeat, SetServiceState, Health, Claim, Members, Retire,
            Space, Pace, Disks, Succeed, Confirm, Schemes,
        ],
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
            RegistryRequest::Claim { id: ID, node, incarnation: 1 },
            RegistryRequest::Members { id: ID, node, groups: vec![members()] },
            RegistryRequest::Retire { id: ID, node },
            RegistryRequest::Space { id: ID, node, report: space },
            RegistryRequest::Pace { node, disks: vec![pace()] },
            RegistryRequest::Disks,
            RegistryRequest::Succeed { id: ID, node, was: Some(2), incarnation: 1 },
            RegistryRequest::Confirm { id: ID, node, incarnation: 1 },
            RegistryRequest::Schemes { id: ID, node, in_use: vec![in_use] },
        ],
        expect![[r#"
            Map 000101
            Keys 01
            RegisterNode 020607818080803003613a310101018180808030010901010101010101010101010101010101010101010101010101010101010101010201
            Heartbeat 03818080803001010109010203040501
            SetServiceState 0406070903
            Health 05
            Claim 060607818080803001
            Members 0706078180808030010102018380808010
            Retire 0806078180808030
            Space 0906078180808030010203
            Pace 0a81808080300109010203ac02070203ac02
            Disks 0b
            Succeed 0c06078180808030010201
            Confirm 0d0607818080803001
            Schemes 0e0607818080803001010a04
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
    let disk = DiskCondition {
        pace: pace(),
        io_errors: 9,
        reason: Some(StateReason::Slow),
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
        RegistryReply[Done, Unchanged, Map, Keys, Health, Members, Disks, Succession],
        [
            RegistryReply::Done,
            RegistryReply::Unchanged,
            RegistryReply::Map(map),
            RegistryReply::Keys(keys),
            RegistryReply::Health { severity, findings: vec![finding] },
            RegistryReply::Members(vec![members()]),
            RegistryReply::Disks(vec![disk]),
            RegistryReply::Succession(Succession::Named { node, places: vec![node] }),
        ],
        expect![[r#"
            Done 00
            Unchanged 01
            Map 02010201818080803003613a3101020109818080803001000302030405060101818080803000
            Keys 0301090101010101010101010101010101010101010101010101010101010101010101
            Health 040101017801017801780178
            Members 05010102018380808010
            Disks 060109010203ac02070203ac02090103
            Succession 07008180808030018180808030
        "#]]
    );
    pin!(
        Succession[Named, Waits],
        [
            Succession::Named { node, places: vec![] },
            Succession::Waits(SuccessionWait::Heard(node)),
        ],
        expect![[r#"
            Named 00818080803000
            Waits 01008180808030
        "#]]
    );
    pin!(
        SuccessionWait[Heard, NoMajority, Rebuilding, TooSoon],
        [
            SuccessionWait::Heard(node),
            SuccessionWait::NoMajority(GroupId(1)),
            SuccessionWait::Rebuilding(node),
            SuccessionWait::TooSoon { ms: 300 },
        ],
        expect![[r#"
            Heard 008180808030
            NoMajority 0101
            Rebuilding 028180808030
            TooSoon 03ac02
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
