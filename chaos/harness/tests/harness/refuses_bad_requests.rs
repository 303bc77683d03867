//! Requests of a client that knows the secret and means ill, or has a bug: a typed answer, and no other effect.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use eggs_client::{Client, ClientError};
use eggs_harness::{Cluster, Content, Options};
use eggs_proto::block::{BlockRefusal, BlockRequest};
use eggs_proto::shard::{
    AddExtent, Replace, ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest,
};
use eggs_proto::{
    AttributeChange, BlockFacts, CallError, CallResult, Checksum, Cookie, ExtentBody, ExtentLayout,
    InodeId, MacTag, MessageKind, Name, NewAttributes, Refusal, Scheme, ShardId, StorageClass,
    decode, encode,
};
use eggs_rpc::ClientLimits;

const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};
const ANSWER: Duration = Duration::from_secs(20);

#[test]
fn bad_requests_are_refused_and_change_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let content = Content {
        seed: 1,
        bytes: 300_000,
    };
    std::fs::write(cluster.mount().join("file"), content.make())?;
    let pids = pids(&cluster)?;
    let listing = cluster.cli(&["ls", "-l", "/"])?.ok()?;
    let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
    runtime.block_on(async {
        let client = cluster.client().await?;
        transient_files(&client).await?;
        proofs(&client).await?;
        certificates(&client).await?;
        anyhow::Ok(())
    })?;
    runtime.block_on(raw_messages(&cluster))?;
    for program in ["shard", "cdc", "shuckle", "blocks"] {
        let told = complaints(&cluster, program)?;
        ensure!(told > 0, "no {program} complains");
    }
    ensure!(pids == self::pids(&cluster)?, "a process was stopped");
    ensure!(cluster.cli(&["ls", "-l", "/"])?.ok()? == listing);
    let read = std::fs::read(cluster.mount().join("file"))?;
    content.check(&read).map_err(anyhow::Error::msg)?;
    cluster.wait_healthy()
}

/// Processes of a role that logged a refusal.
fn complaints(cluster: &Cluster, program: &str) -> Result<usize> {
    let mut found = 0;
    for name in cluster.process_names()? {
        if name.starts_with(program) {
            let log = cluster.dir().join("log").join(format!("{name}.log"));
            let text = std::fs::read_to_string(log).context("read a log")?;
            found += usize::from(text.contains("request refused"));
        }
    }
    Ok(found)
}

fn pids(cluster: &Cluster) -> Result<Vec<rustix::process::Pid>> {
    let names = cluster.process_names()?;
    names.iter().map(|name| cluster.pid(name)).collect()
}

fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>, expected: &Refusal) -> Result<()> {
    match result {
        Err(ClientError::Refused(refusal)) if refusal == *expected => Ok(()),
        other => anyhow::bail!("{other:?} instead of {expected:?}"),
    }
}

async fn transient(client: &Client) -> Result<(InodeId, Cookie)> {
    let create = ShardChange::CreateTransient {
        dir: InodeId::ROOT,
        attributes: ATTRIBUTES,
        note: "hostile".into(),
    };
    match client.shard_change(ShardId(0), create).await? {
        ShardReply::Transient { file, cookie } => Ok((file, cookie)),
        other => anyhow::bail!("{other:?}"),
    }
}

fn link(file: InodeId, cookie: Cookie) -> Result<ShardChange> {
    Ok(ShardChange::Link {
        file,
        cookie,
        dir: InodeId::ROOT,
        name: Name::new("forged")?,
        replace: Replace::Files,
        attributes: AttributeChange::default(),
    })
}

async fn transient_files(client: &Client) -> Result<()> {
    let (file, cookie) = transient(client).await?;
    let change = |change| client.shard_change(ShardId(0), change);
    let forged = Cookie(cookie.0 ^ 1);
    refused(change(link(file, forged)?).await, &Refusal::BadCookie)?;
    let keep = ShardChange::KeepAlive {
        file,
        cookie: forged,
    };
    refused(change(keep).await, &Refusal::BadCookie)?;
    // A stale one: the file is given up already.
    change(ShardChange::Scrap { file, cookie }).await?;
    let stale = change(link(file, cookie)?).await;
    ensure!(matches!(stale, Err(ClientError::Refused(_))), "{stale:?}");
    // Another shard's business.
    let elsewhere = ShardQuery::Stat {
        inode: InodeId::ROOT,
    };
    let asked = client.shard_query(ShardId(7), elsewhere).await;
    refused(asked, &Refusal::WrongShard)?;
    let unlink = ShardChange::Unlink {
        dir: InodeId::ROOT,
        name: Name::new("file")?,
        expected: None,
    };
    let asked = client.shard_change(ShardId(9), unlink).await;
    refused(asked, &Refusal::WrongShard)?;
    // Only servers may do this.
    let destroy = client.shard_change(ShardId(0), ShardChange::DestroyTransient { file });
    refused(destroy.await, &Refusal::Forbidden)
}

async fn proofs(client: &Client) -> Result<()> {
    let (file, cookie) = transient(client).await?;
    let scheme = Scheme::new(1, 2).context("1+2 is a scheme")?;
    let add = AddExtent {
        file,
        cookie,
        offset: 0,
        size: 100,
        class: StorageClass::Flash,
        layout: ExtentLayout::for_size(100, scheme, 1 << 20),
        checksums: vec![Checksum(1); 3],
        exclude: Vec::new(),
        certify: None,
    };
    let add = ShardChange::AddExtent(add);
    let reply = client.shard_change(ShardId(0), add).await?;
    ensure!(matches!(reply, ShardReply::Placed(_)), "{reply:?}");
    let certify = ShardChange::CertifyExtent {
        file,
        cookie,
        offset: 0,
        proofs: vec![Some(MacTag([7; 16])); 3],
    };
    let forged = client.shard_change(ShardId(0), certify).await;
    refused(forged, &Refusal::BadProof { index: 0 })?;
    let uncertified = client.shard_change(ShardId(0), link(file, cookie)?).await;
    refused(uncertified, &Refusal::NotCertified)?;
    client
        .shard_change(ShardId(0), ShardChange::Scrap { file, cookie })
        .await?;
    Ok(())
}

/// Writing and erasing with certificates that nobody signed.
async fn certificates(client: &Client) -> Result<()> {
    let dentry = client.lookup(InodeId::ROOT, &Name::new("file")?).await?;
    let extents = client.extents(dentry.inode).await?;
    let facts = extents.iter().find_map(|extent| match &extent.body {
        ExtentBody::Blocks { layout, blocks, .. } => blocks.first().map(|block| BlockFacts {
            service: block.service,
            block: block.block,
            size: layout.block_bytes(),
            checksum: block.checksum,
        }),
        ExtentBody::Inline(_) | ExtentBody::Hole => None,
    });
    let facts = facts.context("a file of 300 kB has blocks")?;
    let erase = BlockRequest::Erase {
        facts,
        write_expiry: eggs_proto::Time(0),
        certificate: MacTag([0; 16]),
    };
    let refused_with = |result: Result<_, ClientError>, expected: BlockRefusal| match result {
        Err(ClientError::Block { refusal, .. }) if refusal == expected => Ok(()),
        Err(error) => Err(anyhow::anyhow!("{error:?} instead of {expected:?}")),
        Ok::<(eggs_proto::block::BlockReply, Bytes), _>(reply) => Err(anyhow::anyhow!("{reply:?}")),
    };
    let answer = client
        .block_request(facts.service, erase, Bytes::new())
        .await;
    refused_with(answer, BlockRefusal::BadCertificate)?;
    let write = BlockRequest::Write {
        facts,
        expiry: eggs_proto::Time(u64::MAX),
        certificate: MacTag([0; 16]),
    };
    let payload = Bytes::from(vec![0; facts.size as usize]);
    let answer = client.block_request(facts.service, write, payload).await;
    refused_with(answer, BlockRefusal::BadCertificate)?;
    let read = BlockRequest::Read {
        service: facts.service,
        block: facts.block,
        page: u32::MAX,
        pages: u32::MAX,
    };
    let answer = client
        .block_request(facts.service, read, Bytes::new())
        .await;
    refused_with(answer, BlockRefusal::BadRange)
}

/// A lookup in root whose name is not one: an encoded name of the same length, overwritten.
fn lookup_of(name: &[u8]) -> Result<Vec<u8>> {
    let valid = Name::new(vec![b'A'; name.len().clamp(1, 255)])?;
    let query = ShardQuery::Lookup {
        dir: InodeId::ROOT,
        name: valid,
    };
    let call = ShardCall {
        shard: ShardId(0),
        request: ShardRequest::Query(query),
    };
    let mut body = encode(&call);
    let at = body.iter().position(|b| *b == b'A').context("the name")?;
    body.truncate(at);
    match name.len() {
        0 => *body.last_mut().context("the length")? = 0,
        256 => {
            body.truncate(at - 2);
            body.extend([0x80, 0x02]); // 256, seven bits at a time
        }
        _ => {}
    }
    body.extend(name);
    Ok(body)
}

/// Messages that no well-behaved client can make, to every process.
async fn raw_messages(cluster: &Cluster) -> Result<()> {
    let client = cluster.client().await?;
    let limits = ClientLimits::default();
    let rpc = eggs_rpc::Client::new(cluster.credentials()?, "hostile", limits);
    let map = client.map();
    let mut nodes = Vec::new();
    for node in &map.nodes {
        let address: SocketAddr = node.address.parse().context("parse an address")?;
        nodes.push((node.node.to_string(), address));
    }
    let mut asked = 0;
    let long = vec![b'x'; 256];
    let names: [&[u8]; 6] = [b"", b".", b"..", b"a/b", b"a\0b", &long];
    for (_, address) in nodes.iter().filter(|(name, _)| name.starts_with("shard")) {
        for name in names {
            let answer = ask(&rpc, *address, MessageKind::Shard, lookup_of(name)?).await?;
            ensure!(
                matches!(answer, Some(CallError::Malformed | CallError::NotHosted)),
                "{answer:?} to a lookup of {name:?}"
            );
            asked += 1;
        }
    }
    ensure!(asked >= 18, "only {asked} lookups were sent");
    for (_, address) in &nodes {
        for kind in [
            MessageKind::Shard,
            MessageKind::Cdc,
            MessageKind::Block,
            MessageKind::Registry,
            MessageKind::Raft,
        ] {
            for seed in 0..8 {
                let bytes = 1 << seed;
                let body = Content { seed, bytes }.make();
                ask(&rpc, *address, kind, body).await?;
            }
        }
    }
    Ok(())
}

/// The error that a message was answered with, if any. A closed connection is an answer, silence is not.
async fn ask(
    rpc: &eggs_rpc::Client,
    address: SocketAddr,
    kind: MessageKind,
    body: Vec<u8>,
) -> Result<Option<CallError>> {
    let sent = rpc.call(address, kind, ANSWER, body.into(), Bytes::new());
    match sent.await {
        Ok(reply) => Ok(decode::<CallResult<ShardReply>>(&reply.body)
            .ok()
            .and_then(Result::err)),
        Err(eggs_rpc::RpcError::Deadline { .. }) => anyhow::bail!("{address} says nothing"),
        Err(_) => Ok(None),
    }
}
