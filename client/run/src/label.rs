//! The label of a cluster's directory: its format and what the cluster consists of.
//!
//! **Invariant:** the shape of a cluster is fixed when its directory is made; a start that asks for another one is
//! refused, because replicas and disks cannot be conjured up by a flag.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{args::StartArgs, files};

/// Version of the directory as a whole. Another one is refused.
const FORMAT: u32 = 1;

/// What a cluster consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub meta_replicas: u32,
    pub failure_domains: u32,
    pub hdd_per_domain: u32,
    pub flash_per_domain: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            meta_replicas: 3,
            failure_domains: 16,
            hdd_per_domain: 1,
            flash_per_domain: 1,
        }
    }
}

/// Whether the cluster's registry has ever served: then no start founds another one, unless a person says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// Not that we know.
    #[default]
    New,
    Founded,
}

#[derive(Debug, Serialize, Deserialize)]
struct Label {
    format: u32,
    shape: Shape,
    /// Absent in older ones.
    #[serde(default)]
    registry: Registry,
}

impl Shape {
    /// The shape that the options ask for, with `base` for what they leave open.
    fn asked(args: &StartArgs, base: Self) -> Self {
        let replicas = args
            .meta_replicas
            .as_deref()
            .and_then(|text| text.parse().ok());
        Self {
            meta_replicas: replicas.unwrap_or(base.meta_replicas),
            failure_domains: args.failure_domains.unwrap_or(base.failure_domains),
            hdd_per_domain: args.hdd_per_domain.unwrap_or(base.hdd_per_domain),
            flash_per_domain: args.flash_per_domain.unwrap_or(base.flash_per_domain),
        }
    }
}

/// Reads the label, or writes it into a new directory.
pub fn open(path: &Path, args: &StartArgs) -> Result<(Shape, Registry)> {
    let Some(label) = read_whole(path)? else {
        let shape = Shape::asked(args, Shape::default());
        if shape.hdd_per_domain + shape.flash_per_domain == 0 {
            bail!("a failure domain needs a disk: give --hdd-per-domain or --flash-per-domain");
        }
        write(path, shape, Registry::New)?;
        return Ok((shape, Registry::New));
    };
    let stored = label.shape;
    let asked = Shape::asked(args, stored);
    if asked != stored {
        bail!(
            "{} holds a cluster of another shape ({stored:?}): leave the options away to start it, \
             or give another --dir for a new one",
            path.parent().unwrap_or(path).display()
        );
    }
    Ok((stored, label.registry))
}

/// Notes that the registry serves.
pub fn founded(path: &Path) -> Result<()> {
    match read_whole(path)? {
        Some(label) if label.registry == Registry::New => {
            write(path, label.shape, Registry::Founded)
        }
        Some(_) | None => Ok(()),
    }
}

fn write(path: &Path, shape: Shape, registry: Registry) -> Result<()> {
    let label = Label {
        format: FORMAT,
        shape,
        registry,
    };
    let text = serde_json::to_vec_pretty(&label).context("encode the label")?;
    files::write_durably(path, &text, 0o644)
}

/// Reads the shape if there is a label.
pub fn read(path: &Path) -> Result<Option<Shape>> {
    Ok(read_whole(path)?.map(|label| label.shape))
}

fn read_whole(path: &Path) -> Result<Option<Label>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let value: serde_json::Value = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is damaged: restore it or use another --dir",
            path.display()
        )
    })?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        bail!(
            "{} was written by another version of EggsFS (format {}, this one reads {FORMAT}): \
             use that version, or another --dir",
            path.display(),
            format.map_or("unknown".into(), |n| n.to_string()),
        );
    }
    let label: Label = serde_json::from_value(value).with_context(|| {
        format!(
            "{} is damaged: restore it or use another --dir",
            path.display()
        )
    })?;
    Ok(Some(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_remembers_that_it_was_founded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("label.json");
        founded(&path).unwrap();
        assert!(!path.exists(), "only of a cluster that there is");
        fs::write(
            &path,
            r#"{"format":1,"shape":{"meta_replicas":1,"failure_domains":2,"hdd_per_domain":1,"flash_per_domain":0}}"#,
        )
        .unwrap();
        let old = read_whole(&path).unwrap().unwrap();
        assert_eq!(old.registry, Registry::New, "an older label says nothing");
        founded(&path).unwrap();
        let label = read_whole(&path).unwrap().unwrap();
        assert_eq!(
            (label.shape, label.registry),
            (old.shape, Registry::Founded)
        );
    }
}
