//! `add`, `remove` and `replace` of metadata processes of a running cluster.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use eggs_client::Client;
use eggs_proto::NodeId;

use crate::crew::{self, Crew, Role};
use crate::current::Current;
use crate::label::Shape;
use crate::layout::Layout;
use crate::{label, lock, process, ready};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

fn running(layout: &Layout) -> Result<Current> {
    let current =
        Current::read(layout)?.filter(|_| lock::holder(layout).is_ok_and(|h| h.is_some()));
    current.with_context(|| {
        format!(
            "the cluster in {dir} is not running: start it with 'eggsrun --dir {dir}'",
            dir = layout.dir().display()
        )
    })
}

/// Starts one more process and waits until it is on the cluster map.
pub async fn add(layout: &Layout, role: Role) -> Result<String> {
    start(layout, |crew, shape| crew.join(role, shape)).await
}

async fn start(layout: &Layout, join: impl FnOnce(&mut Crew, Shape) -> String) -> Result<String> {
    let current = running(layout)?;
    let shape = label::read(&layout.label())?.context("the cluster has no label")?;
    let mut crew = Crew::read(layout)?;
    let name = join(&mut crew, shape);
    crew.write(layout)?;
    crew::call_attention(layout)?;
    let node = crew::node(&name).context("a new name is a process's")?;
    let begin = Instant::now();
    loop {
        if let Ok(client) = ready::connect(layout, current.registry.clone()).await
            && client.map().node(node).is_some()
        {
            return Ok(name);
        }
        if begin.elapsed() > PATIENCE {
            bail!(
                "{name} did not start in time: see {}",
                layout.log(&name).display()
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The name under which the process in a place is on the map: a new one since it lost its directory.
fn acting(client: &Client, place: NodeId) -> Option<NodeId> {
    let map = client.map();
    let in_place = map.nodes.iter().map(|info| info.node);
    in_place.filter(|node| node.place() == place.place()).max()
}

/// Ends a process that has no replicas any more.
pub async fn remove(layout: &Layout, name: &str) -> Result<()> {
    let current = running(layout)?;
    crew::role_of(name)?;
    let node = crew::node(name).context("its kind is known")?;
    let client = ready::connect(layout, current.registry.clone()).await?;
    if acting(&client, node).is_some() {
        bail!(
            "{name} still belongs to the cluster: 'eggsrun --dir DIR replace {name}' replaces it"
        );
    }
    let mut crew = Crew::read(layout)?;
    crew.leave(name);
    crew.write(layout)?;
    crew::call_attention(layout)?;
    let begin = Instant::now();
    let listed = || {
        let current = Current::read(layout).ok().flatten();
        current.is_some_and(|current| current.names.iter().any(|known| known == name))
    };
    while listed() || process::living(layout, name).is_some() {
        if begin.elapsed() > PATIENCE {
            bail!("{name} does not end: see {}", layout.log(name).display());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Puts a new process in the place of another, whose directory may be lost.
pub async fn replace(layout: &Layout, name: &str) -> Result<()> {
    let current = running(layout)?;
    let role = crew::role_of(name)?;
    let place = crew::node(name).context("its kind is known")?;
    let client = ready::connect(layout, current.registry.clone()).await?;
    let old = acting(&client, place).unwrap_or(place).to_string();
    let new = match role {
        // Everybody knows the registry by its addresses, so its place is taken over.
        Role::Shuckle => start(layout, |crew, shape| crew.take_place(name, shape)).await?,
        role @ (Role::Shard | Role::Cdc) => add(layout, role).await?,
    };
    let here = std::env::current_exe().context("find the directory of the programs")?;
    let addresses: Vec<String> = current.registry.iter().map(ToString::to_string).collect();
    let status = Command::new(here.with_file_name("eggscli"))
        .arg("--registry")
        .arg(addresses.join(","))
        .args(["meta", "replace", &old, &new, "--cluster-secret-file"])
        .arg(layout.cluster_secret())
        .status()
        .context("run eggscli")?;
    if !status.success() {
        bail!(
            "{name} is not replaced yet: 'eggscli meta replace {old} {new}' goes on, then 'eggsrun --dir {} remove {name}'",
            layout.dir().display()
        );
    }
    remove(layout, name).await
}
