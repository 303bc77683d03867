//! `policy get|set|clear`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use eggs_client::FollowLast;
use eggs_proto::{InodeId, Policy};
use serde_json::{Value, json};

use crate::args::PolicyVerb;
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::policy;
use crate::text::table::{Align, lines};

pub(crate) async fn run(context: &Context, verb: PolicyVerb) -> Result<Exit, Failure> {
    match verb {
        PolicyVerb::Get { path } => get(context, &path).await?,
        PolicyVerb::Set { path, policy } => {
            let policy = policy::policy_of(policy)
                .map_err(|why| Failure::usage(format!("cannot set this policy: {why}")))?;
            let dir = context.directory(&path, "set a policy of").await?;
            let set = context.client.set_policy(dir.inode, policy).await;
            set.map_err(|error| Failure::remote("set a policy of", show(&path), &error))?;
        }
        PolicyVerb::Clear { path, kind } => {
            let dir = context.directory(&path, "clear a policy of").await?;
            let cleared = context.client.clear_policy(dir.inode, kind.into()).await;
            cleared.map_err(|error| Failure::remote("clear a policy of", show(&path), &error))?;
        }
    }
    Ok(Exit::Fine)
}

/// A policy that applies, and where it is set.
pub(crate) struct Effective {
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
}

/// Where a policy is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Here,
    /// On a directory above, and its path if the path that was given leads through it.
    Above(InodeId, Option<String>),
    /// Nowhere.
    Default,
}

/// The policies that apply to a directory.
pub(crate) async fn effective(
    context: &Context,
    dir: InodeId,
) -> Result<Vec<Effective>, eggs_client::ClientError> {
    let set = context.client.policies(dir).await?;
    let origins = context.client.policy_origins(dir).await?;
    let origin = |kind| match origins.get(&kind) {
        None => Origin::Default,
        Some(at) if *at == dir => Origin::Here,
        Some(at) => Origin::Above(*at, None),
    };
    let all = policy::all(&set).into_iter();
    Ok(all
        .map(|policy| Effective {
            origin: origin(policy.kind()),
            policy,
        })
        .collect())
}

/// Finds the paths of directories that a path leads through.
async fn name_origins(context: &Context, path: &OsStr, all: &mut [Effective]) {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for (end, _) in slashes {
        let above = OsStr::from_bytes(bytes.get(..end).unwrap_or_default());
        let above = if end == 0 { OsStr::new("/") } else { above };
        // One that cannot be asked any more stays a number.
        let Ok(found) = context
            .client
            .resolve(above.as_bytes(), FollowLast::Yes)
            .await
        else {
            continue;
        };
        for one in all.iter_mut() {
            if let Origin::Above(at, path) = &mut one.origin
                && *at == found.inode
            {
                *path = Some(show(above));
            }
        }
    }
}

async fn get(context: &Context, path: &OsStr) -> Result<(), Failure> {
    let dir = context.directory(path, "show the policies of").await?;
    let found = effective(context, dir.inode).await;
    let mut all =
        found.map_err(|error| Failure::remote("show the policies of", show(path), &error))?;
    name_origins(context, path, &mut all).await;
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(&all))?,
        Format::Text => output.lines(&as_lines(&all))?,
    }
    output.finish()
}

pub(crate) fn as_lines(all: &[Effective]) -> Vec<String> {
    let row = |one: &Effective| {
        let (name, value) = policy::show(&one.policy);
        let origin = match &one.origin {
            Origin::Here => "set here".to_owned(),
            Origin::Above(_, Some(path)) => format!("set on {path}"),
            Origin::Above(dir, None) => format!("set on {dir}"),
            Origin::Default => "default".to_owned(),
        };
        vec![name.to_owned(), value, origin]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    lines(&[Align::Left, Align::Left, Align::Left], &rows)
}

pub(crate) fn as_json(all: &[Effective]) -> Value {
    let one = |one: &Effective| {
        let (name, value) = policy::show(&one.policy);
        let detail = match &one.policy {
            Policy::Snapshot(policy) => json!(policy),
            Policy::Extent(policy) => json!(policy.rows),
            Policy::Class(policy) => json!(policy),
            Policy::Stripe(policy) => json!(policy),
            Policy::Inline(policy) => json!(policy),
        };
        let (origin, dir, path) = match &one.origin {
            Origin::Here => ("set here", None, None),
            Origin::Above(dir, path) => ("inherited", Some(dir.to_string()), path.as_deref()),
            Origin::Default => ("default", None, None),
        };
        let shown = json!({
            "text": value,
            "origin": origin,
            "directory": dir,
            "path": path,
            "value": detail,
        });
        (name.to_owned(), shown)
    };
    Value::Object(all.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use eggs_proto::{InlinePolicy, InodeKind, ShardId};

    use super::*;

    #[test]
    fn where_a_policy_comes_from_is_said() {
        let dir = InodeId::new(InodeKind::Directory, ShardId(1), 2);
        let policy = Policy::Inline(InlinePolicy {
            inline_bytes_max: 100,
        });
        let shown = |origin: Origin| {
            let policy = policy.clone();
            let all = [Effective { policy, origin }];
            let json = as_json(&all)["inline"].clone();
            (as_lines(&all)[0].clone(), json["origin"].clone())
        };
        let (line, origin) = shown(Origin::Above(dir, Some("/a".into())));
        assert!(
            line.ends_with("set on /a") && origin == "inherited",
            "{line}"
        );
        assert!(
            shown(Origin::Above(dir, None))
                .0
                .ends_with("0x2000000000000201")
        );
        assert!(shown(Origin::Here).0.ends_with("set here"));
        assert_eq!(shown(Origin::Default).1, "default");
    }
}
