//! `disk`: block services, their states, and emptying them.

use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::{BlockServiceId, ServiceState};
use serde_json::json;

use super::{drain, status};
use crate::args::DiskVerb;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::disk::show_state;

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
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&map.services.iter().map(status::service_json).collect())?,
        Format::Text => output.lines(&status::services(&map))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
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
        | RegistryReply::Members(_) => Err(Failure::new(
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
