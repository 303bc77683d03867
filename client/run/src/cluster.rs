//! A start of the cluster, from checks to the end of the last process.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::StartArgs;
use crate::crew::{self, Crew};
use crate::current::Current;
use crate::label::{self, Registry, Shape};
use crate::layout::Layout;
use crate::plan::{Addresses, Founding, Inputs, Joiner, ProcessSpec, plan};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::supervisor::{Supervision, Supervisor};
use crate::{control, files, leftovers, lock, mounts, preflight, ready, secrets};

const TICK: Duration = Duration::from_millis(100);
const START_PATIENCE: Duration = Duration::from_secs(180);

/// Starts the cluster and looks after it until a signal asks for its end.
pub async fn run(layout: &Layout, args: &StartArgs) -> Result<()> {
    preflight::directories(layout)?;
    let Some(_lock) = lock::take(layout)? else {
        bail!(
            "the cluster in {dir} is running already: 'eggsrun --dir {dir} status' shows it",
            dir = layout.dir().display()
        );
    };
    let (shape, registry) = label::open(&layout.label(), args)?;
    let progress = Progress::new(layout.progress());
    progress.say("looking for what an earlier start left behind");
    leftovers::end(layout).await?;
    control::finish(layout)?;
    let mut signals = Signals::new()?;
    let (mut supervisor, current) = prepare(layout, args, (shape, registry))?;
    let outcome = tokio::select! {
        outcome = bring_up(layout, shape, &mut supervisor, &current, &progress) => outcome,
        () = signals.next() => Ok(Served::No),
    };
    progress.finish();
    let result = match outcome {
        Ok(Served::Yes) => {
            label::founded(&layout.label())?;
            supervisor.amend(ProcessSpec::note_founded);
            announce(layout, &current);
            files::write_durably(&layout.run().join("ready"), b"", 0o644)?;
            look_after(layout, &mut supervisor, current, &mut signals).await
        }
        Ok(Served::No) => Ok(()),
        Err(error) => Err(error),
    };
    supervisor.stop(|line| progress.say(line)).await;
    progress.finish();
    files::remove(&layout.run().join("ready"))?;
    control::finish(layout)?;
    result
}

enum Served {
    Yes,
    No,
}

fn prepare(
    layout: &Layout,
    args: &StartArgs,
    (shape, registry): (Shape, Registry),
) -> Result<(Supervisor, Current)> {
    let addresses = addresses(args, shape)?;
    let mount = mount(layout, args)?;
    secrets::ensure(layout)?;
    let disks = shape.failure_domains * (shape.hdd_per_domain + shape.flash_per_domain);
    let inputs = Inputs {
        layout,
        shape,
        founding: match (args.found_anew, registry) {
            (true, _) => Founding::Anew,
            (false, Registry::New) => Founding::First,
            (false, Registry::Founded) => Founding::Done,
        },
        addresses: &addresses,
        mount: mount.clone(),
        disk_capacity_bytes: preflight::disk_share(layout, disks)?,
    };
    let mut specs = plan(&inputs);
    let crew = Crew::read(layout)?;
    specs.retain(|spec| !crew.left.contains(&spec.name));
    let mut ports = Ports::new()?;
    for node in crew.present().filter_map(|name| crew::node(name)) {
        let joiner = Joiner {
            layout,
            registry: &addresses.registry,
            http: &addresses.http,
            crew: &crew,
            node,
        };
        specs.push(joiner.spec(ports.any()?));
    }
    specs.sort_by_key(|spec| spec.program);
    files::remove(&layout.crew_changed())?;
    let current = Current {
        names: specs.iter().map(|spec| spec.name.clone()).collect(),
        registry: addresses.registry.clone(),
        http: addresses.http.clone(),
        mount,
        published_secret: secrets::publish(layout, addresses.registry[0])?,
    };
    current.write(layout)?;
    let supervision = if args.no_supervise {
        Supervision::LeaveDead
    } else {
        Supervision::Restart
    };
    Ok((
        Supervisor::new(layout.clone(), specs, supervision)?,
        current,
    ))
}

fn addresses(args: &StartArgs, shape: Shape) -> Result<Addresses> {
    let mut ports = Ports::new()?;
    let mut registry = vec![ports.exactly(args.registry_port, "--registry-port")?];
    let mut http = vec![ports.exactly(args.http_port, "--http-port")?];
    for n in 1..shape.meta_replicas as u16 {
        registry.push(ports.preferably(args.registry_port.saturating_add(n))?);
        http.push(ports.preferably(args.http_port.saturating_add(n))?);
    }
    let mut some = |count| (0..count).map(|_| ports.any()).collect::<Result<Vec<_>>>();
    Ok(Addresses {
        registry,
        http,
        shards: some(shape.meta_replicas)?,
        cdc: some(shape.meta_replicas)?,
        blocks: some(shape.failure_domains)?,
    })
}

fn mount(layout: &Layout, args: &StartArgs) -> Result<Option<PathBuf>> {
    if args.no_mount {
        return Ok(None);
    }
    let path = args.mount.clone().unwrap_or_else(|| layout.default_mount());
    preflight::mount_point(&path).map(Some)
}

async fn bring_up(
    layout: &Layout,
    shape: Shape,
    supervisor: &mut Supervisor,
    current: &Current,
    progress: &Progress,
) -> Result<Served> {
    let deadline = tokio::time::sleep(START_PATIENCE);
    tokio::pin!(deadline);
    let mut tick = tokio::time::interval(TICK);
    let serving = ready::wait(layout, current.registry.clone(), shape, |line| {
        progress.say(line)
    });
    tokio::pin!(serving);
    let mut cluster_serves = false;
    loop {
        tokio::select! {
            () = &mut serving, if !cluster_serves => {
                cluster_serves = true;
                supervisor.release_mount();
                progress.say("waiting for the mount");
            }
            _ = tick.tick() => {
                supervisor.tick()?;
                if let Some(why) = supervisor.hopeless() {
                    bail!("the cluster does not start: {why}");
                }
            }
            () = &mut deadline => bail!(
                "the cluster did not start in {} s: the logs in {} may tell why",
                START_PATIENCE.as_secs(),
                layout.logs().display(),
            ),
        }
        if cluster_serves && mount_serves(layout, current) {
            return Ok(Served::Yes);
        }
    }
}

fn mount_serves(layout: &Layout, current: &Current) -> bool {
    current
        .mount
        .as_ref()
        .is_none_or(|path| layout.mounted().exists() && mounts::is_mounted(path))
}

fn announce(layout: &Layout, current: &Current) {
    println!("EggsFS is running.");
    if let Some(mount) = &current.mount {
        println!("  mount      {}", mount.display());
    }
    if let Some(address) = current.http.first() {
        println!("  dashboard  http://{address}/");
    }
    println!("  logs       {}", layout.logs().display());
    println!();
    println!("Try, in another shell:");
    if let Some(mount) = &current.mount {
        println!("  echo hello > {}/greeting", mount.display());
    }
    if let Some(registry) = current.registry.first() {
        let option = if registry.port() == 10001 {
            String::new()
        } else {
            format!(" --registry {registry}")
        };
        println!("  eggscli{option} ls -l /");
    }
    println!("  eggsrun --dir {} status", layout.dir().display());
}

async fn look_after(
    layout: &Layout,
    supervisor: &mut Supervisor,
    mut current: Current,
    signals: &mut Signals,
) -> Result<()> {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = signals.next() => return Ok(()),
            _ = tick.tick() => {
                if crew::attention(&layout.crew_changed())? {
                    muster(layout, supervisor, &mut current)?;
                }
                supervisor.tick()?;
            }
        }
    }
}

/// Starts who has joined, and ends who has left.
fn muster(layout: &Layout, supervisor: &mut Supervisor, current: &mut Current) -> Result<()> {
    let crew = Crew::read(layout)?;
    let names = supervisor.names();
    let mut ports = Ports::new()?;
    let new = crew.present().filter(|name| !names.contains(name));
    for name in names.iter().filter(|name| crew.left.contains(name)) {
        supervisor.dismiss(name)?;
    }
    for node in new.filter_map(|name| crew::node(name)) {
        let joiner = Joiner {
            layout,
            registry: &current.registry,
            http: &current.http,
            crew: &crew,
            node,
        };
        supervisor.add(joiner.spec(ports.any()?));
    }
    current.names = supervisor.names();
    current.names.retain(|name| !crew.left.contains(name));
    current.write(layout)
}

/// The signals that end a cluster.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
