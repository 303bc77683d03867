//! Who has joined a cluster since it was made, and who has left it.
//!
//! **Invariant:** a number is given once: a process that joins never gets the name of one that was there before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use eggs_proto::{NodeId, ProcessRole};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::label::Shape;
use crate::layout::Layout;

/// Processes that are not as the shape says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crew {
    /// Names of those that joined, also of those that left again.
    pub joined: Vec<String>,
    /// Names of those that left.
    pub left: Vec<String>,
    /// Who of the registry took whose place, and with it its addresses: everybody is told these when it starts.
    #[serde(default)]
    pub places: BTreeMap<String, String>,
}

impl Crew {
    pub fn read(layout: &Layout) -> Result<Self> {
        let path = layout.crew();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged: restore it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    pub fn write(&self, layout: &Layout) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("encode who is there")?;
        files::write_durably(&layout.crew(), &text, 0o644)
    }

    /// Those who joined and have not left.
    pub fn present(&self) -> impl Iterator<Item = &String> {
        let stays = |name: &&String| !self.left.contains(name);
        self.joined.iter().filter(stays)
    }

    /// Takes one more process in, under a name that was never used.
    pub fn join(&mut self, role: Role, shape: Shape) -> String {
        let numbers = self.joined.iter().filter_map(|name| node(name));
        let of_role = numbers.filter(|node| node.role() == role.process());
        let last = of_role.map(NodeId::index).max();
        let index = last.map_or(shape.meta_replicas, |last| last + 1);
        let name = NodeId::new(role.process(), index).to_string();
        self.joined.push(name.clone());
        name
    }

    /// Takes in a registry process that has the place of another, which leaves.
    pub fn take_place(&mut self, old: &str, shape: Shape) -> String {
        let name = self.join(Role::Shuckle, shape);
        self.leave(old);
        self.places.insert(name.clone(), old.to_owned());
        name
    }

    /// The registry process that is in a place now.
    pub fn holder(&self, place: usize) -> NodeId {
        let mut holder = NodeId::new(ProcessRole::Registry, place as u32);
        // Each has a larger number than the one it replaced, so this ends.
        while let Some(next) = self.places.iter().find_map(|(new, old)| {
            let taken = *old == holder.to_string();
            node(new).filter(|new| taken && *new > holder)
        }) {
            holder = next;
        }
        holder
    }

    /// Notes that a process has left.
    pub fn leave(&mut self, name: &str) {
        if !self.left.iter().any(|left| left == name) {
            self.left.push(name.to_owned());
        }
    }
}

/// Kinds of processes that may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// `eggsshard`
    Shard,
    /// `eggscdc`
    Cdc,
    /// `eggsshuckle`, only in the place of another
    #[value(skip)]
    Shuckle,
}

impl Role {
    pub const fn process(self) -> ProcessRole {
        match self {
            Self::Shard => ProcessRole::Shard,
            Self::Cdc => ProcessRole::Cdc,
            Self::Shuckle => ProcessRole::Registry,
        }
    }
}

/// The process that a name stands for, if it is of a kind that may join.
pub fn node(name: &str) -> Option<NodeId> {
    let roles = [ProcessRole::Shard, ProcessRole::Cdc, ProcessRole::Registry];
    let node = name.parse::<NodeId>().ok()?;
    roles.contains(&node.role()).then_some(node)
}

/// The kind of process that may take the place of another.
pub fn role_of(name: &str) -> Result<Role> {
    match node(name).map(NodeId::role) {
        Some(ProcessRole::Shard) => Ok(Role::Shard),
        Some(ProcessRole::Cdc) => Ok(Role::Cdc),
        Some(ProcessRole::Registry) => Ok(Role::Shuckle),
        Some(_) | None => bail!("{name} cannot be replaced: give a process such as shard0 or cdc1"),
    }
}

/// Tells the supervisor to look at the crew again.
pub fn call_attention(layout: &Layout) -> Result<()> {
    let path = layout.crew_changed();
    fs::write(&path, "").with_context(|| format!("write {}", path.display()))
}

/// Whether somebody has called for that; forgets it.
pub fn attention(path: &Path) -> Result<bool> {
    let called = path.exists();
    if called {
        files::remove(path)?;
    }
    Ok(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_once() {
        let mut crew = Crew::default();
        let shape = Shape::default();
        assert_eq!(crew.join(Role::Shard, shape), "shard3");
        assert_eq!(crew.join(Role::Cdc, shape), "cdc3");
        crew.leave("shard0");
        crew.leave("shard3");
        crew.leave("shard3");
        assert_eq!(crew.join(Role::Shard, shape), "shard4");
        assert_eq!(crew.present().collect::<Vec<_>>(), ["cdc3", "shard4"]);
        assert_eq!(crew.left, ["shard0", "shard3"]);
    }

    #[test]
    fn only_metadata_processes_are_replaced() {
        assert_eq!(role_of("shard12").unwrap(), Role::Shard);
        assert_eq!(role_of("cdc0").unwrap(), Role::Cdc);
        assert_eq!(role_of("shuckle2").unwrap(), Role::Shuckle);
        assert!(role_of("blocks0").is_err() && role_of("shard").is_err());
    }

    #[test]
    fn places_of_the_registry_pass_on() {
        let mut crew = Crew::default();
        let shape = Shape::default();
        assert_eq!(crew.take_place("shuckle1", shape), "shuckle3");
        assert_eq!(crew.take_place("shuckle0", shape), "shuckle4");
        assert_eq!(crew.take_place("shuckle3", shape), "shuckle5");
        let holders: Vec<u32> = (0..3).map(|place| crew.holder(place).index()).collect();
        assert_eq!(holders, [4, 5, 2]);
        assert_eq!(crew.left, ["shuckle1", "shuckle0", "shuckle3"]);
    }
}
