//! Where a person's client secret is kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file in which the client secret of the cluster with this registry address is looked for:
/// `$XDG_CONFIG_HOME/eggsfs/<host>_<port>.secret`, or below `~/.config`. `eggsrun` writes it there.
/// `None` without a home directory.
pub fn default_secret_path(registry: SocketAddr) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(secret_path_below(&base, registry))
}

fn secret_path_below(base: &Path, registry: SocketAddr) -> PathBuf {
    let file = format!("{}_{}.secret", registry.ip(), registry.port());
    base.join("eggsfs").join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_host_and_port() {
        let path = secret_path_below(Path::new("/c"), "127.0.0.1:10001".parse().unwrap());
        assert_eq!(path, Path::new("/c/eggsfs/127.0.0.1_10001.secret"));
    }
}
