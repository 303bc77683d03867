//! Who we are to the other end of a connection, and the secret that proves it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use eggs_proto::hello::{BadSecret, PeerRole, Secret};

/// A secret file is 64 digits; nobody needs to read more than this.
const FILE_BYTES_MAX: u64 = 1024;

/// A role and its secret. Servers know the cluster secret, and from it the client secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    role: PeerRole,
    secret: Secret,
}

/// Why credentials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file could not be read.
    #[error("read secret file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("secret file {path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file does not contain a secret.
    #[error("secret file {path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadSecret,
    },
}

/// Reads a secret from a file that only its owner may read.
pub fn read_secret(path: &Path) -> Result<Secret, CredentialsError> {
    let failed = |source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Secret::from_hex(&text).map_err(|source| CredentialsError::Malformed {
        path: path.to_owned(),
        source,
    })
}

impl Credentials {
    /// Credentials of a server, from the cluster secret.
    pub const fn server(cluster_secret: Secret) -> Self {
        Self {
            role: PeerRole::Server,
            secret: cluster_secret,
        }
    }

    /// Credentials of a client, from the client secret.
    pub const fn client(client_secret: Secret) -> Self {
        Self {
            role: PeerRole::Client,
            secret: client_secret,
        }
    }

    /// Reads the secret of `role` from a file that only its owner may read.
    pub fn from_file(path: &Path, role: PeerRole) -> Result<Self, CredentialsError> {
        let secret = read_secret(path)?;
        Ok(Self { role, secret })
    }

    /// The role that these credentials prove.
    pub const fn role(&self) -> PeerRole {
        self.role
    }

    /// The cluster's name, which only those know who know its secret.
    pub fn cluster_id(&self) -> Option<u64> {
        match self.role {
            PeerRole::Server => Some(self.secret.cluster_id()),
            PeerRole::Client => None,
        }
    }

    /// The secret that a peer of `role` has to know, if we know it.
    pub(crate) fn secret_of(&self, role: PeerRole) -> Option<Secret> {
        match (self.role, role) {
            (PeerRole::Server, PeerRole::Client) => Some(self.secret.derive_client()),
            (PeerRole::Server, PeerRole::Server) | (PeerRole::Client, PeerRole::Client) => {
                Some(self.secret.clone())
            }
            (PeerRole::Client, PeerRole::Server) => None,
        }
    }

    pub(crate) const fn own_secret(&self) -> &Secret {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_private_file_is_read() {
        let good = file(&Secret::new([7; 32]).to_hex(), 0o600);
        let read = Credentials::from_file(good.path(), PeerRole::Server).unwrap();
        assert_eq!(read.role(), PeerRole::Server);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o644, 0o620] {
            let exposed = file(&Secret::new([7; 32]).to_hex(), mode);
            let error = Credentials::from_file(exposed.path(), PeerRole::Client).unwrap_err();
            assert!(error.to_string().contains("run `chmod 600 "), "{error}");
        }
    }

    #[test]
    fn missing_and_malformed_files_say_so() {
        let missing = Credentials::from_file(Path::new("/nonexistent"), PeerRole::Client);
        assert!(matches!(missing, Err(CredentialsError::Read { .. })));
        let short = file("abcd", 0o600);
        let malformed = Credentials::from_file(short.path(), PeerRole::Client);
        assert!(matches!(malformed, Err(CredentialsError::Malformed { .. })));
    }
}
