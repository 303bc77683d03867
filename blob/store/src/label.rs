//! The label: who a disk is. It names the disk wherever it is mounted.
//!
//! JSON, readable by its owner alone because it holds the key.

use std::fs::File;
use std::io;
use std::path::Path;

use eggs_durable::WholeFile;
use eggs_proto::{BlockServiceId, FailureDomainId, ServiceKey, StorageClass};
use serde::{Deserialize, Serialize};

use crate::OpenError;
use crate::paths::Paths;

/// Version of the directory layout and of the block files.
pub const LABEL_VERSION: u32 = 1;
/// A label is a few hundred bytes.
const LABEL_BYTES_MAX: u64 = 64 << 10;

/// Who a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLabel {
    /// Its name: random, never zero.
    pub service: BlockServiceId,
    /// Its key: random.
    pub key: ServiceKey,
    /// Its class.
    pub class: StorageClass,
    /// What it fails with.
    pub domain: FailureDomainId,
}

/// The version alone, which every version must begin with.
#[derive(Deserialize)]
struct AnyVersion {
    format_version: u32,
}

/// The label as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format_version: u32,
    service: String,
    key: String,
    class: StorageClass,
    failure_domain: u32,
}

impl DiskLabel {
    /// A label for a new disk.
    pub(crate) fn generate(class: StorageClass, domain: FailureDomainId) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let mut service = 0;
        while service == 0 {
            service = getrandom::u64().map_err(io::Error::other)?;
        }
        Ok(Self {
            service: BlockServiceId(service),
            key: ServiceKey::new(key),
            class,
            domain,
        })
    }

    /// Reads the label of a disk.
    pub(crate) fn read(paths: &Paths) -> Result<Self, OpenError> {
        let path = || paths.root.clone();
        let bytes = match read_limited(&paths.label) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::NotADisk { path: path() });
            }
            Err(error) => return Err(OpenError::io("read disk label", &paths.label)(error)),
        };
        let damaged = |reason: String| OpenError::DamagedLabel {
            path: path(),
            reason,
        };
        let version: AnyVersion =
            serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if version.format_version != LABEL_VERSION {
            return Err(OpenError::Version {
                path: path(),
                found: version.format_version,
                expected: LABEL_VERSION,
            });
        }
        let text: Text = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        Self::from_text(&text).ok_or_else(|| damaged("service or key is malformed".to_owned()))
    }

    /// Writes the label: after a crash it is the old one or the new one.
    pub(crate) fn write(&self, paths: &Paths) -> Result<(), OpenError> {
        let mut text = serde_json::to_string_pretty(&self.to_text())
            .expect("a label has only strings and numbers");
        text.push('\n');
        let file = WholeFile {
            path: &paths.label,
            unfinished: &paths.tmp.join("label"),
            mode: 0o600,
        };
        let written = file.write(text.as_bytes());
        written.map_err(OpenError::io("write disk label", &paths.label))
    }

    fn to_text(&self) -> Text {
        let key = self.key.as_bytes().iter();
        Text {
            format_version: LABEL_VERSION,
            service: self.service.to_string(),
            key: key.map(|byte| format!("{byte:02x}")).collect(),
            class: self.class,
            failure_domain: self.domain.0,
        }
    }

    fn from_text(text: &Text) -> Option<Self> {
        let service = u64::from_str_radix(&text.service, 16).ok()?;
        let digits = text.key.as_bytes();
        let mut key = [0; 32];
        if service == 0 || digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self {
            service: BlockServiceId(service),
            key: ServiceKey::new(key),
            class: text.class,
            domain: FailureDomainId(text.failure_domain),
        })
    }
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LABEL_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
