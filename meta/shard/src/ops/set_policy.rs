//! Overrides a policy for a directory and what inherits from it.

use eggs_proto::shard::ShardReply;
use eggs_proto::{FileTime, InodeId, Policy, Refusal};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, policy: Policy) -> Reply {
    policy
        .validate()
        .map_err(|bad| Refusal::BadPolicy(bad.into()))?;
    let mut record = state.read().directory(dir)?;
    let at = |known: &Policy| known.kind();
    match record.policies.binary_search_by_key(&policy.kind(), at) {
        Ok(index) => {
            if let Some(known) = record.policies.get_mut(index) {
                *known = policy;
            }
        }
        Err(index) => record.policies.insert(index, policy),
    }
    record.attributes.ctime = FileTime::from(state.now);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, ShardQuery};
    use eggs_proto::{BadPolicyWire, InlinePolicy, PolicyKind, StripePolicy};

    use super::*;
    use crate::testing::{Bench, ROOT};

    fn inline(bytes: u32) -> Policy {
        Policy::Inline(InlinePolicy {
            inline_bytes_max: bytes,
        })
    }

    fn policies(bench: &Bench) -> Vec<Policy> {
        match bench.query(&ShardQuery::Directory { dir: ROOT }) {
            Ok(ShardReply::Directory(info)) => info.policies,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn there_is_one_policy_of_each_kind_until_it_is_cleared() {
        let mut bench = Bench::new();
        let stripe = Policy::Stripe(StripePolicy { stripe_bytes: 4096 });
        for policy in [inline(1), stripe.clone(), inline(2)] {
            bench
                .change(ShardChange::SetPolicy { dir: ROOT, policy })
                .unwrap();
        }
        assert_eq!(policies(&bench), [stripe.clone(), inline(2)]);
        let kind = PolicyKind::Inline;
        let clear = ShardChange::ClearPolicy { dir: ROOT, kind };
        assert_eq!(bench.change(clear.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.change(clear), Ok(ShardReply::Done));
        assert_eq!(policies(&bench), [stripe]);
    }

    #[test]
    fn bad_policies_are_refused() {
        let mut bench = Bench::new();
        let policy = inline(u32::MAX);
        let refused = bench.change(ShardChange::SetPolicy { dir: ROOT, policy });
        assert_eq!(refused, Err(Refusal::BadPolicy(BadPolicyWire::Size)));
    }
}
