//! A client that asks for what nobody may have: each of it has to be refused, and to leave nothing.

use eggs_proto::shard::{ShardChange as C, ShardQuery, ShardReply};
use eggs_proto::{AttributeChange, Cookie, InodeId, NewAttributes};

use super::{ATTRIBUTES, Act};
use crate::client::{Failure, Outcome};
use crate::random::Random;

impl Act {
    pub(super) async fn cheat(&self, random: &mut Random) -> Outcome<()> {
        let dir = self.directory(random);
        match random.below(5) {
            0 => self.play_server(dir).await,
            1 => self.ask_another_shard(dir, random).await,
            2 => {
                let change = AttributeChange {
                    mode: Some(1 << 20),
                    ..AttributeChange::default()
                };
                let inode = dir;
                self.refused(dir, C::SetAttributes { inode, change }).await;
            }
            _ => self.write_nonsense(dir).await?,
        }
        Ok(())
    }

    /// Sends what must be refused.
    async fn refused(&self, dir: InodeId, change: C) {
        let asked = format!("{change:?}");
        let answer = self
            .client
            .change(dir.shard(), change, self.deadline_us)
            .await;
        if let Ok(reply) = answer {
            self.client.sim.with(|world| {
                world.violate(|| format!("a cheat was answered {reply:?} to {asked}"));
            });
        }
    }

    async fn play_server(&self, dir: InodeId) {
        self.refused(dir, C::RemoveDirectory { dir }).await;
        self.refused(dir, C::ScrapForeign { inode: dir }).await;
        self.refused(dir, C::AdvanceTime).await;
    }

    async fn ask_another_shard(&self, dir: InodeId, random: &mut Random) {
        let other = self.directory(random);
        if other.shard() == dir.shard() {
            return;
        }
        let query = ShardQuery::Stat { inode: other };
        let deadline_us = self.deadline_us;
        let answer = self.client.query(dir.shard(), query, deadline_us).await;
        if let Ok(reply) = answer {
            let told = format!("{} was told {reply:?} of {other}", dir.shard());
            self.client.sim.with(|world| world.violate(|| told));
        }
        let create = C::CreateTransient {
            dir: other,
            attributes: ATTRIBUTES,
            note: String::new(),
        };
        self.refused(dir, create).await;
    }

    /// A file with gaps, without proofs, with another's cookie, and after it was given up.
    async fn write_nonsense(&self, dir: InodeId) -> Outcome<()> {
        let start = C::CreateTransient {
            dir,
            attributes: NewAttributes {
                mode: 0o600,
                ..ATTRIBUTES
            },
            note: "nonsense".into(),
        };
        let deadline_us = self.deadline_us;
        let started = self.client.change(dir.shard(), start, deadline_us).await?;
        let ShardReply::Transient { file, cookie } = started else {
            return Err(Failure::TooLate);
        };
        let (offset, content) = (5, vec![b'z'; 10]);
        let gap = C::AddInline {
            file,
            cookie,
            offset,
            content: content.clone(),
        };
        self.refused(dir, gap).await;
        let forged = C::AddInline {
            file,
            cookie: Cookie(cookie.0 ^ 1),
            offset: 0,
            content,
        };
        self.refused(dir, forged).await;
        let missing = C::CertifyExtent {
            file,
            cookie,
            offset,
            proofs: Vec::new(),
        };
        self.refused(dir, missing).await;
        let scrap = C::Scrap { file, cookie };
        self.client.change(dir.shard(), scrap, deadline_us).await?;
        self.refused(dir, C::KeepAlive { file, cookie }).await;
        Ok(())
    }
}
