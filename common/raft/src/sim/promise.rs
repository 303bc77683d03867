//! What replicas have told others that they have on disk: checked when they start again.

use std::collections::BTreeMap;
use std::path::Path;

use eggs_proto::GroupId;

use super::disk::disk_at;
use crate::StartError;
use crate::codec;
use crate::log::{Change, Job, RecoveredLog};

#[derive(Clone, Default)]
pub(super) struct Promises(BTreeMap<GroupId, Promise>);

#[derive(Clone, Default)]
struct Promise {
    vote: Option<Vec<u8>>,
    /// Index and hash of the last record.
    last: Option<(u64, u64)>,
}

/// What is about to be cut off is not promised any more.
pub(crate) fn loosen(dir: &Path, jobs: &[Job]) {
    let disk = disk_at(dir);
    let mut inner = disk.lock();
    for job in jobs {
        if matches!(job.change, Change::Truncate { .. } | Change::Purge { .. }) {
            inner.promises.0.entry(job.group).or_default().last = None;
        }
    }
}

/// Remembers what is about to be acknowledged.
pub(crate) fn keep(dir: &Path, jobs: &[Job]) {
    let disk = disk_at(dir);
    let mut inner = disk.lock();
    for job in jobs {
        let promise = inner.promises.0.entry(job.group).or_default();
        match &job.change {
            Change::Vote(vote) => promise.vote = Some(vote.clone()),
            Change::Append(records) => {
                promise.last = records.last().map(|r| (r.index, r.hash)).or(promise.last);
            }
            Change::Truncate { .. } | Change::Purge { .. } => promise.last = None,
        }
    }
}

/// Compares what was found with what was promised.
pub(crate) fn check(dir: &Path, found: &BTreeMap<GroupId, RecoveredLog>) -> Result<(), StartError> {
    let disk = disk_at(dir);
    let inner = disk.lock();
    for (group, promise) in &inner.promises.0 {
        let broken = |what: String| StartError::Group {
            group: *group,
            cause: format!("PROMISE BROKEN: {what}"),
        };
        let found = found.get(group).cloned().unwrap_or_default();
        let vote = found.vote.as_ref().map(codec::encode_vote);
        if let Some(promised) = &promise.vote
            && vote.as_ref() != Some(promised)
        {
            // A vote that was written and not acknowledged may be there, but only a later one.
            let later = codec::decode_vote(promised).ok() < found.vote;
            if !later {
                return Err(broken(format!("a vote: {:?}", found.vote)));
            }
        }
        let last = found.last.map(|id| id.index());
        if let Some((index, hash)) = promise.last {
            let other = last == Some(index) && found.hash != Some(hash);
            if last < Some(index) || other {
                return Err(broken(format!("entry {index}, the log ends with {last:?}")));
            }
        }
    }
    Ok(())
}
