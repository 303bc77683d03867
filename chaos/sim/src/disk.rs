//! A block service as `blob/store` promises to behave: what is certified is stored, what is proved is durable, what was
//! erased does not come back.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, CERTIFICATE_MS, CLOCK_SKEW_MS_MAX, FailureDomainId,
    MacTag, NodeId, ServiceKey, Statement, Time,
};

/// Bytes of a disk.
pub const CAPACITY_BYTES: u64 = 1 << 40;

/// One disk. Everything it holds is durable.
#[derive(Debug)]
pub struct Disk {
    /// Its name.
    pub service: BlockServiceId,
    /// The process that serves it.
    pub node: NodeId,
    /// What it fails with.
    pub domain: FailureDomainId,
    /// Its key.
    pub key: ServiceKey,
    /// What it says is free.
    pub available_bytes: u64,
    /// Blocks, as they were certified.
    pub blocks: BTreeMap<BlockId, BlockFacts>,
    /// Blocks that it held and has lost.
    pub lost: BTreeSet<BlockId>,
    /// Whether it has ever lost anything.
    pub was_hit: bool,
    /// Whether it is gone for good.
    pub dead: bool,
    /// Erased blocks and until when they may not be written.
    pub tombstones: BTreeMap<BlockId, Time>,
}

impl Disk {
    /// An empty disk in a process and failure domain of its own.
    pub fn new(node: NodeId, key: ServiceKey) -> Self {
        Self {
            service: BlockServiceId(u64::from(node.index()) + 1),
            node,
            domain: FailureDomainId(node.index()),
            key,
            available_bytes: CAPACITY_BYTES / 2,
            blocks: BTreeMap::new(),
            lost: BTreeSet::new(),
            was_hit: false,
            dead: false,
            tombstones: BTreeMap::new(),
        }
    }

    /// Loses some blocks, or all of them.
    pub fn lose(&mut self, mut loses: impl FnMut(BlockId) -> bool) {
        self.was_hit = true;
        let gone: Vec<BlockId> = self.blocks.keys().copied().filter(|b| loses(*b)).collect();
        for block in gone {
            self.blocks.remove(&block);
            self.lost.insert(block);
        }
    }

    /// Does what is asked, durably.
    pub fn serve(&mut self, request: &BlockRequest, now: Time) -> BlockResult {
        if self.dead {
            return Err(BlockRefusal::WrongService);
        }
        match request {
            BlockRequest::Write {
                facts,
                expiry,
                certificate,
            } => self.write(facts, *expiry, certificate, now),
            BlockRequest::Erase {
                facts,
                write_expiry,
                certificate,
            } => self.erase(facts, *write_expiry, certificate, now),
            BlockRequest::Check { block, .. } => match self.blocks.get(block) {
                Some(facts) => Ok(BlockReply::Checked {
                    checksum: facts.checksum,
                    size: facts.size,
                }),
                None => Err(BlockRefusal::NotFound),
            },
            BlockRequest::Read { .. }
            | BlockRequest::List { .. }
            | BlockRequest::Report { .. }
            | BlockRequest::Damaged { .. } => Err(BlockRefusal::Forbidden),
        }
    }

    fn write(
        &mut self,
        facts: &BlockFacts,
        expiry: Time,
        certificate: &MacTag,
        now: Time,
    ) -> BlockResult {
        if facts.service != self.service {
            return Err(BlockRefusal::WrongService);
        }
        let statement = Statement::MayWrite(expiry);
        if !self.key.verify(statement, facts, certificate) {
            return Err(BlockRefusal::BadCertificate);
        }
        if now > expiry || expiry > now.plus_ms(CERTIFICATE_MS + CLOCK_SKEW_MS_MAX) {
            return Err(BlockRefusal::Expired);
        }
        if self.tombstones.contains_key(&facts.block) {
            return Err(BlockRefusal::WasErased);
        }
        if self
            .blocks
            .get(&facts.block)
            .is_some_and(|known| known != facts)
        {
            return Err(BlockRefusal::BadPayload);
        }
        if self.available_bytes < facts.size {
            return Err(BlockRefusal::NoSpace);
        }
        self.blocks.insert(facts.block, *facts);
        self.lost.remove(&facts.block);
        let proof = self.key.sign(Statement::Written, facts);
        Ok(BlockReply::Written { proof })
    }

    fn erase(
        &mut self,
        facts: &BlockFacts,
        write_expiry: Time,
        certificate: &MacTag,
        now: Time,
    ) -> BlockResult {
        if facts.service != self.service {
            return Err(BlockRefusal::WrongService);
        }
        let statement = Statement::MayErase(write_expiry);
        if !self.key.verify(statement, facts, certificate) {
            return Err(BlockRefusal::BadCertificate);
        }
        let until = write_expiry.plus_ms(CLOCK_SKEW_MS_MAX);
        if now <= until && !planted(Bug::TombstoneForgotten) {
            let known = self.tombstones.entry(facts.block).or_insert(until);
            *known = until.max(*known);
        }
        self.blocks.remove(&facts.block);
        let proof = self.key.sign(Statement::Erased, facts);
        Ok(BlockReply::Erased { proof })
    }
}
