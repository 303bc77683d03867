//! What went wrong, in one sentence, and the exit code that says so to scripts.

use std::fmt::Display;

use eggs_client::ClientError;
use eggs_proto::Refusal;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Fine = 0,
    /// Not done.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Some of it was done.
    Partly = 3,
    /// The cluster works, but is not healthy.
    Degraded = 4,
    /// The cluster did not answer.
    Unreachable = 5,
}

/// Why a verb ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Whoever reads our output has gone.
    BrokenPipe,
    /// To be told.
    Said {
        /// How the program ends.
        exit: Exit,
        /// What happened, to what, what to do.
        sentence: String,
    },
}

impl Failure {
    /// A failure of any kind.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self::Said { exit, sentence }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// A file of this machine.
    pub(crate) fn local(doing: &str, what: impl Display, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        let sentence = format!("cannot {doing} {what}: {error}");
        Self::new(Exit::Failed, sentence)
    }

    /// Something in the cluster: `doing` is a verb, `what` mostly a path.
    pub(crate) fn remote(doing: &str, what: impl Display, error: &ClientError) -> Self {
        let exit = match error {
            ClientError::Unreachable { .. } | ClientError::Deadline { .. } => Exit::Unreachable,
            ClientError::Refused(_)
            | ClientError::Block { .. }
            | ClientError::Unauthorized { .. }
            | ClientError::UnknownService(_)
            | ClientError::Protocol { .. }
            | ClientError::Damaged { .. }
            | ClientError::TooFewBlocks { .. }
            | ClientError::Name(_)
            | ClientError::TooManyLinks
            | ClientError::Closed(_) => Exit::Failed,
        };
        let advice = advice(error);
        Self::new(exit, format!("cannot {doing} {what}: {error}{advice}"))
    }
}

/// What to do about it; begins with `; ` if there is anything.
fn advice(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(refusal) => match refusal {
            Refusal::NotFound => "; see what is there with `eggscli ls`",
            Refusal::Exists => "; choose another name or remove it first",
            Refusal::NotEmpty => "; `eggscli rm -r` removes what is in it as well",
            Refusal::IsDirectory => "; give the path of a file (`rm -r` removes directories)",
            Refusal::NotDirectory => "; give the path of a directory",
            Refusal::NoSpace { .. } => "; `eggscli status` shows the disks",
            Refusal::MetadataFull => {
                "; `eggscli status` says whose disk it is; deleting still works"
            }
            Refusal::Locked => "; try again in a moment",
            Refusal::BadPolicy(_) => "; see `eggscli policy set --help`",
            Refusal::NoSnapshot => "; see `eggscli history`",
            Refusal::Forbidden => "; this needs the cluster secret",
            Refusal::WrongShard
            | Refusal::BadCookie
            | Refusal::NotTransient
            | Refusal::Expired
            | Refusal::BadExtent(_)
            | Refusal::BadProof { .. }
            | Refusal::NotCertified
            | Refusal::NeedsCoordinator
            | Refusal::Loop
            | Refusal::Invalid(_)
            | Refusal::Unsupported
            | Refusal::Changed
            | Refusal::NoAttribute
            | Refusal::AttributesFull => "",
        },
        ClientError::Unreachable { .. } | ClientError::Deadline { .. } => {
            "; check that the cluster runs (`eggsrun --dir DIR status`) and that --registry is right"
        }
        ClientError::Unauthorized { .. } => "; give this cluster's secret with --secret-file",
        ClientError::Block { .. }
        | ClientError::TooFewBlocks { .. }
        | ClientError::UnknownService(_)
        | ClientError::Damaged { .. } => "; `eggscli status` shows which disks are missing",
        ClientError::Protocol { .. } => "; use programs of one version",
        ClientError::TooManyLinks => "; a symlink on the way leads in circles",
        ClientError::Name(_) | ClientError::Closed(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failure: Failure) -> (Exit, String) {
        match failure {
            Failure::Said { exit, sentence } => (exit, sentence),
            Failure::BrokenPipe => panic!("nothing was said"),
        }
    }

    #[test]
    fn a_sentence_says_what_happened_to_what_and_what_to_do() {
        let error = ClientError::Refused(Refusal::NotEmpty);
        let (exit, sentence) = said(Failure::remote("remove", "/a", &error));
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            sentence,
            "cannot remove /a: the directory is not empty; `eggscli rm -r` removes what is in it as well"
        );
    }

    #[test]
    fn an_unreachable_cluster_has_its_own_exit_code() {
        let error = ClientError::Deadline {
            what: "shard-000".into(),
        };
        assert_eq!(
            said(Failure::remote("list", "/", &error)).0,
            Exit::Unreachable
        );
    }
}
