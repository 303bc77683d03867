//! Changes of one shard as they are committed.

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{Replace, ShardChange as C, ShardReply};
use eggs_proto::{Refusal, ShardId, Time, decode};

use super::Before;
use super::effect::{OnNames, on_names};
use crate::coverage::label;
use crate::world::World;

/// What a change came to.
pub(super) type Answer = Result<ShardReply, Refusal>;

impl World {
    /// A change was answered for the first time.
    pub(super) fn watch_shard(
        &mut self,
        shard: ShardId,
        change: &C,
        before: &Before,
        now: Time,
        reply: &[u8],
    ) {
        let Ok(answer) = decode::<Answer>(reply) else {
            return self.violate(|| format!("shard {shard} replied nonsense to {change:?}"));
        };
        match &answer {
            Ok(_) => self.coverage.hit(format!("accepted {}", label(change))),
            Err(refusal) => {
                let state = format!("refused {}: {}", label(change), label(refusal));
                self.coverage.hit(state);
            }
        }
        if self.trace.is_verbose() {
            let text = format!("shard {shard} at {now}: {change:?} -> {answer:?}");
            self.trace.say(self.now_us, &text);
        }
        let seen = self.see_names(change, &answer, now);
        let seen = seen.and_then(|()| self.see_inodes(change, &answer, before, now));
        if let Err(what) = seen {
            self.violate(|| format!("shard {shard}: {what} ({change:?} -> {answer:?})"));
        }
    }

    fn see_names(&mut self, change: &C, answer: &Answer, now: Time) -> Result<(), String> {
        let effect = on_names(change)?;
        let reply = match answer {
            Ok(reply) => reply,
            Err(refusal) => return self.see_refusal(&effect, refusal),
        };
        let linked = match reply {
            ShardReply::Linked { inode, created } => {
                self.oracle.created.insert(*inode, *created);
                Ok(*inode)
            }
            other => Err(format!("it was answered {}", label(other))),
        };
        let names = &mut self.oracle.names;
        match effect {
            OnNames::Nothing => Ok(()),
            OnNames::Enters { entry, replace, .. } => {
                names.make_way(&entry, replace)?;
                names.enter(&entry, linked?)
            }
            OnNames::EntersDirectory { entry, dir } => {
                if names.get(&entry) == Some(dir) {
                    return Ok(());
                }
                names.make_directory(&entry, dir)
            }
            OnNames::Leaves { entry, expected } => {
                let inode = names.leave(&entry)?;
                if inode.is_directory() || expected.is_some_and(|expected| expected != inode) {
                    return Err(format!("{inode} was unlinked"));
                }
                Ok(())
            }
            OnNames::Renames {
                source,
                target,
                replace,
            } => {
                if source != target {
                    for inode in [names.get(&source), names.get(&target)].iter().flatten() {
                        self.oracle.created.insert(*inode, now);
                    }
                }
                names.rename(&source, &target, replace)
            }
        }
    }

    /// Refusals that the names must bear out. `NotFound` of what needs another inode as well may be about that.
    fn see_refusal(&self, effect: &OnNames, refusal: &Refusal) -> Result<(), String> {
        let names = &self.oracle.names;
        let exists = |entry: &EntryName| names.get(entry).is_some();
        let (source, target, exchange, alone) = match effect {
            OnNames::Nothing => return Ok(()),
            OnNames::Enters { entry, alone, .. } => (None, Some(entry), false, *alone),
            OnNames::EntersDirectory { entry, .. } => (None, Some(entry), false, true),
            OnNames::Leaves { entry, .. } => (Some(entry), None, false, true),
            OnNames::Renames {
                source,
                target,
                replace,
            } => {
                let exchange = *replace == Replace::Exchange;
                (Some(source), Some(target), exchange, true)
            }
        };
        if *refusal == Refusal::Exists && !target.is_some_and(exists) {
            return Err("nothing has the name".into());
        }
        if *refusal == Refusal::NotFound {
            let attached = target.is_some_and(|target| names.attached(target.dir).is_some());
            if source.is_some_and(exists) && !exchange {
                return Err("the name exists".into());
            }
            if source.is_none() && attached && alone {
                return Err("the directory exists".into());
            }
        }
        Ok(())
    }
}
