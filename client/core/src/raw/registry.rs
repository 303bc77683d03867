//! Messages to the registry.

use eggs_proto::registry::{HealthFinding, RegistryReply, RegistryRequest, Severity};
use eggs_proto::{GroupId, MessageKind, encode};

use super::QUERY_ATTEMPT;
use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::group_call::{By, GroupCall};

/// The cluster's health in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// The worst of all findings.
    pub severity: Severity,
    /// In order of severity.
    pub findings: Vec<HealthFinding>,
}

impl Client {
    /// A message to the registry.
    pub async fn registry(&self, request: RegistryRequest) -> Result<RegistryReply, ClientError> {
        self.inner.registry(&request, self.deadline()).await
    }

    /// How the cluster is.
    pub async fn health(&self) -> Result<Health, ClientError> {
        match self.registry(RegistryRequest::Health).await? {
            RegistryReply::Health { severity, findings } => Ok(Health { severity, findings }),
            RegistryReply::Done
            | RegistryReply::Unchanged
            | RegistryReply::Map(_)
            | RegistryReply::Keys(_)
            | RegistryReply::Members(_)
            | RegistryReply::Disks(_)
            | RegistryReply::Succession(_) => Err(ClientError::Protocol {
                what: "the registry".to_owned(),
            }),
        }
    }
}

impl Inner {
    pub(crate) async fn registry(
        &self,
        request: &RegistryRequest,
        deadline: Deadline,
    ) -> Result<RegistryReply, ClientError> {
        let call = GroupCall {
            group: GroupId::REGISTRY,
            kind: MessageKind::Registry,
            body: encode(request).into(),
            attempt: QUERY_ATTEMPT,
            by: By::Leader,
        };
        self.call_group(&call, deadline).await
    }
}
