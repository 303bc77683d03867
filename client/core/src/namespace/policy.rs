//! Policies: reading what applies to a directory, setting and clearing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::shard::ShardChange;
use eggs_proto::{DEPTH_MAX, InodeId, Policy, PolicyKind, PolicySet, Refusal};
use tokio::time::Instant;

use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::shard::done;

/// How long a directory's policies and parent are believed. They only decide how new files are stored.
const FRESH: Duration = Duration::from_secs(1);
/// Directories remembered.
const CACHE_MAX: usize = 8192;

/// What decides about the files below one directory.
#[derive(Clone, Debug)]
struct Own {
    parent: InodeId,
    policies: Vec<Policy>,
}

#[derive(Clone, Debug)]
struct Cached<T> {
    value: T,
    taken: Instant,
}

/// Policies seen lately.
#[derive(Debug, Default)]
pub(crate) struct PolicyCache {
    own: Mutex<HashMap<InodeId, Cached<Own>>>,
    effective: Mutex<HashMap<InodeId, Cached<Arc<PolicySet>>>>,
}

impl Client {
    /// The policies that apply to files made in a directory; up to a second old.
    pub async fn policies(&self, dir: InodeId) -> Result<Arc<PolicySet>, ClientError> {
        self.inner.policies(dir, self.deadline()).await
    }

    /// The directories that the policies of a directory come from: for each kind that is set somewhere on the way to
    /// the root, the nearest one. The other kinds have their defaults. Up to a second old.
    pub async fn policy_origins(
        &self,
        dir: InodeId,
    ) -> Result<BTreeMap<PolicyKind, InodeId>, ClientError> {
        let chain = self.inner.policy_chain(dir, self.deadline()).await?;
        let mut origins = BTreeMap::new();
        for (at, policies) in chain.into_iter().rev() {
            origins.extend(policies.iter().map(|policy| (policy.kind(), at)));
        }
        Ok(origins)
    }

    /// Overrides a policy for a directory and what is below it.
    pub async fn set_policy(&self, dir: InodeId, policy: Policy) -> Result<(), ClientError> {
        let change = ShardChange::SetPolicy { dir, policy };
        self.change_policy(dir, change).await
    }

    /// Lets a directory inherit a policy again.
    pub async fn clear_policy(&self, dir: InodeId, kind: PolicyKind) -> Result<(), ClientError> {
        let change = ShardChange::ClearPolicy { dir, kind };
        self.change_policy(dir, change).await
    }

    async fn change_policy(&self, dir: InodeId, change: ShardChange) -> Result<(), ClientError> {
        let reply = self.shard_change(dir.shard(), change).await;
        self.inner.policies.clear();
        done(dir.shard(), &reply?)
    }
}

impl Inner {
    pub(crate) async fn policies(
        &self,
        dir: InodeId,
        deadline: Deadline,
    ) -> Result<Arc<PolicySet>, ClientError> {
        if let Some(known) = fresh(&self.policies.effective, dir) {
            return Ok(known);
        }
        let chain = self.policy_chain(dir, deadline).await?;
        let mut set = PolicySet::default();
        for policy in chain.into_iter().rev().flat_map(|(_, policies)| policies) {
            set.set(policy);
        }
        let set = Arc::new(set);
        remember(&self.policies.effective, dir, set.clone());
        Ok(set)
    }

    /// A directory and all above it, with the policies set on each.
    async fn policy_chain(
        &self,
        dir: InodeId,
        deadline: Deadline,
    ) -> Result<Vec<(InodeId, Vec<Policy>)>, ClientError> {
        let mut chain = Vec::new();
        let mut at = dir;
        loop {
            let own = self.own_policies(at, deadline).await?;
            chain.push((at, own.policies));
            if own.parent == at || at == InodeId::ROOT {
                return Ok(chain);
            }
            if chain.len() > DEPTH_MAX {
                return Err(Refusal::Loop.into());
            }
            at = own.parent;
        }
    }

    async fn own_policies(&self, dir: InodeId, deadline: Deadline) -> Result<Own, ClientError> {
        if let Some(known) = fresh(&self.policies.own, dir) {
            return Ok(known);
        }
        let info = self.directory(dir, deadline).await?;
        let own = Own {
            parent: info.parent,
            policies: info.policies,
        };
        remember(&self.policies.own, dir, own.clone());
        Ok(own)
    }
}

impl PolicyCache {
    fn clear(&self) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.clear();
        drop(own);
        let mut effective = self
            .effective
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        effective.clear();
    }
}

fn fresh<T: Clone>(cache: &Mutex<HashMap<InodeId, Cached<T>>>, dir: InodeId) -> Option<T> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let known = cache.get(&dir)?;
    (known.taken.elapsed() < FRESH).then(|| known.value.clone())
}

fn remember<T>(cache: &Mutex<HashMap<InodeId, Cached<T>>>, dir: InodeId, value: T) {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= CACHE_MAX {
        cache.retain(|_, known| known.taken.elapsed() < FRESH);
    }
    if cache.len() < CACHE_MAX {
        let taken = Instant::now();
        cache.insert(dir, Cached { value, taken });
    }
}
