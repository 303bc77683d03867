//! Certificates and proofs: who may write or erase which block, and evidence that it was done.
//!
//! Both are HMAC-SHA256 truncated to 128 bits, under the block service's own key, over every fact
//! they are about. A client carries them but can make neither.
//!
//! **Invariant:** a certificate or proof is good for one service, block, size, checksum and operation.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{BlockId, BlockServiceId, Checksum, Time};

/// The key of one block service: known to it, the registry and the shards. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceKey([u8; 32]);

impl ServiceKey {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key file.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey(..)")
    }
}

/// 128 bits that only a holder of the key can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacTag(pub [u8; 16]);

/// What is certified or proved about one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFacts {
    /// The service that keeps it.
    pub service: BlockServiceId,
    /// The block.
    pub block: BlockId,
    /// Its size in bytes.
    pub size: u64,
    /// Checksum over all of it.
    pub checksum: Checksum,
}

/// What a tag says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A shard: the block may be written until the given time.
    MayWrite(Time),
    /// A shard: the block may be erased. The time is when its write certificates have expired, until when
    /// the service must remember that the block is gone.
    MayErase(Time),
    /// A block service: the block is stored durably.
    Written,
    /// A block service: the block is gone and cannot come back.
    Erased,
}

impl ServiceKey {
    /// Makes the tag of a statement.
    pub fn sign(&self, statement: Statement, facts: &BlockFacts) -> MacTag {
        let (code, time) = match statement {
            Statement::MayWrite(until) => (1u8, until),
            Statement::MayErase(until) => (2, until),
            Statement::Written => (3, Time(0)),
            Statement::Erased => (4, Time(0)),
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(b"eggsfs block v1");
        mac.update(&[code]);
        mac.update(&facts.service.0.to_le_bytes());
        mac.update(&facts.block.0.to_le_bytes());
        mac.update(&facts.size.to_le_bytes());
        mac.update(&facts.checksum.0.to_le_bytes());
        mac.update(&time.0.to_le_bytes());
        let full = mac.finalize().into_bytes();
        let mut tag = [0u8; 16];
        tag.copy_from_slice(&full[..16]);
        MacTag(tag)
    }

    /// Checks a tag in constant time.
    pub fn verify(&self, statement: Statement, facts: &BlockFacts, tag: &MacTag) -> bool {
        self.sign(statement, facts).0.ct_eq(&tag.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: BlockFacts = BlockFacts {
        service: BlockServiceId(1),
        block: BlockId(2),
        size: 4096,
        checksum: Checksum(4),
    };

    #[test]
    fn a_tag_fits_only_its_own_statement_and_facts() {
        let key = ServiceKey::new([5; 32]);
        let tag = key.sign(Statement::MayWrite(Time(10)), &FACTS);
        assert!(key.verify(Statement::MayWrite(Time(10)), &FACTS, &tag));
        let other_statements = [
            Statement::MayWrite(Time(11)),
            Statement::MayErase(Time(10)),
            Statement::Written,
            Statement::Erased,
        ];
        for statement in other_statements {
            assert!(!key.verify(statement, &FACTS, &tag), "{statement:?}");
        }
        let other_facts = [
            BlockFacts {
                service: BlockServiceId(9),
                ..FACTS
            },
            BlockFacts {
                block: BlockId(9),
                ..FACTS
            },
            BlockFacts {
                size: 8192,
                ..FACTS
            },
            BlockFacts {
                checksum: Checksum(9),
                ..FACTS
            },
        ];
        for facts in other_facts {
            assert!(
                !key.verify(Statement::MayWrite(Time(10)), &facts, &tag),
                "{facts:?}"
            );
        }
        assert!(!ServiceKey::new([6; 32]).verify(Statement::MayWrite(Time(10)), &FACTS, &tag));
    }
}
