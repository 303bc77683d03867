//! Files, policies and connections.

use eggs_proto::hello::{Challenge, Confirm, Hello, PeerRole, Welcome};
use eggs_proto::shard::ShardChange;
use eggs_proto::*;
use expect_test::expect;

use crate::values::extent;
use crate::{bytes_of, hex};

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
        20 Meta
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
