//! Certifies the last extents of a file and links it: both happen, or neither.
//!
//! After a refusal, of the name for example, the extents are as before, so that the same proofs can be shown again.

use eggs_proto::shard::ExtentProofs;
use eggs_proto::{CERTIFY_EXTENTS_MAX, InvalidArgument};

use super::certify_extent::certify;
use super::link::{Link, link_open};
use crate::CheckedProof;
use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    link: Link,
    extents: &[ExtentProofs],
    proved: &[Vec<CheckedProof>],
) -> Reply {
    if extents.len() > CERTIFY_EXTENTS_MAX {
        return Err(InvalidArgument::List.into());
    }
    if extents.len() != proved.len() {
        return Err(InvalidArgument::Encoding.into());
    }
    let mut file = OpenTransient::open(state, link.file, link.cookie)?;
    for (extent, proofs) in extents.iter().zip(proved) {
        certify(state, &mut file, extent.offset, proofs)?;
    }
    let content = file.extents();
    link_open(state, file, content, link)
}

#[cfg(test)]
mod tests {
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::{PlacedBlock, Replace, ShardChange, ShardReply};
    use eggs_proto::{AttributeChange, Cookie, InodeId, MacTag, Refusal};

    use super::*;
    use crate::testing::{Answer, Bench, EXTENT_SIZE, ROOT, name, proofs};

    type Open = (InodeId, Cookie);

    fn change(file: Open, text: &str, certify: Vec<ExtentProofs>) -> ShardChange {
        ShardChange::CertifyAndLink {
            file: file.0,
            cookie: file.1,
            certify,
            dir: ROOT,
            name: name(text),
            replace: Replace::Never,
            attributes: AttributeChange::default(),
        }
    }

    fn at(offset: u64, proofs: Vec<Option<MacTag>>) -> ExtentProofs {
        ExtentProofs { offset, proofs }
    }

    /// A file with two extents, and proofs of all of their blocks.
    fn two_extents(bench: &mut Bench) -> (Open, [Vec<PlacedBlock>; 2]) {
        let file = bench.create_transient();
        let first = bench.add_extent(file, 0).unwrap();
        let second = bench.add_extent(file, EXTENT_SIZE).unwrap();
        (file, [first, second])
    }

    fn linked(answer: Answer) -> Result<InodeId, Refusal> {
        match answer? {
            ShardReply::Linked { inode, .. } => Ok(inode),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_extents_are_certified_and_the_file_is_visible() {
        let mut bench = Bench::new();
        let (file, [first, second]) = two_extents(&mut bench);
        let one = vec![at(EXTENT_SIZE, proofs(&second, 6))];
        let early = linked(bench.change(change(file, "a", one.clone())));
        assert_eq!(early, Err(Refusal::NotCertified));
        let both = vec![at(0, proofs(&first, 5)), one[0].clone()];
        let done = linked(bench.change(change(file, "a", both)));
        assert_eq!(done, Ok(file.0));
        assert_eq!(bench.lookup(ROOT, "a"), Ok(file.0));
        assert_eq!(bench.garbage().len(), 1, "the block without a proof");
        let again = linked(bench.change(change(file, "b", Vec::new())));
        assert_eq!(again, Err(Refusal::NotTransient));
    }

    #[test]
    fn a_taken_name_leaves_the_extents_as_they_were() {
        let mut bench = Bench::new();
        bench.create_file("a");
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let certify = vec![at(0, proofs(&placed, 5))];
        let taken = linked(bench.change(change(file, "a", certify.clone())));
        assert_eq!(taken, Err(Refusal::Exists));
        assert_eq!(bench.garbage().len(), 0);
        assert!(!bench.extents(file.0)[0].is_certified());
        let free = linked(bench.change(change(file, "b", certify)));
        assert_eq!(free, Ok(file.0));
    }

    #[test]
    fn a_retry_is_answered_as_the_first_time() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let change = change(file, "a", vec![at(0, proofs(&placed, 6))]);
        let command = bench.prepare(PeerRole::Client, change.clone()).unwrap();
        let first = bench.apply(&command, 77);
        assert!(first.is_ok());
        bench.wait_ms(5000);
        let again = bench.prepare(PeerRole::Client, change).unwrap();
        assert_eq!(bench.apply(&again, 77), first);
    }

    #[test]
    fn proofs_are_checked() {
        let mut bench = Bench::new();
        let (file, [first, second]) = two_extents(&mut bench);
        let swapped = vec![
            at(0, proofs(&second, 6)),
            at(EXTENT_SIZE, proofs(&first, 6)),
        ];
        let refused = linked(bench.change(change(file, "a", swapped)));
        assert_eq!(refused, Err(Refusal::BadProof { index: 0 }));
        let many = vec![at(0, Vec::new()); CERTIFY_EXTENTS_MAX + 1];
        let refused = linked(bench.change(change(file, "a", many)));
        assert_eq!(refused, Err(Refusal::Invalid(InvalidArgument::List)));
    }
}
