//! Extended attributes.

use eggs_proto::shard::{ShardChange, ShardQuery};
use eggs_proto::{InodeId, XATTR_VALUE_BYTES_MAX, XattrMode, XattrName};

use super::Act;
use crate::client::Outcome;
use crate::random::Random;

const NAMES: [&str; 5] = ["user.a", "user.b", "user.c", "user.d", "user.e"];

fn name(random: &mut Random) -> XattrName {
    let text = random.pick(&NAMES).unwrap_or("user.a");
    XattrName::new(text).expect("the list holds good names")
}

impl Act {
    /// Sets, removes, reads or lists extended attributes of something, mostly of something that has some.
    pub(super) async fn xattrs(&self, random: &mut Random) -> Outcome<()> {
        let inode = self.some_inode(random);
        let (shard, deadline_us) = (inode.shard(), self.deadline_us);
        let name = name(random);
        if random.permille(30) {
            return self.fill_up(inode).await;
        }
        let change = match random.below(10) {
            0 | 1 => {
                let query = ShardQuery::ListXattrs { inode };
                self.client.query(shard, query, deadline_us).await?;
                return Ok(());
            }
            2 | 3 => {
                let query = ShardQuery::GetXattr { inode, name };
                self.client.query(shard, query, deadline_us).await?;
                return Ok(());
            }
            4 | 5 => ShardChange::RemoveXattr { inode, name },
            _ => ShardChange::SetXattr {
                inode,
                name,
                value: value(random),
                mode: random
                    .pick(&[XattrMode::Create, XattrMode::Replace, XattrMode::Set])
                    .unwrap_or(XattrMode::Set),
            },
        };
        self.client.change(shard, change, deadline_us).await?;
        Ok(())
    }

    /// More than fits.
    async fn fill_up(&self, inode: InodeId) -> Outcome<()> {
        for text in NAMES {
            let change = ShardChange::SetXattr {
                inode,
                name: XattrName::new(text).expect("the list holds good names"),
                value: vec![b'f'; XATTR_VALUE_BYTES_MAX],
                mode: XattrMode::Set,
            };
            let deadline_us = self.deadline_us;
            self.client
                .change(inode.shard(), change, deadline_us)
                .await?;
        }
        Ok(())
    }

    fn some_inode(&self, random: &mut Random) -> InodeId {
        let known = self.client.sim.with(|world| {
            let all: Vec<InodeId> = world.oracle.xattrs.keys().copied().collect();
            random.pick(&all).filter(|_| random.permille(600))
        });
        known.unwrap_or_else(|| {
            let entry = self.known_entry(random, |_| true);
            let named = self.client.sim.with(|world| world.oracle.names.get(&entry));
            named.unwrap_or(entry.dir)
        })
    }
}

/// Small, and seldom as large as can be, so that three fill an inode.
fn value(random: &mut Random) -> Vec<u8> {
    let bytes = if random.permille(60) {
        XATTR_VALUE_BYTES_MAX + usize::from(random.permille(100))
    } else {
        random.below(20) as usize
    };
    vec![random.below(256) as u8; bytes]
}
