//! `stat`: everything about a path.

use std::ffi::OsStr;

use eggs_client::{FollowLast, Resolved};
use eggs_proto::shard::DirectoryInfo;
use eggs_proto::{BlockState, ClusterMap, Extent, ExtentBlock, ExtentBody, InodeKind};
use serde_json::{Value, json};

use super::ls::add_attributes;
use super::policy::{self, Effective};
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::mode::{show_kind, show_mode};
use crate::text::size::show_size;
use crate::text::table::{Align, lines};
use crate::text::time::show_precise;

/// What only some kinds have.
#[derive(Default)]
struct Details {
    extents: Vec<Extent>,
    directory: Option<DirectoryInfo>,
    target: Option<Vec<u8>>,
    policies: Vec<Effective>,
}

pub(crate) async fn run(
    context: &Context,
    path: &OsStr,
    dereference: bool,
) -> Result<Exit, Failure> {
    let follow = if dereference {
        FollowLast::Yes
    } else {
        FollowLast::No
    };
    let found = context.resolve(path, follow, "show").await?;
    let details = details(context, &found).await;
    let details = details.map_err(|error| Failure::remote("show", show(path), &error))?;
    let map = context.client.map();
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(path, &found, &details, &map))?,
        Format::Text => output.lines(&as_lines(path, &found, &details, &map))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn details(context: &Context, found: &Resolved) -> Result<Details, eggs_client::ClientError> {
    let (client, inode) = (&context.client, found.inode);
    let mut details = Details::default();
    match inode.kind() {
        InodeKind::File => {
            details.extents = client.extents(inode).await?;
            details.policies = policy::effective(context, found.parent).await?;
        }
        InodeKind::Directory => {
            details.directory = Some(client.directory(inode).await?);
            details.policies = policy::effective(context, inode).await?;
        }
        InodeKind::Symlink => details.target = Some(client.read_link(inode).await?),
    }
    Ok(details)
}

fn as_lines(path: &OsStr, found: &Resolved, details: &Details, map: &ClusterMap) -> Vec<String> {
    let (inode, a) = (found.inode, &found.attributes);
    let mut facts = vec![
        ("path", show(path)),
        ("kind", show_kind(inode.kind()).to_owned()),
        ("inode", inode.to_string()),
        ("shard", inode.shard().to_string()),
        (
            "size",
            format!(
                "{} ({}), {} on disks",
                a.size,
                show_size(a.size),
                show_size(a.physical_bytes)
            ),
        ),
        (
            "mode",
            format!("{:04o} ({})", a.mode, show_mode(inode.kind(), a.mode)),
        ),
        ("owner", format!("{}:{}", a.uid, a.gid)),
        ("mtime", show_precise(a.mtime)),
        ("ctime", show_precise(a.ctime)),
        ("atime", show_precise(a.atime)),
        ("created", show_precise(a.created)),
    ];
    if let Some(target) = &details.target {
        facts.push(("target", String::from_utf8_lossy(target).into_owned()));
    }
    if let Some(info) = &details.directory {
        facts.push(("parent", info.parent.to_string()));
        facts.push(("snapshots", info.snapshots.to_string()));
    }
    let rows: Vec<Vec<String>> = facts
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    let mut all = lines(&[Align::Left, Align::Left], &rows);
    for extent in &details.extents {
        all.push(format!(
            "extent {}..{}  {}",
            extent.offset,
            extent.end(),
            body(&extent.body)
        ));
        if let ExtentBody::Blocks { blocks, .. } = &extent.body {
            let rows: Vec<Vec<String>> = blocks
                .iter()
                .enumerate()
                .map(|(at, block)| block_row(at, block, map))
                .collect();
            let aligned = lines(
                &[
                    Align::Right,
                    Align::Left,
                    Align::Left,
                    Align::Left,
                    Align::Left,
                    Align::Left,
                ],
                &rows,
            );
            all.extend(aligned.into_iter().map(|line| format!("  {line}")));
        }
    }
    if !details.policies.is_empty() {
        all.push("policies".to_owned());
        all.extend(
            policy::as_lines(&details.policies)
                .into_iter()
                .map(|line| format!("  {line}")),
        );
    }
    all
}

fn body(body: &ExtentBody) -> String {
    match body {
        ExtentBody::Inline(bytes) => format!("inline, {} bytes in the metadata", bytes.len()),
        ExtentBody::Hole => "hole".to_owned(),
        ExtentBody::Blocks { class, layout, .. } => format!(
            "{} on {class}, {} stripes of cells of {}",
            layout.scheme,
            layout.stripes,
            show_size(layout.cell_bytes.into())
        ),
    }
}

fn block_row(at: usize, block: &ExtentBlock, map: &ClusterMap) -> Vec<String> {
    let state = show_state(block.state);
    if block.state == BlockState::Missing {
        return vec![at.to_string(), block.block.to_string(), state.to_owned()];
    }
    let (node, domain, service_state) = place(block, map);
    vec![
        at.to_string(),
        block.block.to_string(),
        state.to_owned(),
        format!("service {}", block.service),
        format!("{node} {domain}"),
        service_state.to_owned(),
    ]
}

fn place(block: &ExtentBlock, map: &ClusterMap) -> (String, String, &'static str) {
    match map.service(block.service) {
        Some(info) => (
            info.node.to_string(),
            info.domain.to_string(),
            crate::text::disk::show_state(info.state),
        ),
        None => ("?".to_owned(), "?".to_owned(), "unknown"),
    }
}

const fn show_state(state: BlockState) -> &'static str {
    match state {
        BlockState::Pending => "pending",
        BlockState::Stored => "stored",
        BlockState::Missing => "missing",
    }
}

fn as_json(path: &OsStr, found: &Resolved, details: &Details, map: &ClusterMap) -> Value {
    let inode = found.inode;
    let mut value = json!({
        "path": show(path),
        "kind": show_kind(inode.kind()),
        "inode": inode.to_string(),
        "shard": inode.shard().0,
        "parent": found.parent.to_string(),
    });
    add_attributes(&mut value, &found.attributes);
    if let Some(target) = &details.target {
        value["target"] = String::from_utf8_lossy(target).into();
    }
    if let Some(info) = &details.directory {
        value["snapshots"] = info.snapshots.into();
    }
    if inode.kind() == InodeKind::File {
        value["extents"] = details
            .extents
            .iter()
            .map(|extent| extent_json(extent, map))
            .collect();
    }
    if !details.policies.is_empty() {
        value["policies"] = policy::as_json(&details.policies);
    }
    value
}

fn extent_json(extent: &Extent, map: &ClusterMap) -> Value {
    let mut value = json!({ "offset": extent.offset, "size": extent.size });
    match &extent.body {
        ExtentBody::Inline(_) => value["kept"] = "inline".into(),
        ExtentBody::Hole => value["kept"] = "hole".into(),
        ExtentBody::Blocks {
            class,
            layout,
            blocks,
        } => {
            value["kept"] = "blocks".into();
            value["class"] = class.to_string().into();
            value["scheme"] = layout.scheme.to_string().into();
            value["stripes"] = layout.stripes.into();
            value["cell_bytes"] = layout.cell_bytes.into();
            value["block_bytes"] = layout.block_bytes().into();
            value["blocks"] = blocks.iter().map(|block| block_json(block, map)).collect();
        }
    }
    value
}

fn block_json(block: &ExtentBlock, map: &ClusterMap) -> Value {
    let (node, domain, service_state) = place(block, map);
    json!({
        "block": block.block.to_string(),
        "state": show_state(block.state),
        "service": block.service.to_string(),
        "node": node,
        "failure_domain": domain,
        "service_state": service_state,
    })
}
