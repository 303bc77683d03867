//! Every process is killed at once. What they had written is in the page cache of the machine, which goes on.

use anyhow::Result;
use eggs_harness::{Cluster, Options};

use super::{Acknowledged, check, write_until};

#[test]
fn a_power_cut_in_the_middle_of_a_copy() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let acknowledged = Acknowledged::default();
    write_until(&cluster, (0, 40), &acknowledged, || {
        cluster.kill_everything()
    })?;
    cluster.start_again()?;
    check(&cluster, &acknowledged)
}
