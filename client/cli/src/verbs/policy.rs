//! `policy get|set|clear`.

use std::ffi::OsStr;

use eggs_proto::{Policy, PolicyKind};
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

/// A policy that applies, and whether it is set here.
pub(crate) struct Effective {
    pub(crate) policy: Policy,
    pub(crate) own: bool,
}

/// The policies that apply to a directory.
pub(crate) async fn effective(
    context: &Context,
    dir: eggs_proto::InodeId,
) -> Result<Vec<Effective>, eggs_client::ClientError> {
    let set = context.client.policies(dir).await?;
    let own: Vec<PolicyKind> = context
        .client
        .directory(dir)
        .await?
        .policies
        .iter()
        .map(Policy::kind)
        .collect();
    let all = policy::all(&set).into_iter();
    Ok(all
        .map(|policy| Effective {
            own: own.contains(&policy.kind()),
            policy,
        })
        .collect())
}

async fn get(context: &Context, path: &OsStr) -> Result<(), Failure> {
    let dir = context.directory(path, "show the policies of").await?;
    let found = effective(context, dir.inode).await;
    let all = found.map_err(|error| Failure::remote("show the policies of", show(path), &error))?;
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
        let origin = if one.own { "set here" } else { "inherited" };
        vec![name.to_owned(), value, origin.to_owned()]
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
        let origin = if one.own { "set here" } else { "inherited" };
        (
            name.to_owned(),
            json!({ "text": value, "origin": origin, "value": detail }),
        )
    };
    Value::Object(all.iter().map(one).collect())
}
