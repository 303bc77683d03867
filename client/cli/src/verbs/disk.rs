//! `disk`: block services, their states, and emptying them.

use std::collections::BTreeMap;

use eggs_proto::registry::{DiskCondition, Latency, RegistryReply, RegistryRequest};
use eggs_proto::{BlockServiceId, BlockServiceInfo, ClusterMap, ServiceState};
use serde_json::{Value, json};

use super::{drain, status};
use crate::args::DiskVerb;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::disk::{show_p95, show_reason, show_state};
use crate::text::size::show_size;
use crate::text::table::{Align, lines};

/// What the map does not say about disks.
type Conditions = BTreeMap<BlockServiceId, DiskCondition>;

pub(crate) async fn run(context: &Context, verb: DiskVerb) -> Result<Exit, Failure> {
    match verb {
        DiskVerb::List => list(context).await,
        DiskVerb::Set { service, state, .. } => {
            set_state(context, service, state).await?;
            told(context, service, state)
        }
        DiskVerb::Drain {
            services,
            force,
            wait,
            ..
        } => {
            let options = drain::Options {
                caution: force.into(),
                patience: wait.into(),
            };
            drain::run(context, &services, options).await
        }
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let map = context.client.refresh_map().await;
    let map = map.map_err(|error| Failure::remote("ask", "the registry", &error))?;
    let conditions = conditions(context).await;
    let mut output = Output::new();
    match context.format {
        Format::Json => {
            let disk = |info| disk_json(info, &conditions);
            output.json(&map.services.iter().map(disk).collect())?;
        }
        Format::Text => output.lines(&table(&map, &conditions))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

/// What the map does not say; empty if the registry is of an earlier release and does not know.
async fn conditions(context: &Context) -> Conditions {
    match context.client.registry(RegistryRequest::Disks).await {
        Ok(RegistryReply::Disks(disks)) => {
            let by_service = disks.into_iter().map(|disk| (disk.pace.service, disk));
            by_service.collect()
        }
        Ok(
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Health { .. }
            | RegistryReply::Members(_)
            | RegistryReply::Succession(_),
        )
        | Err(_) => Conditions::new(),
    }
}

fn disk_json(info: &BlockServiceInfo, conditions: &Conditions) -> Value {
    let mut all = status::service_json(info);
    if let (Some(condition), Value::Object(fields)) = (conditions.get(&info.service), &mut all) {
        let latency = |of: Latency| {
            json!({
                "count": of.count,
                "p50_us": of.p50_us,
                "p95_us": of.p95_us,
                "p99_us": of.p99_us,
            })
        };
        fields.insert("io_errors".into(), json!(condition.io_errors));
        fields.insert("reason".into(), json!(condition.reason.map(show_reason)));
        fields.insert("reads".into(), latency(condition.pace.reads));
        fields.insert("writes".into(), latency(condition.pace.writes));
    }
    all
}

fn table(map: &ClusterMap, conditions: &Conditions) -> Vec<String> {
    let heading = [
        "BLOCK SERVICE",
        "PROCESS",
        "DOMAIN",
        "CLASS",
        "STATE",
        "USED",
        "AVAILABLE",
        "BLOCKS",
        "ERRORS",
        "READ P95",
        "WRITE P95",
    ];
    let row = |info: &BlockServiceInfo| {
        let condition = conditions.get(&info.service);
        let reason = condition.and_then(|condition| condition.reason);
        let state = show_state(info.state);
        vec![
            info.service.to_string(),
            info.node.to_string(),
            info.domain.to_string(),
            info.class.to_string(),
            reason.map_or(state.to_owned(), |why| {
                format!("{state} ({})", show_reason(why))
            }),
            show_size(info.used_bytes),
            show_size(info.available_bytes),
            info.blocks.to_string(),
            condition.map_or("-".to_owned(), |condition| condition.io_errors.to_string()),
            condition.map_or("-".to_owned(), |condition| show_p95(condition.pace.reads)),
            condition.map_or("-".to_owned(), |condition| show_p95(condition.pace.writes)),
        ]
    };
    let mut sorted: Vec<&BlockServiceInfo> = map.services.iter().collect();
    sorted.sort_by_key(|info| (info.domain, info.class, info.service));
    let heading = heading.map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(sorted.into_iter().map(row))
        .collect();
    let (left, right) = (Align::Left, Align::Right);
    let columns = [
        left, left, left, left, left, right, right, right, right, right, right,
    ];
    lines(&columns, &rows)
}

/// Tells the registry what a person wants of a disk.
pub(crate) async fn set_state(
    context: &Context,
    service: BlockServiceId,
    state: ServiceState,
) -> Result<(), Failure> {
    let request = RegistryRequest::SetServiceState {
        id: context.client.next_request_id(),
        service,
        state,
    };
    let failed = |error| Failure::remote("set the state of", format!("disk {service}"), &error);
    match context.client.registry(request).await.map_err(failed)? {
        RegistryReply::Done => Ok(()),
        RegistryReply::Unchanged
        | RegistryReply::Map(_)
        | RegistryReply::Keys(_)
        | RegistryReply::Health { .. }
        | RegistryReply::Members(_)
        | RegistryReply::Disks(_)
        | RegistryReply::Succession(_) => Err(Failure::new(
            Exit::Failed,
            "the registry gave an answer that makes no sense",
        )),
    }
}

fn told(context: &Context, service: BlockServiceId, state: ServiceState) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let state = show_state(state);
    match context.format {
        Format::Json => output.json(&json!({ "service": service.to_string(), "state": state }))?,
        Format::Text => output.line(format!("disk {service} is {state}"))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}
