//! Scrubs: every block of every file is read where it is and compared with what the metadata say; what is damaged is
//! made again. Slowly, one block at a time, and from where the last process stopped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eggs_client::ClientError;
use eggs_proto::shard::ShardQuery;
use eggs_proto::{BlockState, Extent, ExtentBody, InodeId, SHARD_COUNT, ShardId};
use serde::{Deserialize, Serialize};

use crate::heal::{HealTally, heal_blocks};
use crate::healer::{Condition, Healer, extents, files};

/// Files per query.
const PAGE: u32 = 64;
/// What a file counts for besides its blocks, so that small ones do not go by at full speed.
const FILE_BYTES: u64 = 4096;

/// How fast to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Bytes of blocks per second; 0 not to scrub at all.
    pub bytes_per_second: u64,
}

impl Rate {
    /// How long it should take to read so many bytes.
    fn time_for(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second.max(1) as f64)
    }
}

/// What a part of a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrubTally {
    /// Blocks that were read.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that are not what they should be.
    pub damaged: u64,
    /// What became of them.
    pub healed: HealTally,
}

/// The next thing to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Number of the shard.
    pub shard: usize,
    /// The last file looked at, as a number.
    pub after: Option<u64>,
}

impl Position {
    /// Whether everything has been looked at.
    pub fn is_end(&self) -> bool {
        self.shard >= SHARD_COUNT
    }

    fn next_shard(self) -> Self {
        Self {
            shard: self.shard + 1,
            after: None,
        }
    }
}

/// Where the position is kept between runs. Losing it costs nothing but time.
#[derive(Clone, Debug)]
pub(crate) struct PositionFile(PathBuf);

impl PositionFile {
    pub fn in_directory(dir: &Path) -> Self {
        Self(dir.join("scrub.json"))
    }

    pub fn load(&self) -> Position {
        let text = std::fs::read(&self.0).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub fn save(&self, position: Position) {
        let text = serde_json::to_vec(&position).expect("two numbers can be written");
        if let Err(error) = std::fs::write(&self.0, text) {
            tracing::debug!(path = %self.0.display(), %error, "the place of the scrub was not kept");
        }
    }
}

/// Looks at a page of files; gives where to go on.
pub(crate) async fn scrub_page(
    healer: &impl Healer,
    position: Position,
    rate: Rate,
    tally: &mut ScrubTally,
) -> Result<Position, ClientError> {
    let Some(shard) = u8::try_from(position.shard).ok().map(ShardId) else {
        return Ok(position.next_shard());
    };
    let query = ShardQuery::VisitFiles {
        after: position.after.and_then(|raw| InodeId::try_from(raw).ok()),
        limit: PAGE,
    };
    let (page, more) = files(healer, shard, query).await?;
    for file in &page {
        scrub_file(healer, *file, rate, tally).await?;
        tokio::time::sleep(rate.time_for(FILE_BYTES)).await;
    }
    Ok(match page.last() {
        Some(last) if more => Position {
            after: Some(last.get()),
            ..position
        },
        Some(_) | None => position.next_shard(),
    })
}

async fn scrub_file(
    healer: &impl Healer,
    file: InodeId,
    rate: Rate,
    tally: &mut ScrubTally,
) -> Result<(), ClientError> {
    let mut offset = 0;
    loop {
        let (page, more) = extents(healer, file, offset).await?;
        for extent in &page {
            let damaged = scrub_extent(healer, extent, rate, tally).await;
            if damaged.is_empty() {
                continue;
            }
            let at = extent.offset;
            tracing::warn!(%file, offset = at, blocks = ?damaged, "blocks are damaged; healing them");
            heal_blocks(healer, file, extent, &damaged, &mut tally.healed).await;
        }
        offset = page.last().map_or(offset, Extent::end);
        if !more || page.is_empty() {
            return Ok(());
        }
    }
}

/// Positions of blocks that are damaged.
async fn scrub_extent(
    healer: &impl Healer,
    extent: &Extent,
    rate: Rate,
    tally: &mut ScrubTally,
) -> Vec<u8> {
    let ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
        return Vec::new();
    };
    let bytes = layout.block_bytes();
    let mut damaged = Vec::new();
    for (index, block) in (0u8..).zip(blocks) {
        let map = healer.map();
        let serves = map
            .service(block.service)
            .is_some_and(|info| info.state.takes_reads());
        if block.state != BlockState::Stored || !serves {
            continue;
        }
        match healer.check(block, bytes).await {
            Condition::Whole => {}
            Condition::Damaged => damaged.push(index),
            Condition::Unknown => continue,
        }
        tally.blocks += 1;
        tally.bytes += bytes;
        tokio::time::sleep(rate.time_for(bytes)).await;
    }
    tally.damaged += damaged.len() as u64;
    damaged
}
