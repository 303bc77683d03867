//! Files, old versions, extended attributes and policies as they change.

use eggs_proto::shard::{ShardChange as C, ShardReply};
use eggs_proto::{InodeId, Policy, PolicyKind, Refusal, TRANSIENT_MS, Time, XattrMode, XattrName};

use super::Before;
use super::effect::{OnInodes, on_inodes};
use super::shards::Answer;
use crate::world::World;

impl World {
    /// Everything but names.
    pub(super) fn see_inodes(
        &mut self,
        change: &C,
        answer: &Answer,
        before: &Before,
        now: Time,
    ) -> Result<(), String> {
        let effect = on_inodes(change);
        let reply = match answer {
            Ok(reply) => reply,
            Err(refusal) => return self.see_refused_xattr(&effect, refusal),
        };
        match effect {
            OnInodes::Nothing => Ok(()),
            OnInodes::Starts(parts) => {
                for file in started(reply)? {
                    let deadline = now.plus_ms(TRANSIENT_MS);
                    self.oracle.deadlines.insert(file, deadline);
                    self.oracle.contents.insert(file, parts.clone());
                }
                Ok(())
            }
            OnInodes::Makes(parts) => match reply {
                ShardReply::Linked { inode, .. } => {
                    self.oracle.contents.insert(*inode, parts);
                    Ok(())
                }
                other => Err(format!("{other:?} is no name")),
            },
            OnInodes::Appends(file, part) => {
                self.see_transient(file, now)?;
                self.oracle.contents.entry(file).or_default().push(part);
                Ok(())
            }
            OnInodes::Touches(file) => self.see_transient(file, now),
            OnInodes::Finishes(file, parts) => {
                self.see_transient(file, now)?;
                self.oracle.deadlines.remove(&file);
                if let Some(parts) = parts {
                    self.oracle.contents.insert(file, parts);
                }
                Ok(())
            }
            OnInodes::GivesUp(file) => {
                if let Some(deadline) = self.oracle.deadlines.get_mut(&file) {
                    *deadline = now.min(*deadline);
                }
                Ok(())
            }
            OnInodes::Destroys(file) => self.see_destroyed(file, now),
            OnInodes::Dooms(inode) => match self.oracle.names.places.get(&inode) {
                Some(entry) => Err(format!("{inode} is scrapped and has the name {entry:?}")),
                None => Ok(()),
            },
            OnInodes::Collects => self.see_collected(before, now),
            OnInodes::SetsXattr(inode, name, value, mode) => {
                self.see_xattr(inode, name, value, mode)
            }
            OnInodes::RemovesXattr(inode, name) => {
                let all = self.oracle.xattrs.entry(inode).or_default();
                let removed = all.remove(name);
                removed
                    .map(drop)
                    .ok_or_else(|| format!("{name} of {inode} is removed and does not exist"))
            }
            OnInodes::SetsPolicy(dir, policy) => {
                self.see_policy(dir, policy);
                Ok(())
            }
            OnInodes::ClearsPolicy(dir, kind) => {
                self.oracle.policies.remove(&(dir, kind));
                Ok(())
            }
        }
    }

    /// A transient file was changed.
    fn see_transient(&mut self, file: InodeId, now: Time) -> Result<(), String> {
        match self.oracle.deadlines.get_mut(&file) {
            Some(deadline) if now < *deadline => {
                *deadline = now.plus_ms(TRANSIENT_MS);
                Ok(())
            }
            Some(deadline) => Err(format!("{file} expired at {deadline}, and it is {now}")),
            None => Err(format!("{file} is not transient")),
        }
    }

    fn see_destroyed(&mut self, file: InodeId, now: Time) -> Result<(), String> {
        if let Some(entry) = self.oracle.names.places.get(&file) {
            return Err(format!("{file} is destroyed and has the name {entry:?}"));
        }
        match self.oracle.deadlines.get(&file) {
            Some(deadline) if now < *deadline => {
                Err(format!("{file} is destroyed at {now}, before {deadline}"))
            }
            Some(_) | None => {
                self.oracle.contents.remove(&file);
                Ok(())
            }
        }
    }

    fn see_collected(&mut self, before: &Before, now: Time) -> Result<(), String> {
        let Some(snapshot) = &before.snapshot else {
            return Err("a snapshot was collected that did not exist".into());
        };
        let inode = snapshot.inode;
        if snapshot.owned
            && let Some(entry) = self.oracle.names.places.get(&inode)
        {
            return Err(format!("{inode} is collected and has the name {entry:?}"));
        }
        let age_ms = now.ms_since(snapshot.removed);
        // Where versions count, the collector saw enough newer ones; some may have come back since.
        if age_ms < self.oracle.keep_ms_min && !self.oracle.versions_count {
            return Err(format!("a snapshot was collected after {age_ms} ms"));
        }
        Ok(())
    }

    fn see_xattr(
        &mut self,
        inode: InodeId,
        name: &XattrName,
        value: &[u8],
        mode: XattrMode,
    ) -> Result<(), String> {
        let all = self.oracle.xattrs.entry(inode).or_default();
        let known = all.insert(name.clone(), value.to_vec());
        match (mode, known.is_some()) {
            (XattrMode::Create, true) => Err(format!("{name} of {inode} existed")),
            (XattrMode::Replace, false) => Err(format!("{name} of {inode} did not exist")),
            (XattrMode::Set | XattrMode::Create | XattrMode::Replace, _) => Ok(()),
        }
    }

    /// Refusals that the extended attributes must bear out.
    fn see_refused_xattr(&self, effect: &OnInodes<'_>, refusal: &Refusal) -> Result<(), String> {
        let (inode, name) = match effect {
            OnInodes::SetsXattr(inode, name, _, _) | OnInodes::RemovesXattr(inode, name) => {
                (inode, *name)
            }
            OnInodes::Nothing
            | OnInodes::Starts(_)
            | OnInodes::Makes(_)
            | OnInodes::Appends(..)
            | OnInodes::Touches(_)
            | OnInodes::Finishes(..)
            | OnInodes::GivesUp(_)
            | OnInodes::Destroys(_)
            | OnInodes::Dooms(_)
            | OnInodes::Collects
            | OnInodes::SetsPolicy(..)
            | OnInodes::ClearsPolicy(..) => return Ok(()),
        };
        let all = self.oracle.xattrs.get(inode);
        let exists = all.is_some_and(|all| all.contains_key(name));
        if (*refusal == Refusal::Exists && !exists) || (*refusal == Refusal::NoAttribute && exists)
        {
            return Err(format!("{name} of {inode} exists: {exists}"));
        }
        Ok(())
    }

    fn see_policy(&mut self, dir: InodeId, policy: &Policy) {
        match policy {
            Policy::Snapshot(snapshot) => {
                self.oracle.versions_count |= snapshot.keep_versions.is_some();
            }
            Policy::Extent(_) | Policy::Class(_) | Policy::Stripe(_) | Policy::Inline(_) => {}
        }
        let key: (InodeId, PolicyKind) = (dir, policy.kind());
        self.oracle.policies.insert(key, policy.clone());
    }
}

/// The files that a reply names.
fn started(reply: &ShardReply) -> Result<Vec<InodeId>, String> {
    match reply {
        ShardReply::Transient { file, .. } | ShardReply::Started { file, .. } => Ok(vec![*file]),
        ShardReply::Reserved(files) => Ok(files.iter().map(|(file, _)| *file).collect()),
        other => Err(format!("{other:?} names no file")),
    }
}
