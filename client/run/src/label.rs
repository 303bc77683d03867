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

#[derive(Debug, Serialize, Deserialize)]
struct Label {
    format: u32,
    shape: Shape,
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
pub fn open(path: &Path, args: &StartArgs) -> Result<Shape> {
    let Some(stored) = read(path)? else {
        let shape = Shape::asked(args, Shape::default());
        if shape.hdd_per_domain + shape.flash_per_domain == 0 {
            bail!("a failure domain needs a disk: give --hdd-per-domain or --flash-per-domain");
        }
        let text = serde_json::to_vec_pretty(&Label {
            format: FORMAT,
            shape,
        })
        .context("encode the label")?;
        files::write_durably(path, &text, 0o644)?;
        return Ok(shape);
    };
    let asked = Shape::asked(args, stored);
    if asked != stored {
        bail!(
            "{} holds a cluster of another shape ({stored:?}): leave the options away to start it, \
             or give another --dir for a new one",
            path.parent().unwrap_or(path).display()
        );
    }
    Ok(stored)
}

/// Reads the label if there is one.
pub fn read(path: &Path) -> Result<Option<Shape>> {
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
    Ok(Some(label.shape))
}
