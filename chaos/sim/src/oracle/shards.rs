//! Changes of one shard as they are committed.

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{Replace, ShardChange as C, ShardReply};
use eggs_proto::{InodeId, Name, Refusal, ShardId, TRANSIENT_MS, Time, decode};

use super::{Before, Part};
use crate::coverage::label;
use crate::world::World;

type Answer = Result<ShardReply, Refusal>;

fn at(dir: InodeId, name: &Name) -> EntryName {
    EntryName {
        dir,
        name: name.clone(),
    }
}

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
        let seen = seen.and_then(|()| self.see_files(change, &answer, before, now));
        if let Err(what) = seen {
            self.violate(|| format!("shard {shard}: {what} ({change:?} -> {answer:?})"));
        }
    }

    fn see_names(&mut self, change: &C, answer: &Answer, now: Time) -> Result<(), String> {
        if let Ok(ShardReply::Linked { inode, created }) = answer {
            self.oracle.created.insert(*inode, *created);
        }
        let names = &mut self.oracle.names;
        match (change, answer) {
            (
                C::CreateFile {
                    dir, name, replace, ..
                },
                Ok(ShardReply::Linked { inode, .. }),
            )
            | (
                C::Link {
                    dir, name, replace, ..
                }
                | C::CertifyAndLink {
                    dir, name, replace, ..
                }
                | C::CreateReserved {
                    dir, name, replace, ..
                }
                | C::Undelete {
                    dir, name, replace, ..
                },
                Ok(ShardReply::Linked { inode, .. }),
            ) => {
                let entry = at(*dir, name);
                names.make_way(&entry, *replace)?;
                names.enter(&entry, *inode)
            }
            (C::Symlink { dir, name, .. }, Ok(ShardReply::Linked { inode, .. })) => {
                names.enter(&at(*dir, name), *inode)
            }
            (
                C::LinkDirectory {
                    parent, name, dir, ..
                },
                Ok(_),
            ) => {
                let entry = at(*parent, name);
                if names.get(&entry) == Some(*dir) {
                    return Ok(());
                }
                names.make_directory(&entry, *dir)
            }
            (
                C::Unlink {
                    dir,
                    name,
                    expected,
                },
                Ok(_),
            ) => {
                let inode = names.leave(&at(*dir, name))?;
                if inode.is_directory() || expected.is_some_and(|expected| expected != inode) {
                    return Err(format!("{inode} was unlinked"));
                }
                Ok(())
            }
            (
                C::Rename {
                    dir,
                    source,
                    target,
                    replace,
                },
                Ok(_),
            ) => {
                let (source, target) = (at(*dir, source), at(*dir, target));
                if source != target {
                    for inode in [names.get(&source), names.get(&target)].iter().flatten() {
                        self.oracle.created.insert(*inode, now);
                    }
                }
                names.rename(&source, &target, *replace)
            }
            (_, Err(refusal)) => self.see_refusal(change, refusal),
            (_, Ok(_)) => Ok(()),
        }
    }

    /// Refusals that the names must bear out.
    fn see_refusal(&mut self, change: &C, refusal: &Refusal) -> Result<(), String> {
        let names = &self.oracle.names;
        let (source, target) = match change {
            C::CreateFile { dir, name, .. }
            | C::Link { dir, name, .. }
            | C::CertifyAndLink { dir, name, .. }
            | C::CreateReserved { dir, name, .. }
            | C::Undelete { dir, name, .. }
            | C::Symlink { dir, name, .. } => (None, Some(at(*dir, name))),
            C::LinkDirectory { parent, name, .. } => (None, Some(at(*parent, name))),
            C::Unlink { dir, name, .. } => (Some(at(*dir, name)), None),
            C::Rename {
                dir,
                source,
                target,
                ..
            } => (Some(at(*dir, source)), Some(at(*dir, target))),
            _ => return Ok(()),
        };
        let exists = |entry: &Option<EntryName>| {
            entry
                .as_ref()
                .is_some_and(|entry| names.get(entry).is_some())
        };
        let exchange = matches!(
            change,
            C::Rename {
                replace: Replace::Exchange,
                ..
            }
        );
        match refusal {
            Refusal::Exists if !exists(&target) => Err("nothing has the name".into()),
            Refusal::NotFound if exists(&source) && !exchange => Err("the name exists".into()),
            Refusal::NotFound
                if source.is_none()
                    && target
                        .as_ref()
                        .is_some_and(|t| names.attached(t.dir).is_some())
                    && !matches!(
                        change,
                        C::Link { .. } | C::CertifyAndLink { .. } | C::CreateReserved { .. }
                    ) =>
            {
                Err("the directory exists".into())
            }
            _ => Ok(()),
        }
    }

    fn see_files(
        &mut self,
        change: &C,
        answer: &Answer,
        before: &Before,
        now: Time,
    ) -> Result<(), String> {
        let Ok(reply) = answer else { return Ok(()) };
        match (change, reply) {
            (C::CreateTransient { .. }, ShardReply::Transient { file, .. }) => {
                self.oracle
                    .deadlines
                    .insert(*file, now.plus_ms(TRANSIENT_MS));
                self.oracle.contents.insert(*file, Vec::new());
            }
            (C::CreateFile { content, .. }, ShardReply::Linked { inode, .. }) => {
                let parts = match content.as_slice() {
                    [] => Vec::new(),
                    bytes => vec![Part::Inline(bytes.to_vec())],
                };
                self.oracle.contents.insert(*inode, parts);
            }
            (C::Reserve { .. }, ShardReply::Reserved(files)) => {
                for (file, _) in files {
                    let deadline = now.plus_ms(TRANSIENT_MS);
                    self.oracle.deadlines.insert(*file, deadline);
                    self.oracle.contents.insert(*file, Vec::new());
                }
            }
            (C::CreateReserved { file, content, .. }, ShardReply::Linked { .. }) => {
                self.see_transient(*file, now)?;
                self.oracle.deadlines.remove(file);
                let parts = match content.as_slice() {
                    [] => Vec::new(),
                    bytes => vec![Part::Inline(bytes.to_vec())],
                };
                self.oracle.contents.insert(*file, parts);
            }
            (C::AddExtent(request), _) => {
                self.see_transient(request.file, now)?;
                let part = Part::Blocks {
                    offset: request.offset,
                    size: request.size,
                    checksums: request.checksums.clone(),
                };
                self.oracle
                    .contents
                    .entry(request.file)
                    .or_default()
                    .push(part);
            }
            (C::AddInline { file, content, .. }, _) => {
                self.see_transient(*file, now)?;
                let part = Part::Inline(content.clone());
                self.oracle.contents.entry(*file).or_default().push(part);
            }
            (C::AddHole { file, .. }, _) => {
                self.see_transient(*file, now)?;
                let part = Part::Inline(Vec::new());
                self.oracle.contents.entry(*file).or_default().push(part);
            }
            (
                C::ReplaceBlocks { file, .. }
                | C::CertifyExtent { file, .. }
                | C::KeepAlive { file, .. },
                _,
            ) => self.see_transient(*file, now)?,
            (C::CreateWithExtent { extent, .. }, ShardReply::Started { file, .. }) => {
                self.oracle
                    .deadlines
                    .insert(*file, now.plus_ms(TRANSIENT_MS));
                let part = Part::Blocks {
                    offset: 0,
                    size: extent.size,
                    checksums: extent.checksums.clone(),
                };
                self.oracle.contents.insert(*file, vec![part]);
            }
            (C::Link { file, .. } | C::CertifyAndLink { file, .. }, _) => {
                self.see_transient(*file, now)?;
                self.oracle.deadlines.remove(file);
            }
            (C::Scrap { file, .. }, _) => {
                if let Some(deadline) = self.oracle.deadlines.get_mut(file) {
                    *deadline = now.min(*deadline);
                }
            }
            (C::DestroyTransient { file }, ShardReply::Progress { .. }) => {
                self.see_destroyed(*file, now)?;
            }
            (C::ScrapForeign { inode }, _) => {
                if let Some(entry) = self.oracle.names.places.get(inode) {
                    return Err(format!("{inode} is scrapped and has the name {entry:?}"));
                }
            }
            (C::CollectSnapshot { .. }, _) => self.see_collected(before, now)?,
            (_, _) => {}
        }
        Ok(())
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
        if age_ms < self.oracle.keep_ms_min {
            return Err(format!("a snapshot was collected after {age_ms} ms"));
        }
        Ok(())
    }
}
