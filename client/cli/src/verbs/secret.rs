//! `secret`: files with the secrets of a cluster. Nothing is asked of anybody, and no secret is shown.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use eggs_proto::hello::Secret;
use eggs_rpc::CredentialsError;
use serde_json::json;

use crate::args::SecretVerb;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

pub(crate) fn run(format: Format, verb: &SecretVerb) -> Result<Exit, Failure> {
    match verb {
        SecretVerb::New { file } => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|error| {
                let sentence = format!("cannot get random bytes from the kernel: {error}");
                Failure::new(Exit::Failed, sentence)
            })?;
            write(file, &Secret::new(bytes))?;
            let what = "servers of a new cluster prove themselves with it";
            said(format, file, what)
        }
        SecretVerb::Client { cluster, file } => {
            write(file, &read(cluster)?.derive_client())?;
            said(format, file, "clients prove themselves with it")
        }
    }
}

/// Never over an old one: whoever loses a cluster's secret has lost the cluster.
fn write(path: &Path, secret: &Secret) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::local("write", path.display(), &error);
    let mut options = OpenOptions::new();
    let options = options.create_new(true).write(true).mode(0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(secret.to_hex().as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = File::open(dir.unwrap_or(Path::new(".")));
    dir.and_then(|dir| dir.sync_all()).map_err(failed)
}

fn read(path: &Path) -> Result<Secret, Failure> {
    let failed = |error: CredentialsError| Failure::new(Exit::Failed, error.to_string());
    eggs_rpc::read_secret(path).map_err(failed)
}

fn said(format: Format, file: &Path, what: &str) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let file = file.display().to_string();
    match format {
        Format::Text => output.line(format!("{file}: {what}"))?,
        Format::Json => output.json(&json!({ "file": file }))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::PathBuf;

    use super::*;

    fn make(verb: &SecretVerb) -> Result<Exit, Failure> {
        run(Format::Json, verb)
    }

    #[test]
    fn a_client_secret_follows_from_the_cluster_secret_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { dir.path().join(name) };
        let new = SecretVerb::New {
            file: at("cluster"),
        };
        assert_eq!(make(&new), Ok(Exit::Fine));
        let text = fs::read_to_string(at("cluster")).unwrap();
        assert_eq!(fs::metadata(at("cluster")).unwrap().mode() & 0o777, 0o600);
        assert!(make(&new).is_err());
        assert_eq!(fs::read_to_string(at("cluster")).unwrap(), text);

        let client = |from: &str, to: &str| {
            make(&SecretVerb::Client {
                cluster: at(from),
                file: at(to),
            })
        };
        assert_eq!(client("cluster", "client"), Ok(Exit::Fine));
        let derived = Secret::from_hex(&text).unwrap().derive_client();
        assert_eq!(fs::read_to_string(at("client")).unwrap(), derived.to_hex());
        assert!(client("nothing", "other").is_err());
        fs::write(at("nonsense"), "x").unwrap();
        fs::set_permissions(at("nonsense"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(client("nonsense", "other").is_err());
        fs::set_permissions(at("cluster"), fs::Permissions::from_mode(0o644)).unwrap();
        let Err(Failure::Said { sentence, .. }) = client("cluster", "other") else {
            panic!("a secret that others may read was taken");
        };
        assert!(sentence.contains("chmod 600"), "{sentence}");
        assert!(!at("other").exists());
    }
}
