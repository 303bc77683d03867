//! Two moves of directories that would make a loop if both happened.

use eggs_proto::InodeId;
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::Replace;

use super::{ATTRIBUTES, Act, any_name};
use crate::client::Outcome;
use crate::random::Random;

impl Act {
    /// Two directories with their names; the same for both moves, which throw the same dice.
    fn two_directories(&self, random: &mut Random) -> Option<[(InodeId, EntryName); 2]> {
        self.client.sim.with(|world| {
            let places = world.oracle.names.places.iter();
            let directories = places.filter(|(inode, _)| inode.is_directory());
            let all: Vec<_> = directories
                .map(|(dir, entry)| (*dir, entry.clone()))
                .collect();
            Some([random.pick(&all)?, random.pick(&all)?])
        })
    }

    /// Moves the first onto an empty directory in the second, which is made if there is none.
    pub(super) async fn juggle_over(&self, random: &mut Random) -> Outcome<()> {
        let Some([(_, source), (into, _)]) = self.two_directories(random) else {
            return Ok(());
        };
        let empty = self.client.sim.with(|world| {
            let names = &world.oracle.names;
            let children = names.attached(into)?.entries.iter();
            let empty = |inode: &InodeId| {
                names
                    .attached(*inode)
                    .is_some_and(|dir| dir.entries.is_empty())
            };
            let mut empty = children.filter(|(_, inode)| empty(inode));
            empty.next().map(|((_, name), _)| name.clone())
        });
        let operation = match empty {
            Some(name) => CdcOperation::Rename {
                source,
                target: EntryName { dir: into, name },
                replace: Replace::Files,
            },
            None => CdcOperation::MakeDirectory {
                entry: EntryName {
                    dir: into,
                    name: any_name(random),
                },
                attributes: ATTRIBUTES,
            },
        };
        self.client.transact(operation, self.deadline_us).await?;
        Ok(())
    }

    /// Moves the second into the first.
    pub(super) async fn juggle_under(&self, random: &mut Random) -> Outcome<()> {
        let Some([(into, _), (_, source)]) = self.two_directories(random) else {
            return Ok(());
        };
        let target = EntryName {
            dir: into,
            name: any_name(random),
        };
        let operation = CdcOperation::Rename {
            source,
            target,
            replace: Replace::Files,
        };
        self.client.transact(operation, self.deadline_us).await?;
        Ok(())
    }
}
