//! Making sure that this process is who it says before its replica votes.
//!
//! Names are bound to directories by the registry itself, so a new directory asks the others for its name. Only when
//! there is no registry yet can nobody be asked: it is founded when *all* its first members are there and new. Who
//! comes second finds that the first is not new any more, but that it was counted among the founders: as the same
//! directory, in which nothing has happened since. A process that lost its disk has another directory.
//!
//! **Invariant:** in a new directory no replica starts unless the registry has bound the name to it, or all first members
//! were new together with it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::meta::{MetaReply, MetaRequest, Standing};
use eggs_proto::{CallResult, MessageKind, decode, encode};
use eggs_registry_client::RegistryClient;
use eggs_rpc::Client;
use futures::future::join_all;

use crate::config::Beginning;
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
    /// There is no registry yet, or it was founded together with this directory; the other founders.
    Found(Vec<u64>),
    /// There is a registry that knows nothing of this directory.
    Ask,
    /// Somebody has not answered.
    Wait,
}

/// Decides what the other first members mean for the directory with number `own`; `None` did not answer.
fn next(own: u64, said: &[Option<Standing>]) -> Next {
    let mut founders = Vec::new();
    let mut silent = false;
    for standing in said {
        match standing {
            Some(Standing::New { incarnation }) => founders.push(*incarnation),
            Some(Standing::Settled { founders: others }) if others.contains(&own) => {}
            Some(Standing::Settled { .. }) => return Next::Ask,
            None => silent = true,
        }
    }
    if silent {
        Next::Wait
    } else {
        Next::Found(founders)
    }
}

/// Returns what is known of the process once the replica may start.
pub(crate) async fn confirm(
    config: &Config,
    rpc: &Client,
    mut identity: Identity,
) -> Result<Identity, RunError> {
    if identity.past != Past::None {
        return Ok(identity);
    }
    let others: Vec<SocketAddr> = config
        .peers
        .iter()
        .filter(|(id, _)| **id != config.id)
        .map(|(_, address)| *address)
        .collect();
    let registry = RegistryClient::new(rpc.clone(), others.clone());
    loop {
        let next = match config.beginning {
            Beginning::Founder => {
                let asking = others.iter().map(|address| ask(rpc, *address));
                next(identity.incarnation, &join_all(asking).await)
            }
            Beginning::Joiner => Next::Ask,
        };
        let founders = match next {
            Next::Found(founders) => Some(founders),
            Next::Ask => claim(&registry, config, &identity).await?,
            Next::Wait => None,
        };
        if let Some(founders) = founders {
            identity.past = Past::Some { founders };
            label::keep(config, &identity)?;
            return Ok(identity);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks the registry for the name: nobody is a founder then. `None` if it does not answer.
async fn claim(
    registry: &RegistryClient,
    config: &Config,
    identity: &Identity,
) -> Result<Option<Vec<u64>>, RunError> {
    match registry
        .claim(config.node(), identity.incarnation, CLAIM)
        .await
    {
        Ok(true) => Ok(Some(Vec::new())),
        Ok(false) => Err(RunError::lost_name(config.node())),
        Err(_) => Ok(None),
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
pub(crate) async fn confirm_again(
    registry: RegistryClient,
    config: &Config,
    identity: &Identity,
) -> RunError {
    loop {
        match claim(&registry, config, identity).await {
            Ok(Some(_)) => std::future::pending().await,
            Ok(None) => tokio::time::sleep(PAUSE).await,
            Err(error) => return error,
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
        assert_eq!(second, Next::Found(vec![2]));
        let last = next(OWN, &[settled(&[OWN, 2]), settled(&[OWN])]);
        assert_eq!(last, Next::Found(vec![]));
        // Somebody may know more.
        assert_eq!(next(OWN, &[new(1), None]), Next::Wait);
        assert_eq!(next(OWN, &[settled(&[OWN, 2]), None]), Next::Wait);
        // We were another directory then, or it was founded without us.
        assert_eq!(next(OWN, &[settled(&[1, 2]), new(2)]), Next::Ask);
        assert_eq!(next(OWN, &[settled(&[]), None]), Next::Ask);
        assert_eq!(next(OWN, &[settled(&[OWN]), settled(&[5])]), Next::Ask);
    }
}
