//! Reading a large file while block services that hold its data stand still or are gone.

use std::time::Duration;

use anyhow::{Context, Result};
use eggs_proto::{ExtentBody, InodeId};

use crate::data_depth::{Compare, DataPlan, Took};
use crate::report::Report;

/// Services lost, the parity of the policy.
const LOST: usize = 4;

impl DataPlan<'_> {
    /// One service paused, then four lost, each with data of the file.
    pub async fn degraded(&self, file: InodeId, healthy: &Took, report: &mut Report) -> Result<()> {
        let names = self.with_data(file).await?;
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
