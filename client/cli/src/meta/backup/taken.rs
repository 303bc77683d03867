//! What `meta backup` says.

use std::time::Duration;

use serde_json::{Value, json};

use super::image::Image;
use super::prune::Pruned;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::text::size::show_size;
use crate::text::time::show_span;

/// What was stored.
#[derive(Clone, Copy, Default)]
pub(super) struct Stored {
    pub(super) pieces: u64,
    pub(super) bytes: u64,
}

/// What has become of a backup.
pub(super) struct Taken {
    pub(super) image: Image,
    pub(super) stored: Stored,
    /// If images were to go: `None` within if somebody was reading.
    pub(super) pruned: Option<Option<Pruned>>,
    /// How long transactions waited.
    pub(super) held: Duration,
    pub(super) took: Duration,
}

impl Taken {
    pub(super) fn show(&self, format: Format) -> Result<(), Failure> {
        let mut output = Output::new();
        match format {
            Format::Text => self.text(&mut output)?,
            Format::Json => output.json(&self.json())?,
        }
        output.finish()
    }

    fn text(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(format!(
            "image {} of {} groups, {}; {} new pieces, {}; took {}",
            self.image.number,
            self.image.groups.len(),
            show_size(self.image.bytes()),
            self.stored.pieces,
            show_size(self.stored.bytes),
            show_span(self.took.as_millis() as u64),
        ))?;
        match self.pruned {
            None => Ok(()),
            Some(None) => {
                output.line("older images are kept this time: somebody is reading the backup")
            }
            Some(Some(pruned)) => output.line(format!(
                "removed {} images and {} pieces, {}",
                pruned.images,
                pruned.pieces,
                show_size(pruned.bytes)
            )),
        }
    }

    fn json(&self) -> Value {
        let ms = |span: Duration| span.as_secs_f64() * 1000.0;
        let mut value = json!({
            "image": self.image.number,
            "cluster": self.image.cluster,
            "groups": self.image.groups.len(),
            "bytes": self.image.bytes(),
            "stored_pieces": self.stored.pieces,
            "stored_bytes": self.stored.bytes,
            "cut_ms": ms(self.held),
            "ms": ms(self.took),
        });
        if let Some(pruned) = self.pruned {
            value["removed"] = pruned.map_or(Value::Null, |pruned| {
                json!({
                    "images": pruned.images,
                    "pieces": pruned.pieces,
                    "bytes": pruned.bytes,
                })
            });
        }
        value
    }
}
