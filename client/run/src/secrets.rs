//! The cluster secret and the client secret derived from it, and a copy of the latter where the command line
//! looks for it by itself.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use eggs_proto::hello::Secret;

use crate::{files, layout::Layout};

/// Makes the secrets of a new cluster; keeps those of an old one.
pub fn ensure(layout: &Layout) -> Result<()> {
    let dir = layout.secrets();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("create {}", dir.display()))?;
    let path = layout.cluster_secret();
    if !path.exists() {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).context("ask the kernel for random bytes")?;
        files::write_durably(&path, Secret::new(bytes).to_hex().as_bytes(), 0o600)?;
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let secret = Secret::from_hex(&text).with_context(|| format!("read {}", path.display()))?;
    let client = secret.derive_client().to_hex();
    files::write_durably(&layout.client_secret(), client.as_bytes(), 0o600)
}

/// Puts the client secret where `eggscli` finds it without being told. Returns the path, to be removed
/// at the end; `None` where there is no home directory.
pub fn publish(layout: &Layout, registry: SocketAddr) -> Result<Option<PathBuf>> {
    let Some(path) = eggs_client::credentials::default_secret_path(registry) else {
        return Ok(None);
    };
    let dir = path.parent().unwrap_or(&path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("create {}", dir.display()))?;
    let text = fs::read(layout.client_secret()).context("read the client secret")?;
    files::write_durably(&path, &text, 0o600)?;
    Ok(Some(path))
}
