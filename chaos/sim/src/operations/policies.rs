//! Policies: those that servers act upon, and those that writers follow.

use std::collections::BTreeMap;

use eggs_proto::shard::ShardChange;
use eggs_proto::{
    ClassPolicy, ExtentPolicy, ExtentRow, InlinePolicy, InodeId, Policy, PolicyKind, PolicySet,
    Scheme, SnapshotPolicy, StripePolicy,
};

use super::Act;
use crate::client::Outcome;
use crate::random::Random;

/// Kinds that can be cleared anywhere: root says for how long old versions are kept.
const KINDS: [PolicyKind; 5] = [
    PolicyKind::Snapshot,
    PolicyKind::Extent,
    PolicyKind::Class,
    PolicyKind::Stripe,
    PolicyKind::Inline,
];

impl Act {
    /// Sets or clears a policy of any kind, seldom one that is not valid.
    pub(super) async fn set_policy(&self, random: &mut Random) -> Outcome<()> {
        let dir = self.directory(random);
        let kind = random.pick(&KINDS).unwrap_or(PolicyKind::Snapshot);
        let root = dir == InodeId::ROOT && kind == PolicyKind::Snapshot;
        let change = if !root && random.permille(300) {
            ShardChange::ClearPolicy { dir, kind }
        } else {
            let policy = self.policy(kind, random);
            ShardChange::SetPolicy { dir, policy }
        };
        let (shard, deadline_us) = (dir.shard(), self.deadline_us);
        self.client.change(shard, change, deadline_us).await?;
        Ok(())
    }

    fn policy(&self, kind: PolicyKind, random: &mut Random) -> Policy {
        let (keep_ms, versions) = self.client.sim.with(|world| {
            let oracle = &world.oracle;
            (oracle.keep_ms_min, oracle.versions_may_count)
        });
        let fails = random.permille(100);
        match kind {
            PolicyKind::Snapshot => Policy::Snapshot(SnapshotPolicy {
                keep_ms: Some(keep_ms * random.between(1, 5)),
                keep_versions: versions.then(|| random.below(3) as u32),
            }),
            PolicyKind::Extent => Policy::Extent(ExtentPolicy {
                rows: rows(random.below(3), fails),
            }),
            PolicyKind::Class => Policy::Class(ClassPolicy {
                flash_bytes_max: random.below(20_000),
            }),
            PolicyKind::Stripe => Policy::Stripe(StripePolicy {
                stripe_bytes: if fails { 1 } else { 4096 << random.below(4) },
            }),
            PolicyKind::Inline => Policy::Inline(InlinePolicy {
                inline_bytes_max: if fails {
                    u32::MAX
                } else {
                    random.below(9_000) as u32
                },
            }),
        }
    }

    /// The policies that a writer in a directory follows, as far as it knows.
    pub(super) fn effective(&self, dir: InodeId) -> PolicySet {
        self.client.sim.with(|world| {
            let oracle = &world.oracle;
            let mut found: BTreeMap<PolicyKind, Policy> = BTreeMap::new();
            let mut at = dir;
            loop {
                for kind in KINDS {
                    if let Some(policy) = oracle.policies.get(&(at, kind)) {
                        found.entry(kind).or_insert_with(|| policy.clone());
                    }
                }
                match oracle.names.places.get(&at) {
                    Some(entry) => at = entry.dir,
                    None => break,
                }
            }
            // Schemes for as many disks as there are.
            let mut set = PolicySet {
                extent: ExtentPolicy {
                    rows: rows(0, false),
                },
                ..PolicySet::default()
            };
            found.into_values().for_each(|policy| set.set(policy));
            set
        })
    }
}

/// Schemes for six disks of which two may be lost.
fn rows(which: u64, fails: bool) -> Vec<ExtentRow> {
    let row = |extent_bytes_max, data, parity| ExtentRow {
        extent_bytes_max,
        scheme: Scheme { data, parity },
    };
    match which {
        _ if fails => vec![row(20_000, 2, 2), row(10_000, 1, 2)],
        0 => vec![row(1 << 20, 2, 2)],
        1 => vec![row(5_000, 1, 2), row(1 << 20, 2, 2)],
        _ => vec![row(5_000, 1, 2), row(1 << 20, 3, 2)],
    }
}
