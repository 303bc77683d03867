//! Starts a transient file together with its first extent: for most files in blocks the only request before the last.

use eggs_proto::shard::{NewExtent, ShardReply};

use super::add_extent::{Placement, append, check};
use super::create_transient::{Start, begin};
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    start: Start,
    extent: NewExtent,
    placement: &Placement,
) -> Reply {
    let cookie = start.cookie;
    let mut open = begin(state, start)?;
    check(&extent, placement)?;
    open.check_end(0, extent.size)?;
    let blocks = append(state, &mut open, &extent, placement)?;
    let file = open.id;
    open.close(state)?;
    Ok(ShardReply::Started {
        file,
        cookie,
        blocks,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::ShardChange;
    use eggs_proto::{ExtentProblem, Refusal, ShardId};

    use super::*;
    use crate::Prepared;
    use crate::testing::{Bench, EXTENT_SIZE, NEW, ROOT, directory_id, map_of, new_extent, proofs};

    fn create(dir: eggs_proto::InodeId, extent: NewExtent) -> ShardChange {
        ShardChange::CreateWithExtent {
            dir,
            attributes: NEW,
            note: "note".into(),
            extent,
        }
    }

    #[test]
    fn a_file_begins_with_its_first_extent() {
        let mut bench = Bench::new();
        let Ok(ShardReply::Started {
            file,
            cookie,
            blocks,
        }) = bench.change(create(ROOT, new_extent()))
        else {
            panic!("refused");
        };
        assert_eq!(blocks.len(), 6);
        assert_eq!(bench.stat(file).unwrap().size, EXTENT_SIZE);
        assert_eq!(bench.usage().transients, 1);
        let file = (file, cookie);
        assert_eq!(bench.link(file, "a"), Err(Refusal::NotCertified));
        let next = bench.add_extent(file, EXTENT_SIZE).unwrap();
        bench.certify(file, 0, proofs(&blocks, 6)).unwrap();
        bench.certify(file, EXTENT_SIZE, proofs(&next, 6)).unwrap();
        assert_eq!(bench.link(file, "a"), Ok(file.0));
    }

    #[test]
    fn what_is_refused_leaves_no_file() {
        let mut bench = Bench::new();
        let mut odd = new_extent();
        odd.checksums.pop();
        let sizes = Err(Refusal::BadExtent(ExtentProblem::Sizes));
        assert_eq!(bench.change(create(ROOT, odd)), sizes);
        let elsewhere = directory_id(ShardId(9), 1);
        let wrong = bench.change(create(elsewhere, new_extent()));
        assert_eq!(wrong, Err(Refusal::WrongShard));
        bench.map = map_of(4);
        let full = bench.change(create(ROOT, new_extent()));
        assert!(matches!(full, Err(Refusal::NoSpace { .. })));
        assert_eq!(bench.usage().transients, 0);
    }

    #[test]
    fn a_retry_gets_the_same_file_even_on_a_full_cluster() {
        let mut bench = Bench::new();
        let change = create(ROOT, new_extent());
        let command = bench.prepare(PeerRole::Client, change.clone()).unwrap();
        let first = bench.apply(&command, 77);
        assert!(first.is_ok());
        bench.map = map_of(2);
        let again = bench.prepare(PeerRole::Client, change).unwrap();
        assert!(matches!(again.prepared, Prepared::Refused(_)));
        assert_eq!(bench.apply(&again, 77), first);
        assert_eq!(bench.usage().transients, 1);
    }
}
