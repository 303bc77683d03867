//! Why the registry gave no useful answer.

use eggs_proto::CallError;
use eggs_rpc::RpcError;

/// Why the registry gave no useful answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    /// No address of a registry process is known.
    #[error("no registry address is configured")]
    NoAddress,
    /// It answered, and the answer is final.
    #[error("the registry refuses: {0}")]
    Refused(CallError),
    /// A replica answered something that does not belong to the request.
    #[error("the registry answered something unexpected")]
    Unexpected,
    /// Nobody could be asked, for a reason that time does not heal.
    #[error("the registry cannot be asked: {0}")]
    Unusable(#[source] RpcError),
    /// No replica gave an answer in time.
    #[error("no registry process at {addresses} answered in time{}", because(.last))]
    Deadline {
        /// Whom we asked.
        addresses: String,
        /// What the last attempt came to.
        last: Option<String>,
    },
}

fn because(last: &Option<String>) -> String {
    last.as_ref()
        .map_or_else(String::new, |last| format!(" (last: {last})"))
}
