//! An image: what the metadata was at one moment, as a list of pieces for each group. JSON, and a last line with the
//! SHA-256 of all before it.

use eggs_proto::image::{PieceId, StateKey, TableDigest};
use eggs_proto::{GroupId, ServiceState};
use serde::{Deserialize, Serialize};

/// Of images and pieces. Another one is not read.
pub(super) const FORMAT: u32 = 1;

/// The metadata at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) format: u32,
    /// Counts the images of a directory, from 1.
    pub(super) number: u64,
    /// Follows from the cluster secret; 16 hexadecimal digits.
    pub(super) cluster: String,
    /// Milliseconds since 1970 when it was begun.
    pub(super) time_ms: u64,
    /// In order.
    pub(super) groups: Vec<GroupImage>,
    /// Disks that were in a state set by hand, or not used for another reason.
    pub(super) disks: Vec<DiskImage>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GroupImage {
    /// Its number: shards from 0 to 255, then the coordinator, then the registry.
    pub(super) group: u16,
    /// Term of the last entry in it.
    pub(super) term: u64,
    /// Index of that entry.
    pub(super) index: u64,
    /// What its tables hold.
    pub(super) tables: Vec<TableImage>,
    /// Its rows, in order.
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableImage {
    pub(super) table: u8,
    pub(super) rows: u64,
    /// XXH64, 16 hexadecimal digits.
    pub(super) digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// SHA-256 of its bytes.
    pub(super) id: String,
    pub(super) bytes: u64,
    /// Its last row, if another piece follows: table, and key in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<(u8, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DiskImage {
    pub(super) disk: String,
    pub(super) state: String,
}

impl Image {
    /// Its text.
    pub(super) fn encode(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("an image always has a text");
        text.push('\n');
        let sum = PieceId::of(text.as_bytes());
        text.push_str(&format!("sha256 {sum}\n"));
        text
    }

    /// Reads it; the error says what is wrong.
    pub(super) fn decode(text: &str) -> Result<Self, String> {
        let (body, sum) = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once("\nsha256 "))
            .ok_or("it has no checksum")?;
        let body = format!("{body}\n");
        if PieceId::of(body.as_bytes()).to_string() != sum {
            return Err("it does not match its checksum".into());
        }
        let image: Self = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        if image.format != FORMAT {
            let (format, ours) = (image.format, FORMAT);
            return Err(format!("it has format {format}; this program reads {ours}"));
        }
        Ok(image)
    }

    /// The image of a group.
    pub(super) fn group(&self, group: GroupId) -> Option<&GroupImage> {
        self.groups.iter().find(|image| image.group == group.0)
    }

    /// Bytes of all groups.
    pub(super) fn bytes(&self) -> u64 {
        let pieces = self.groups.iter().flat_map(|group| &group.pieces);
        pieces.map(|piece| piece.bytes).sum()
    }
}

impl TableImage {
    pub(super) fn of(digest: &TableDigest) -> Self {
        Self {
            table: digest.table,
            rows: digest.rows,
            digest: format!("{:016x}", digest.digest),
        }
    }
}

impl Piece {
    pub(super) fn name(&self) -> Result<PieceId, String> {
        let bad = |error| format!("an image names '{}': {error}", self.id);
        self.id.parse().map_err(bad)
    }
}

/// A row as an image names it.
pub(super) fn show_key(key: &StateKey) -> (u8, String) {
    let hex = key.key.iter().map(|byte| format!("{byte:02x}"));
    (key.table, hex.collect())
}

/// What is restored by hand of a disk; `None` for what is observed.
pub(super) fn parse_manual(state: &str) -> Option<ServiceState> {
    [
        ServiceState::NoRead,
        ServiceState::NoWrite,
        ServiceState::Decommissioned,
    ]
    .into_iter()
    .find(|known| crate::text::disk::show_state(*known) == state)
}

#[cfg(test)]
impl GroupImage {
    /// A shard with one piece.
    pub(super) fn of_piece(id: String, bytes: u64) -> Self {
        let piece = Piece {
            id,
            bytes,
            until: None,
        };
        Self {
            group: 0,
            term: 1,
            index: 1,
            tables: vec![],
            pieces: vec![piece],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_comes_back_and_no_other() {
        let image = Image {
            format: FORMAT,
            number: 3,
            cluster: "00000000000000ff".into(),
            time_ms: 5,
            groups: vec![GroupImage {
                group: 256,
                term: 2,
                index: 9,
                tables: vec![],
                pieces: vec![Piece {
                    id: PieceId::of(b"x").to_string(),
                    bytes: 1,
                    until: Some((17, "00ff".into())),
                }],
            }],
            disks: vec![],
        };
        let text = image.encode();
        assert_eq!(Image::decode(&text), Ok(image.clone()));
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] ^= 1;
            if let Ok(bad) = String::from_utf8(bad) {
                assert!(Image::decode(&bad).is_err(), "{at}");
            }
            assert!(Image::decode(&text[..at]).is_err(), "{at}");
        }
        let newer = Image { format: 2, ..image };
        let why = Image::decode(&newer.encode()).unwrap_err();
        assert!(why.contains("format 2"), "{why}");
    }
}
