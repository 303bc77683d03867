//! How the running cluster was started: what `status`, `stop` and scripts need to know.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{files, layout::Layout};

/// Written at each start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Current {
    pub names: Vec<String>,
    pub registry: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    pub mount: Option<PathBuf>,
    /// The client secret published in the user's configuration directory.
    pub published_secret: Option<PathBuf>,
}

impl Current {
    pub fn write(&self, layout: &Layout) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("encode the state of the start")?;
        files::write_durably(&layout.current(), &text, 0o644)
    }

    pub fn read(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.current();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is damaged: remove it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
}
