//! Reading a large file while block services that hold its data stand still or are gone.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use eggs_proto::block::BlockRequest;
use eggs_proto::{ExtentBlock, ExtentBody, InodeId, PAGE_BYTES};
use futures::future::try_join_all;

use crate::data_depth::{Compare, DataPlan, Took};
use crate::report::Report;
use crate::settled::settled;

/// Services lost, the parity of the policy.
const LOST: usize = 4;
/// Pages of one request that warms the page cache.
const PAGES: u32 = 256;

impl DataPlan<'_> {
    /// One service paused, then four lost, each with data of the file.
    pub async fn degraded(&self, file: InodeId, healthy: &Took, report: &mut Report) -> Result<()> {
        let names = self.with_data(file).await?;
        self.read_parity(file).await?;
        settled(self.cluster).await?; // small files and streams were written
        let first = names.first().context("no block servers")?;
        self.cluster.eggsrun(&["pause", first])?.ok()?;
        let paused = self.passes(file).await;
        self.cluster.eggsrun(&["resume", first])?.ok()?;
        show("one service paused", healthy, paused?, report);
        for name in &names {
            self.cluster.eggsrun(&["kill", name])?.ok()?;
        }
        let lost = self.passes(file).await?;
        show("four services lost", healthy, lost, report);
        self.read(file, Compare::EveryByte).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for name in &names {
            self.cluster.eggsrun(&["start", name])?.ok()?;
        }
        Ok(())
    }

    /// Brings into the page cache what healthy passes leave alone: large blocks are written past it, and what is compared is
    /// throughput, not the disk.
    async fn read_parity(&self, file: InodeId) -> Result<()> {
        for extent in self.client.extents(file).await.context("list extents")? {
            let ExtentBody::Blocks { layout, blocks, .. } = extent.body else {
                continue;
            };
            let bytes = u64::from(layout.stripes) * u64::from(layout.cell_bytes);
            let pages = u32::try_from(bytes / PAGE_BYTES as u64).context("a large block")?;
            let parity = blocks.iter().skip(usize::from(layout.scheme.data));
            try_join_all(parity.map(|block| self.read_block(block, pages))).await?;
        }
        Ok(())
    }

    async fn read_block(&self, block: &ExtentBlock, pages: u32) -> Result<()> {
        for page in (0..pages).step_by(PAGES as usize) {
            let request = BlockRequest::Read {
                service: block.service,
                block: block.block,
                page,
                pages: PAGES.min(pages - page),
            };
            let answer = self
                .client
                .block_request(block.service, request, Bytes::new());
            answer.await.context("read parity")?;
        }
        Ok(())
    }

    /// The processes with the first data blocks of a file: its extents keep to the same ones as far as they can.
    async fn with_data(&self, file: InodeId) -> Result<Vec<String>> {
        let extents = self.client.extents(file).await.context("list extents")?;
        let first = extents.first().context("an empty file")?;
        let ExtentBody::Blocks { blocks, .. } = &first.body else {
            anyhow::bail!("a file without blocks");
        };
        let map = self.client.map();
        let name = |info: &eggs_proto::BlockServiceInfo| format!("blocks{}", info.domain.0);
        let services = blocks.iter().filter_map(|block| map.service(block.service));
        Ok(services.take(LOST).map(name).collect())
    }
}

/// What is left of the healthy throughput: in all passes together, and in the first, which has to find out.
fn show(what: &str, healthy: &Took, passes: Vec<Took>, report: &mut Report) {
    let what = format!("read with {what}");
    let share = |passes: &[Took]| {
        let seconds: f64 = passes.iter().map(|pass| pass.seconds).sum();
        healthy.seconds * passes.len() as f64 / seconds * 100.0
    };
    report.add(&what, share(&passes), "% of healthy");
    let first = share(passes.get(..1).unwrap_or_default());
    report.add(&format!("{what}: first pass"), first, "% of healthy");
    let times = Took::middle(passes).cpu() / healthy.cpu();
    report.add(&format!("{what}: CPU over healthy"), times, "times");
}
