//! What processes a cluster consists of and how each is started. Pure.

use std::net::SocketAddr;
use std::path::PathBuf;

use eggs_proto::{NodeId, ProcessRole};

use crate::{crew::Crew, label::Shape, layout::Layout};

/// Programs in the order in which they are started. They are stopped in the opposite order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Registry,
    Shard,
    Cdc,
    Blocks,
    Gc,
    Fuse,
}

impl Program {
    pub const fn binary(self) -> &'static str {
        match self {
            Self::Registry => "eggsshuckle",
            Self::Shard => "eggsshard",
            Self::Cdc => "eggscdc",
            Self::Blocks => "eggsblocks",
            Self::Gc => "eggsgc",
            Self::Fuse => "eggsfuse",
        }
    }
}

/// How long somebody has to put a directory back that has moved away, in seconds.
const REBUILD_EMPTY_AFTER_S: u32 = 5;

/// One process to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// As in `shard0`.
    pub name: String,
    pub program: Program,
    pub args: Vec<String>,
}

impl ProcessSpec {
    /// There is a registry now: nobody founds one who is started again.
    pub fn note_founded(&mut self) {
        const JOIN: &str = "--join";
        match self.program {
            Program::Registry => {
                self.args.retain(|arg| arg != "--found-anew" && arg != JOIN);
                self.args.push(JOIN.into());
            }
            Program::Shard | Program::Cdc | Program::Blocks | Program::Gc | Program::Fuse => {}
        }
    }
}

/// Where everything listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub registry: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    pub shards: Vec<SocketAddr>,
    pub cdc: Vec<SocketAddr>,
    pub blocks: Vec<SocketAddr>,
}

/// Whether registry processes with new directories found a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Founding {
    /// Yes: there was none yet.
    First,
    /// No: there is one.
    Done,
    /// Yes: a person says that the one there was is lost.
    Anew,
}

/// What the plan follows from.
pub struct Inputs<'a> {
    pub layout: &'a Layout,
    pub shape: Shape,
    pub founding: Founding,
    pub addresses: &'a Addresses,
    /// `None` with `--no-mount`.
    pub mount: Option<PathBuf>,
    /// Bytes that one disk directory may use.
    pub disk_capacity_bytes: u64,
}

/// All processes, in the order in which they are started.
pub fn plan(inputs: &Inputs<'_>) -> Vec<ProcessSpec> {
    let mut specs = Vec::new();
    for id in 0..inputs.addresses.registry.len() {
        specs.push(registry(inputs, id));
    }
    for (id, address) in inputs.addresses.shards.iter().enumerate() {
        specs.push(meta(
            inputs,
            Program::Shard,
            "shard",
            id,
            *address,
            &inputs.addresses.shards,
        ));
    }
    for (id, address) in inputs.addresses.cdc.iter().enumerate() {
        specs.push(meta(
            inputs,
            Program::Cdc,
            "cdc",
            id,
            *address,
            &inputs.addresses.cdc,
        ));
    }
    for (id, address) in inputs.addresses.blocks.iter().enumerate() {
        specs.push(blocks(inputs, id, *address));
    }
    specs.push(gc(inputs));
    specs.extend(
        inputs
            .mount
            .as_ref()
            .map(|mount| fuse(inputs, mount.display().to_string())),
    );
    specs
}

/// A metadata process that joins a cluster.
pub struct Joiner<'a> {
    pub layout: &'a Layout,
    /// Places of the registry.
    pub registry: &'a [SocketAddr],
    /// Their dashboards.
    pub http: &'a [SocketAddr],
    pub crew: &'a Crew,
    pub node: NodeId,
}

impl Joiner<'_> {
    /// How it is started. `address` is for those that are not of the registry, who have the place of another.
    pub fn spec(&self, address: SocketAddr) -> ProcessSpec {
        let Self {
            layout,
            registry,
            crew,
            node,
            ..
        } = self;
        let name = node.to_string();
        let dir = layout.data(&name);
        let mut args = vec![
            format!("--id={}", node.index()),
            format!("--dir={}", dir.display()),
            "--join".to_owned(),
            format!("--secret-file={}", layout.cluster_secret().display()),
            rebuild(),
        ];
        let place = (0..registry.len()).find(|place| crew.holder(*place) == *node);
        let program = match (node.role(), place) {
            (ProcessRole::Registry, Some(place)) => {
                let holders = registry.iter().enumerate();
                let peers = holders.map(|(at, a)| format!("{}={a}", crew.holder(at).index()));
                args.push(format!("--listen={}", registry[place]));
                args.extend(self.http.get(place).map(|http| format!("--http={http}")));
                args.push(format!("--peers={}", peers.collect::<Vec<_>>().join(",")));
                Program::Registry
            }
            (role, _) => {
                // It learns from the registry where the others are.
                args.push(format!("--listen={address}"));
                args.push(format!("--peers={}={address}", node.index()));
                args.push(format!("--registry={}", listed(registry)));
                match role {
                    ProcessRole::Cdc => Program::Cdc,
                    ProcessRole::Registry
                    | ProcessRole::Shard
                    | ProcessRole::Blocks
                    | ProcessRole::Gc
                    | ProcessRole::Client => Program::Shard,
                }
            }
        };
        ProcessSpec {
            name,
            program,
            args,
        }
    }
}

fn registry(inputs: &Inputs<'_>, id: usize) -> ProcessSpec {
    let name = format!("shuckle{id}");
    let mut args = vec![
        format!("--id={id}"),
        format!("--dir={}", inputs.layout.data(&name).display()),
        format!("--listen={}", inputs.addresses.registry[id]),
        format!("--http={}", inputs.addresses.http[id]),
        format!("--peers={}", numbered(&inputs.addresses.registry)),
        secret(inputs),
        rebuild(),
    ];
    match inputs.founding {
        Founding::First => {}
        Founding::Done => args.push("--join".into()),
        Founding::Anew => args.push("--found-anew".into()),
    }
    ProcessSpec {
        name,
        program: Program::Registry,
        args,
    }
}

fn meta(
    inputs: &Inputs<'_>,
    program: Program,
    prefix: &str,
    id: usize,
    address: SocketAddr,
    peers: &[SocketAddr],
) -> ProcessSpec {
    let name = format!("{prefix}{id}");
    let args = vec![
        format!("--id={id}"),
        format!("--dir={}", inputs.layout.data(&name).display()),
        format!("--listen={address}"),
        format!("--peers={}", numbered(peers)),
        format!("--registry={}", listed(&inputs.addresses.registry)),
        secret(inputs),
        rebuild(),
    ];
    ProcessSpec {
        name,
        program,
        args,
    }
}

/// Directories of processes are below that of the cluster, which has a label: one that is empty is lost, not somewhere else.
fn rebuild() -> String {
    format!("--rebuild-empty-after={REBUILD_EMPTY_AFTER_S}")
}

fn blocks(inputs: &Inputs<'_>, id: usize, address: SocketAddr) -> ProcessSpec {
    let name = format!("blocks{id}");
    let dir = inputs.layout.data(&name);
    let mut args = vec![
        format!("--id={id}"),
        format!("--domain={id}"),
        format!("--dir={}", dir.display()),
        format!("--listen={address}"),
        format!("--registry={}", listed(&inputs.addresses.registry)),
        secret(inputs),
        format!("--disk-capacity={}", inputs.disk_capacity_bytes),
    ];
    let disks = (0..inputs.shape.hdd_per_domain).map(|n| ("hdd", n));
    for (class, n) in disks.chain((0..inputs.shape.flash_per_domain).map(|n| ("flash", n))) {
        args.push(format!(
            "--disk={class}:{}",
            dir.join(format!("{class}{n}")).display()
        ));
    }
    ProcessSpec {
        name,
        program: Program::Blocks,
        args,
    }
}

fn gc(inputs: &Inputs<'_>) -> ProcessSpec {
    let args = vec![
        "--id=0".into(),
        format!("--dir={}", inputs.layout.data("gc0").display()),
        format!("--registry={}", listed(&inputs.addresses.registry)),
        secret(inputs),
    ];
    ProcessSpec {
        name: "gc0".into(),
        program: Program::Gc,
        args,
    }
}

fn fuse(inputs: &Inputs<'_>, mount: String) -> ProcessSpec {
    let args = vec![
        format!("--registry={}", listed(&inputs.addresses.registry)),
        format!("--secret-file={}", inputs.layout.client_secret().display()),
        format!("--mount={mount}"),
        format!("--ready-file={}", inputs.layout.mounted().display()),
    ];
    ProcessSpec {
        name: "fuse0".into(),
        program: Program::Fuse,
        args,
    }
}

fn secret(inputs: &Inputs<'_>) -> String {
    format!("--secret-file={}", inputs.layout.cluster_secret().display())
}

fn listed(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(SocketAddr::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn numbered(addresses: &[SocketAddr]) -> String {
    let numbered = addresses
        .iter()
        .enumerate()
        .map(|(id, address)| format!("{id}={address}"));
    numbered.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::loopback;

    fn names(shape: Shape, mount: Option<PathBuf>) -> Vec<String> {
        let specs = specs(shape, mount, Founding::First);
        specs.into_iter().map(|spec| spec.name).collect()
    }

    fn specs(shape: Shape, mount: Option<PathBuf>, founding: Founding) -> Vec<ProcessSpec> {
        let ports = |n: u32| {
            (0..n)
                .map(|i| loopback(2000 + i as u16))
                .collect::<Vec<_>>()
        };
        let addresses = Addresses {
            registry: ports(shape.meta_replicas),
            http: ports(shape.meta_replicas),
            shards: ports(shape.meta_replicas),
            cdc: ports(shape.meta_replicas),
            blocks: ports(shape.failure_domains),
        };
        let layout = Layout::new("/c".into());
        let inputs = Inputs {
            layout: &layout,
            shape,
            founding,
            addresses: &addresses,
            mount,
            disk_capacity_bytes: 1 << 30,
        };
        plan(&inputs)
    }

    #[test]
    fn a_registry_is_founded_once() {
        for (founding, expected) in [
            (Founding::First, None),
            (Founding::Done, Some("--join")),
            (Founding::Anew, Some("--found-anew")),
        ] {
            let specs = specs(Shape::default(), None, founding);
            for spec in specs.iter().filter(|s| s.program == Program::Registry) {
                let said = ["--join", "--found-anew"];
                let said = spec.args.iter().find(|arg| said.contains(&arg.as_str()));
                assert_eq!(said.map(String::as_str), expected, "{}", spec.name);
            }
            for mut spec in specs {
                let before = spec.args.clone();
                spec.note_founded();
                let join = spec.args.iter().any(|arg| arg == "--join");
                assert_eq!(join, spec.program == Program::Registry, "{}", spec.name);
                assert!(!spec.args.iter().any(|arg| arg == "--found-anew"));
                assert!(join || spec.args == before);
            }
        }
    }

    #[test]
    fn the_default_cluster_has_all_its_processes_in_starting_order() {
        let names = names(Shape::default(), Some("/m".into()));
        assert_eq!(names.len(), 3 + 3 + 3 + 16 + 1 + 1);
        assert_eq!(names[0], "shuckle0");
        assert_eq!(names[3], "shard0");
        assert_eq!(names[6], "cdc0");
        assert_eq!(names[9], "blocks0");
        assert_eq!(names[24..], ["blocks15", "gc0", "fuse0"]);
    }

    #[test]
    fn a_small_cluster_without_a_mount() {
        let shape = Shape {
            meta_replicas: 1,
            failure_domains: 2,
            ..Shape::default()
        };
        let expected = ["shuckle0", "shard0", "cdc0", "blocks0", "blocks1", "gc0"];
        assert_eq!(names(shape, None), expected);
    }
}
