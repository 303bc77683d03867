//! Writes the inputs that the fuzzer begins with: `cargo run -p eggs-fuzz --example seeds`.
//!
//! Sensible conversations, so that random changes to them get past the first checks.

use std::fs;
use std::path::PathBuf;

use eggs_cdc::StepOutcome;
use eggs_fuzz::{Session, push};
use eggs_proto::block::BlockRequest;
use eggs_proto::cdc::{CdcOperation, CdcRequest, EntryName};
use eggs_proto::hello::{Hello, PeerRole};
use eggs_proto::registry::{RegistryRequest, ServiceRegistration, ServiceReport};
use eggs_proto::shard::{
    LockPurpose, NewExtent, ReleaseAction, Replace, ShardChange as C, ShardQuery as Q, ShardReply,
    ShardRequest,
};
use eggs_proto::{
    AttributeChange, BlockFacts, BlockId, BlockServiceId, Checksum, Direction, ExtentLayout,
    FailureDomainId, GroupId, Header, InlinePolicy, InodeId, InodeKind, MacTag, MessageKind, Name,
    NewAttributes, NodeId, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, Policy, ProcessRole, Refusal,
    RequestId, Scheme, ServiceKey, ServiceState, ShardId, StorageClass, Time, TransactionId,
    encode,
};

const NEW: NewAttributes = NewAttributes {
    mode: 0o755,
    uid: 1,
    gid: 2,
    mtime: None,
    atime: None,
};
const ROOT: InodeId = InodeId::ROOT;

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

fn save(family: &str, number: usize, input: &[u8]) {
    let dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this"))
        .join("corpus")
        .join(family);
    fs::create_dir_all(&dir).expect("make the directory");
    fs::write(dir.join(format!("seed-{number}")), input).expect("write a seed");
}

fn main() {
    for (number, input) in [files(), blocks(), names(), queries()].iter().enumerate() {
        save("shard", number, input);
    }
    for (number, input) in coordinator().iter().enumerate() {
        save("cdc", number, input);
    }
    for (number, input) in registry().iter().enumerate() {
        save("registry", number, input);
    }
    for (number, input) in block().iter().enumerate() {
        save("block", number, input);
    }
    for (number, input) in frames().iter().enumerate() {
        save("frame", number, input);
    }
}

fn create_file(session: &mut Session, text: &str) -> Option<InodeId> {
    let made = session.change(
        PeerRole::Client,
        C::CreateFile {
            dir: ROOT,
            name: name(text),
            replace: Replace::Files,
            attributes: NEW,
            content: b"content".to_vec(),
        },
    );
    match made {
        Ok(ShardReply::Linked { inode, .. }) => Some(inode),
        _ => None,
    }
}

fn files() -> Vec<u8> {
    let mut session = Session::default();
    let create = C::CreateTransient {
        dir: ROOT,
        attributes: NEW,
        note: "note".into(),
    };
    let Ok(ShardReply::Transient { file, cookie }) = session.change(PeerRole::Client, create)
    else {
        panic!("a transient file can be made");
    };
    let inline = C::AddInline {
        file,
        cookie,
        offset: 0,
        content: b"abc".to_vec(),
    };
    let hole = C::AddHole {
        file,
        cookie,
        offset: 3,
        size: 8192,
    };
    let link = C::Link {
        file,
        cookie,
        dir: ROOT,
        name: name("a"),
        replace: Replace::Files,
        attributes: AttributeChange::default(),
    };
    for change in [inline, hole, C::KeepAlive { file, cookie }, link] {
        session
            .change(PeerRole::Client, change)
            .expect("it is fine");
    }
    create_file(&mut session, "a");
    let unlink = C::Unlink {
        dir: ROOT,
        name: name("a"),
        expected: None,
    };
    session
        .change(PeerRole::Client, unlink)
        .expect("it is fine");
    session.into_input()
}

fn blocks() -> Vec<u8> {
    let mut session = Session::default();
    let scheme = Scheme::new(2, 1).expect("a valid scheme");
    let create = C::CreateWithExtent {
        dir: ROOT,
        attributes: NEW,
        note: "note".into(),
        extent: NewExtent {
            size: 9000,
            class: StorageClass::Flash,
            layout: ExtentLayout::for_size(9000, scheme, 1 << 20),
            checksums: vec![Checksum(5); 3],
            exclude: vec![],
        },
    };
    let Ok(ShardReply::Started {
        file,
        cookie,
        blocks,
    }) = session.change(PeerRole::Client, create)
    else {
        panic!("an extent can be placed");
    };
    let proofs = blocks
        .iter()
        .map(|block| Some(Session::proof(&block.facts)));
    let certify = C::CertifyExtent {
        file,
        cookie,
        offset: 0,
        proofs: proofs.collect(),
    };
    session
        .change(PeerRole::Client, certify)
        .expect("it is proved");
    let scrap = C::Scrap { file, cookie };
    session.change(PeerRole::Client, scrap).expect("it is fine");
    let destroy = C::DestroyTransient { file };
    session
        .change(PeerRole::Server, destroy)
        .expect("it is fine");
    session.into_input()
}

fn names() -> Vec<u8> {
    let mut session = Session::default();
    let transaction = TransactionId(77);
    let file = create_file(&mut session, "a").expect("a file can be made");
    create_file(&mut session, "b");
    let rename = C::Rename {
        dir: ROOT,
        source: name("a"),
        target: name("c"),
        replace: Replace::Files,
    };
    session
        .change(PeerRole::Client, rename)
        .expect("it is fine");
    let lock = C::LockDentry {
        dir: ROOT,
        name: name("c"),
        purpose: LockPurpose::Source {
            expected: Some(file),
        },
        transaction,
    };
    session.change(PeerRole::Server, lock).expect("it is free");
    let release = C::ReleaseDentry {
        dir: ROOT,
        name: name("c"),
        action: ReleaseAction::RemoveDeleted,
        transaction,
    };
    session
        .change(PeerRole::Server, release)
        .expect("it is held");
    let policy = C::SetPolicy {
        dir: ROOT,
        policy: Policy::Inline(InlinePolicy {
            inline_bytes_max: 100,
        }),
    };
    session
        .change(PeerRole::Client, policy)
        .expect("it is fine");
    session.into_input()
}

fn queries() -> Vec<u8> {
    let mut session = Session::default();
    let file = create_file(&mut session, "a").expect("a file can be made");
    let (after, limit) = (None, 10);
    let queries = [
        Q::Lookup {
            dir: ROOT,
            name: name("a"),
        },
        Q::Stat { inode: file },
        Q::List {
            dir: ROOT,
            after: None,
            limit,
        },
        Q::Extents {
            file,
            offset: 0,
            limit,
            cookie: None,
        },
        Q::Directory { dir: ROOT },
        Q::Snapshots {
            dir: ROOT,
            after: None,
            limit,
        },
        Q::VisitTransients { after: None, limit },
        Q::VisitDirectories { after, limit },
        Q::VisitFiles { after, limit },
        Q::VisitGarbage { after: None, limit },
        Q::Usage,
        Q::Walk {
            dir: ROOT,
            names: vec![name("a"), name("b")],
        },
    ];
    for query in queries {
        let asked = session.ask(PeerRole::Server, ShardRequest::Query(query));
        asked.expect("it is fine");
    }
    session.into_input()
}

fn coordinator() -> Vec<Vec<u8>> {
    let entry = |text| EntryName {
        dir: ROOT,
        name: name(text),
    };
    let operations = [
        CdcOperation::MakeDirectory {
            entry: entry("d"),
            attributes: NEW,
        },
        CdcOperation::RemoveDirectory { entry: entry("d") },
        CdcOperation::Rename {
            source: entry("a"),
            target: EntryName {
                dir: InodeId::new(InodeKind::Directory, ShardId(1), 5),
                name: name("b"),
            },
            replace: Replace::Files,
        },
    ];
    let outcomes = [
        StepOutcome::DentryLocked(Some(InodeId::new(InodeKind::File, ShardId(0), 9))),
        StepOutcome::DentryLocked(None),
        StepOutcome::Done,
        StepOutcome::Done,
        StepOutcome::Refused(Refusal::Locked),
        StepOutcome::Done,
    ];
    let mut inputs = Vec::new();
    for (sequence, operation) in (1..).zip(operations) {
        let mut input = Vec::new();
        let id = RequestId {
            client: 3,
            sequence,
        };
        push(&mut input, 0, &encode(&CdcRequest::Run { id, operation }));
        for outcome in &outcomes {
            push(&mut input, 1, &encode(outcome));
        }
        push(&mut input, 0, &encode(&CdcRequest::Status));
        inputs.push(input);
    }
    inputs
}

fn registry() -> Vec<Vec<u8>> {
    let node = NodeId::new(ProcessRole::Blocks, 1);
    let service = BlockServiceId(5);
    let register = |sequence| RegistryRequest::RegisterNode {
        id: RequestId {
            client: 3,
            sequence,
        },
        node,
        address: "127.0.0.1:7".into(),
        groups: vec![(GroupId::CDC, vec![node])],
        services: vec![ServiceRegistration {
            service,
            key: ServiceKey::new([3; 32]),
            domain: FailureDomainId(1),
            class: StorageClass::Hdd,
        }],
    };
    let heartbeat = RegistryRequest::Heartbeat {
        node,
        leads: vec![GroupId::CDC],
        services: vec![ServiceReport {
            service,
            capacity_bytes: 1 << 40,
            available_bytes: 1 << 39,
            used_bytes: 7,
            blocks: 1,
            io_errors: 0,
            fenced: false,
        }],
    };
    let set = RegistryRequest::SetServiceState {
        id: RequestId {
            client: 3,
            sequence: 9,
        },
        service,
        state: ServiceState::Decommissioned,
    };
    let sessions = [
        vec![register(1), heartbeat.clone()],
        vec![register(1), set.clone(), heartbeat.clone()],
        vec![set, heartbeat, register(1), register(2)],
    ];
    let written = |requests: &Vec<RegistryRequest>| {
        let mut input = Vec::new();
        for request in requests {
            push(&mut input, 0, &encode(request));
        }
        input
    };
    sessions.iter().map(written).collect()
}

fn block() -> Vec<Vec<u8>> {
    let facts = BlockFacts {
        service: BlockServiceId(1),
        block: BlockId(512),
        size: 4096,
        checksum: Checksum(4),
    };
    let (service, block) = (facts.service, facts.block);
    let certificate = MacTag([1; 16]);
    let requests = [
        BlockRequest::Write {
            facts,
            expiry: Time(10),
            certificate,
        },
        BlockRequest::Read {
            service,
            block,
            page: 0,
            pages: 1,
        },
        BlockRequest::Erase {
            facts,
            write_expiry: Time(10),
            certificate,
        },
        BlockRequest::Check { service, block },
        BlockRequest::List {
            service,
            after: Some(block),
            limit: 10,
        },
        BlockRequest::Report {
            service,
            block,
            file: InodeId::ROOT,
            offset: 4096,
        },
        BlockRequest::Damaged { service },
    ];
    requests.iter().map(encode).collect()
}

fn frames() -> Vec<Vec<u8>> {
    let hello = Hello {
        version_min: PROTOCOL_VERSION_MIN,
        version_max: PROTOCOL_VERSION,
        role: PeerRole::Client,
        nonce: [5; 16],
        program: "eggscli".into(),
    };
    let body = encode(&hello);
    let header = |kind| Header {
        direction: Direction::Request,
        kind,
        request: 1,
        deadline_ms: 1000,
        body_bytes: body.len() as u32,
        payload_bytes: 0,
    };
    let framed = |kind| [header(kind).encode().as_slice(), &body].concat();
    vec![
        framed(MessageKind::Hello),
        framed(MessageKind::Block),
        body.clone(),
    ]
}
