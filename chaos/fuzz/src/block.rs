//! Requests to a block service, and the certificates in them.

use eggs_proto::block::{BlockRequest, BlockResult};
use eggs_proto::{BlockFacts, MacTag, ServiceKey, Statement};

use crate::messages::read;

/// A request or an answer. Nobody can sign without the key.
pub fn block(bytes: &[u8]) {
    read::<BlockResult>(bytes);
    match read::<BlockRequest>(bytes) {
        Some(BlockRequest::Write {
            facts,
            expiry,
            certificate,
        }) => unsigned(&facts, Statement::MayWrite(expiry), certificate),
        Some(BlockRequest::Erase {
            facts,
            write_expiry,
            certificate,
        }) => unsigned(&facts, Statement::MayErase(write_expiry), certificate),
        Some(
            BlockRequest::Read { .. }
            | BlockRequest::Check { .. }
            | BlockRequest::List { .. }
            | BlockRequest::Report { .. }
            | BlockRequest::Damaged { .. },
        )
        | None => {}
    }
}

fn unsigned(facts: &BlockFacts, statement: Statement, certificate: MacTag) {
    let key = ServiceKey::new([0x5a; 32]);
    assert!(
        !key.verify(statement, facts, &certificate),
        "forged: {facts:?}"
    );
    let signed = key.sign(statement, facts);
    assert!(key.verify(statement, facts, &signed));
    assert!(!key.verify(Statement::Written, facts, &signed));
    let other = BlockFacts {
        size: facts.size ^ 1,
        ..*facts
    };
    assert!(!key.verify(statement, &other, &signed));
}
