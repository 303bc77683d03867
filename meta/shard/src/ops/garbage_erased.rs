//! Forgets blocks whose erasure the leader found proved. Fine if they are forgotten.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::BlockFacts;
use eggs_proto::shard::ShardReply;

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, erased: &[BlockFacts]) -> Reply {
    for facts in erased {
        if planted(Bug::GarbageErasedForgotten) {
            continue;
        }
        state.forget_erased(facts)?;
    }
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ErasedBlock, GarbageBlock, ShardChange, ShardQuery};
    use eggs_proto::{Refusal, Statement};

    use super::*;
    use crate::testing::{Answer, Bench, key_of};

    fn erased(bench: &mut Bench, blocks: &[GarbageBlock], statement: Statement) -> Answer {
        let proved = |block: &GarbageBlock| ErasedBlock {
            block: block.facts.block,
            proof: key_of(block.facts.service)
                .unwrap()
                .sign(statement, &block.facts),
        };
        let erased = blocks.iter().map(proved).collect();
        bench.serve(ShardChange::GarbageErased { erased })
    }

    #[test]
    fn garbage_is_forgotten_when_its_erasure_is_proved() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        bench.add_extent((file, cookie), 0).unwrap();
        bench.change(ShardChange::Scrap { file, cookie }).unwrap();
        bench.destroy(file).unwrap();
        let blocks = bench.garbage();
        for block in &blocks {
            let key = key_of(block.facts.service).unwrap();
            let may_erase = Statement::MayErase(block.write_expiry);
            assert!(key.verify(may_erase, &block.facts, &block.certificate.unwrap()));
        }
        let forged = erased(&mut bench, &blocks, Statement::Written);
        assert_eq!(forged, Err(Refusal::BadProof { index: 0 }));
        let done = Ok(ShardReply::Done);
        assert_eq!(erased(&mut bench, &blocks[..2], Statement::Erased), done);
        assert_eq!(bench.garbage(), blocks[2..]);
        assert_eq!(erased(&mut bench, &blocks, Statement::Erased), done);
        assert_eq!(bench.usage().garbage_blocks, 0);
    }

    #[test]
    fn only_servers_see_garbage_or_report_it() {
        let mut bench = Bench::new();
        let query = ShardQuery::VisitGarbage {
            after: None,
            limit: 1,
        };
        assert_eq!(bench.query(&query), Err(Refusal::Forbidden));
        let erased = Vec::new();
        let refused = bench.change(ShardChange::GarbageErased { erased });
        assert_eq!(refused, Err(Refusal::Forbidden));
    }
}
