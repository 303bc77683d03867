//! Making sure that this process is who it says before its replica votes.
//!
//! Names are bound to directories by the registry itself, so a new directory asks the others for its name. Only when
//! there is no registry yet can nobody be asked: it is founded when *all* its first members are there and new. Who
//! comes second finds that the first is not new any more, but that it was counted among the founders: as the same
//! directory, in which nothing has happened since. A process that lost its disk has another directory.
//!
//! **Invariant:** in a new directory no replica starts unless the registry has bound the name to it, or all first members
//! were new together with it.
//! **Invariant:** what is lost or damaged begins again only under a name that nobody ever had ([`succeed`]). A directory whose
//! store is gone is no new one.
//! **Invariant:** who was told that there is a registry founds none, even if all first members are new: then its data are
//! lost, or in another place, and that is for a person to say.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::meta::{MetaReply, MetaRequest, Standing};
use eggs_proto::{CallResult, MessageKind, decode, encode};
use eggs_raft::remains;
use eggs_registry_client::{Lost, Missing, NotNamed, RegistryClient, wait_for_objections};
use eggs_rpc::Client;
use futures::future::join_all;

use crate::config::Beginning;
use crate::error::remedy;
use crate::label::{self, Identity, Past};
use crate::{Config, RunError};

/// How long one process may take to answer.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long the registry may take to answer.
const CLAIM: Duration = Duration::from_secs(2);
/// Between rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// What follows from what the others say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// There is no registry yet; the other founders.
    Found(Vec<u64>),
    /// There is one, which was founded together with this directory; those of its founders that are still new.
    Founded(Vec<u64>),
    /// There is a registry that knows nothing of this directory.
    Ask,
    /// Somebody has not answered.
    Wait,
}

/// Decides what the other first members mean for the directory with number `own`; `None` did not answer.
fn next(own: u64, said: &[Option<Standing>]) -> Next {
    let mut founders = Vec::new();
    let (mut silent, mut founded) = (false, false);
    for standing in said {
        match standing {
            Some(Standing::New { incarnation }) => founders.push(*incarnation),
            Some(Standing::Settled { founders: others }) if others.contains(&own) => {
                founded = true;
            }
            Some(Standing::Settled { .. }) => return Next::Ask,
            None => silent = true,
        }
    }
    match (silent, founded) {
        (true, _) => Next::Wait,
        (false, true) => Next::Founded(founders),
        (false, false) => Next::Found(founders),
    }
}

/// Returns what is known of the process once the replica may start.
pub(crate) async fn confirm(
    config: &Config,
    rpc: &Client,
    mut identity: Identity,
) -> Result<Identity, RunError> {
    if identity.given_up.is_some() {
        return succeed(config, rpc, identity).await;
    }
    if identity.past != Past::None {
        return match remains::is_gone(&config.dir) {
            true => begin_without_store(config, rpc, identity, Missing::Store).await,
            false => Ok(identity),
        };
    }
    let others = config.others();
    let registry = RegistryClient::new(rpc.clone(), others.clone());
    loop {
        let asking = others.iter().map(|address| ask(rpc, *address));
        let next = next(identity.incarnation, &join_all(asking).await);
        let claimed = match (next, config.beginning) {
            (Next::Found(founders), Beginning::Founder | Beginning::Anew)
            | (Next::Founded(founders), _) => Claimed::Yes { founders },
            (Next::Found(_), Beginning::Joiner) => {
                return Err(RunError::nothing_left(config.place()));
            }
            (Next::Ask, _) => claim(&registry, &identity).await,
            (Next::Wait, _) => Claimed::Unknown,
        };
        match claimed {
            Claimed::Yes { founders } => {
                identity.past = Past::Some { founders };
                label::keep(config, &identity)?;
                return Ok(identity);
            }
            Claimed::No => {
                return begin_without_store(config, rpc, identity, Missing::Directory).await;
            }
            Claimed::Unknown => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Whether a directory may act under its name.
enum Claimed {
    Yes {
        founders: Vec<u64>,
    },
    No,
    /// Nobody has answered.
    Unknown,
}

/// Asks the registry for the name: nobody is a founder then.
async fn claim(registry: &RegistryClient, identity: &Identity) -> Claimed {
    let founders = Vec::new();
    let asked = registry.claim(identity.node, identity.incarnation, CLAIM);
    match asked.await {
        Ok(true) => Claimed::Yes { founders },
        Ok(false) => Claimed::No,
        Err(_) => Claimed::Unknown,
    }
}

/// There is no store, although there was one under this name. If that counts as lost after a time, there is a new name then.
async fn begin_without_store(
    config: &Config,
    rpc: &Client,
    identity: Identity,
    missing: Missing,
) -> Result<Identity, RunError> {
    let node = identity.node;
    // One that is alone has nobody to be filled from.
    let may = missing == Missing::Directory || !config.others().is_empty();
    let Some(grace) = config.rebuild_empty_after.filter(|_| may) else {
        return Err(match missing {
            Missing::Directory => RunError::lost_name(node),
            Missing::Store => RunError::gone(node, &config.dir),
        });
    };
    wait_for_objections(missing, node, &config.dir, grace, remedy(node)).await;
    match missing {
        Missing::Directory => succeed(config, rpc, identity).await,
        Missing::Store if remains::is_gone(&config.dir) => begin_again(config, rpc, identity).await,
        Missing::Store => Ok(identity),
    }
}

/// Gives the name of a process up whose store is lost or damaged, and begins again under a new one.
pub(crate) async fn begin_again(
    config: &Config,
    rpc: &Client,
    identity: Identity,
) -> Result<Identity, RunError> {
    let identity = label::give_up(config, identity)?;
    succeed(config, rpc, identity).await
}

/// Waits for a new name. Those who remain decide, and they have to be a majority: this one is not asked.
async fn succeed(config: &Config, rpc: &Client, identity: Identity) -> Result<Identity, RunError> {
    let node = identity.node;
    let registry = RegistryClient::new(rpc.clone(), config.others());
    let lost = Lost::of(node, identity.incarnation, identity.given_up);
    match eggs_registry_client::succeed(&registry, lost).await {
        Ok(named) => Ok(label::begin_again(config, &identity, named)?),
        Err(NotNamed::Refused) => Err(RunError::lost_name(node)),
        Err(NotNamed::Waits(why)) => Err(RunError::not_named(node, &why)),
    }
}

async fn ask(rpc: &Client, address: SocketAddr) -> Option<Standing> {
    let body = Bytes::from(encode(&MetaRequest::Standing));
    let asked = rpc.call(address, MessageKind::Meta, ATTEMPT, body, Bytes::new());
    match decode::<CallResult<MetaReply>>(&asked.await.ok()?.body) {
        Ok(Ok(MetaReply::Standing(standing))) => Some(standing),
        Ok(_) | Err(_) => None,
    }
}

/// Binds the name in the background; ends when another directory has it.
pub(crate) async fn confirm_again(registry: RegistryClient, identity: &Identity) -> RunError {
    loop {
        match claim(&registry, identity).await {
            Claimed::Yes { .. } => std::future::pending().await,
            Claimed::Unknown => tokio::time::sleep(PAUSE).await,
            Claimed::No => return RunError::lost_name(identity.node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 7;

    fn new(incarnation: u64) -> Option<Standing> {
        Some(Standing::New { incarnation })
    }

    fn settled(founders: &[u64]) -> Option<Standing> {
        let founders = founders.to_vec();
        Some(Standing::Settled { founders })
    }

    #[test]
    fn a_registry_is_founded_by_all_or_asked() {
        assert_eq!(next(OWN, &[]), Next::Found(vec![]));
        assert_eq!(next(OWN, &[new(1), new(2)]), Next::Found(vec![1, 2]));
        // The first has founded it together with us.
        let second = next(OWN, &[settled(&[OWN, 2]), new(2)]);
        assert_eq!(second, Next::Founded(vec![2]));
        let last = next(OWN, &[settled(&[OWN, 2]), settled(&[OWN])]);
        assert_eq!(last, Next::Founded(vec![]));
        // Somebody may know more.
        assert_eq!(next(OWN, &[new(1), None]), Next::Wait);
        assert_eq!(next(OWN, &[settled(&[OWN, 2]), None]), Next::Wait);
        // We were another directory then, or it was founded without us.
        assert_eq!(next(OWN, &[settled(&[1, 2]), new(2)]), Next::Ask);
        assert_eq!(next(OWN, &[settled(&[]), None]), Next::Ask);
        assert_eq!(next(OWN, &[settled(&[OWN]), settled(&[5])]), Next::Ask);
    }
}
