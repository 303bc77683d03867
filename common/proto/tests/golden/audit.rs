//! What an audit says.

use eggs_proto::audit::{
    AuditCursor, AuditPage, Claim, Finding, FindingCode, HeldLock, OwnerKey, PresentInode,
    RecountFrom, RepairStep, ShardRepair,
};
use eggs_proto::cdc::EntryName;
use eggs_proto::*;
use expect_test::expect;

use crate::values::{BLOCK, DIR, FILE, SERVICE, TRANSACTION, name, snapshot_key};
use crate::{bytes_of, hex};

fn entry() -> EntryName {
    EntryName {
        dir: DIR,
        name: name(),
    }
}

#[test]
fn finding_codes() {
    let mut text = String::new();
    for (number, code) in FindingCode::ALL.iter().enumerate() {
        assert_eq!(bytes_of(code), [u8::try_from(number).unwrap()]);
        text.push_str(&format!("{number} {}\n", code.words().0));
    }
    expect![[r#"
        0 inode-on-wrong-shard
        1 name-without-directory
        2 name-misplaced
        3 placeholder-unlocked
        4 directory-counts
        5 detached-with-entries
        6 name-without-file
        7 name-without-inode
        8 file-owners
        9 extent-without-file
        10 extent-gap
        11 file-counts
        12 linked-uncertified
        13 extent-malformed
        14 block-twice
        15 garbage-misfiled
        16 service-index
        17 deadline-index
        18 usage-counters
        19 number-reused
        20 file-without-name
        21 file-with-several-names
        22 directory-without-name
        23 directory-with-several-names
        24 directory-parent
        25 coordinator-parent
        26 coordinator-parent-of-nothing
        27 lock-leaked
        28 bar-leaked
        29 parents-loop
        30 coordinator-counters
        31 tree-sums
        32 xattr-without-inode
        33 xattrs-too-large
        34 tree-report
        35 carried-attributes
    "#]]
    .assert_eq(&text);
}

#[test]
fn repairs() {
    let (shard, from) = (ShardId(1), RecountFrom::Here);
    pin!(
        ShardRepair[
            Directory, File, ServiceIndex, DeadlineIndex, Owners, Parent, Adopt, Recount, GoOn,
            ForgetReport, ReportAgain, Carry,
        ],
        [
            ShardRepair::Directory { dir: DIR },
            ShardRepair::File { file: FILE },
            ShardRepair::ServiceIndex { service: SERVICE, file: FILE },
            ShardRepair::DeadlineIndex { deadline: Time(1), file: FILE },
            ShardRepair::Owners {
                file: FILE,
                owners: vec![OwnerKey::Current { name: entry(), created: Time(1) }],
            },
            ShardRepair::Parent { dir: DIR, known: DIR, parent: InodeId::ROOT },
            ShardRepair::Adopt { dir: DIR, name: name(), inode: FILE },
            ShardRepair::Recount { shard, from },
            ShardRepair::GoOn { inode: FILE },
            ShardRepair::ForgetReport { dir: DIR, child: FILE },
            ShardRepair::ReportAgain { dir: DIR },
            ShardRepair::Carry { dir: DIR, name: name() },
        ],
        expect![[r#"
            Directory 00818480808080808020
            File 01818680808080808040
            ServiceIndex 0209818680808080808040
            DeadlineIndex 0301818680808080808040
            Owners 048186808080808080400100818480808080808020016e01
            Parent 05818480808080808020818480808080808020808080808080808020
            Adopt 06818480808080808020016e818680808080808040
            Recount 070101
            GoOn 08818680808080808040
            ForgetReport 09818480808080808020818680808080808040
            ReportAgain 0a818480808080808020
            Carry 0b818480808080808020016e
        "#]]
    );
    pin!(
        RecountFrom[Beginning, Here],
        [RecountFrom::Beginning, RecountFrom::Here],
        expect![[r#"
            Beginning 00
            Here 01
        "#]]
    );
    pin!(
        RepairStep[Shard, Parent, Adopt, Unlock, Unbar],
        [
            RepairStep::Shard(ShardRepair::File { file: FILE }),
            RepairStep::Parent { dir: DIR, known: None, parent: Some(DIR) },
            RepairStep::Adopt { inode: FILE, parent: None, known: Some(DIR) },
            RepairStep::Unlock { name: entry(), transaction: TRANSACTION },
            RepairStep::Unbar { dir: DIR, transaction: TRANSACTION },
        ],
        expect![[r#"
            Shard 0001818680808080808040
            Parent 018184808080808080200001818480808080808020
            Adopt 028186808080808080400001818480808080808020
            Unlock 03818480808080808020016e05
            Unbar 0481848080808080802005
        "#]]
    );
}

#[test]
fn pages() {
    pin!(
        OwnerKey[Current, Snapshot],
        [
            OwnerKey::Current { name: entry(), created: Time(1) },
            OwnerKey::Snapshot { dir: DIR, key: snapshot_key() },
        ],
        expect![[r#"
            Current 00818480808080808020016e01
            Snapshot 018184808080808080201b016e1c
        "#]]
    );
    pin!(
        PresentInode[Linked, Directory, Removed],
        [
            PresentInode::Linked { inode: FILE, owners: 1 },
            PresentInode::Directory { inode: DIR, parent: DIR, barred: Some(TRANSACTION) },
            PresentInode::Removed { inode: DIR },
        ],
        expect![[r#"
            Linked 0081868080808080804001
            Directory 018184808080808080208184808080808080200105
            Removed 02818480808080808020
        "#]]
    );
    let owner = OwnerKey::Snapshot {
        dir: DIR,
        key: snapshot_key(),
    };
    let claim = Claim {
        inode: FILE,
        owner,
        owned: true,
        collecting: false,
        lock: Some(TRANSACTION),
    };
    let finding = Finding::new(FindingCode::BlockTwice, "x").of_inode(FILE);
    let finding = finding
        .of_block(BLOCK)
        .of_service(SERVICE)
        .of_name(DIR, name());
    let page = AuditPage {
        findings: vec![finding],
        claims: vec![claim],
        inodes: vec![PresentInode::Removed { inode: DIR }],
        locks: vec![HeldLock {
            name: entry(),
            transaction: TRANSACTION,
        }],
        blocks: vec![(BLOCK, FILE)],
        next: Some(AuditCursor(vec![7])),
        moved: true,
    };
    expect!["010e0181868080808080804001818480808080808020016e010a010901780001818680808080808040018184808080808080201b016e1c01000105010281848080808080802001818480808080808020016e05010a81868080808080804001010701"].assert_eq(&hex(&bytes_of(&page)));
}
