//! Makes a transient file visible and immutable, in one step with what it replaces.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{AttributeChange, Cookie, FileTime, InodeId, Name, Refusal};

use crate::records::Content;
use crate::state::{OpenDirectory, OpenTransient, State};
use crate::step::Reply;

/// What is to be linked where.
pub(crate) struct Link {
    pub(crate) file: InodeId,
    pub(crate) cookie: Cookie,
    pub(crate) dir: InodeId,
    pub(crate) name: Name,
    pub(crate) replace: Replace,
    pub(crate) attributes: AttributeChange,
}

pub(crate) fn apply(state: &mut State<'_>, link: Link) -> Reply {
    let file = OpenTransient::open(state, link.file, link.cookie)?;
    let content = file.extents();
    link_open(state, file, content, link)
}

/// Links a file that is open already.
pub(crate) fn link_open(
    state: &mut State<'_>,
    mut file: OpenTransient,
    content: Content,
    link: Link,
) -> Reply {
    // Extents are contiguous by construction: each was appended at the end.
    if file.transient.pending_extents > 0 {
        return Err(Refusal::NotCertified.into());
    }
    let mut dir = OpenDirectory::open_attached(state, link.dir)?;
    if !file.transient.mtime_chosen {
        file.attributes.mtime = FileTime::from(state.now);
    }
    file.attributes.change(&link.attributes, state.now)?;
    // Before its directory counts its bytes.
    let carried = file.close_linked(state, content, dir.carrier(&link.name))?;
    dir.make_way(state, &link.name, link.replace)?;
    dir.enter_carrying(state, &link.name, link.file, Some(carried))?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode: link.file,
        created: state.now,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{Replace, ShardChange, ShardReply};
    use eggs_proto::{AttributeChange, Cookie, FileTime, NewTime, Refusal};

    use crate::testing::{Bench, ROOT, name, proofs};

    #[test]
    fn a_link_makes_a_file_visible_and_immutable() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::NotFound));
        assert_eq!(bench.link(file, "a"), Ok(file.0));
        assert_eq!(bench.lookup(ROOT, "a"), Ok(file.0));
        assert_eq!(bench.link(file, "b"), Err(Refusal::NotTransient));
        assert_eq!(bench.add_extent(file, 0), Err(Refusal::NotTransient));
        assert_eq!(bench.stat(ROOT).unwrap().size, 1);
    }

    #[test]
    fn a_file_is_not_linked_before_its_extents_are_certified() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        assert_eq!(bench.link(file, "a"), Err(Refusal::NotCertified));
        bench.certify(file, 0, proofs(&placed, 6)).unwrap();
        assert_eq!(bench.link(file, "a"), Ok(file.0));
    }

    #[test]
    fn what_a_link_replaces_becomes_an_owned_snapshot() {
        let mut bench = Bench::new();
        let old = bench.create_file("a");
        let file = bench.create_transient();
        bench.link(file, "a").unwrap();
        let snapshots = bench.snapshots(ROOT);
        assert_eq!(snapshots.len(), 1);
        assert!(snapshots[0].owned && snapshots[0].inode == old);
        assert_eq!(bench.names(ROOT), Ok(vec!["a".to_string()]));
    }

    #[test]
    fn a_directory_is_never_replaced_and_exchange_is_for_renames() {
        let mut bench = Bench::new();
        bench.create_directory("d", 1);
        let (file, cookie) = bench.create_transient();
        assert_eq!(bench.link((file, cookie), "d"), Err(Refusal::IsDirectory));
        let mut link = |replace, text| {
            bench.change(ShardChange::Link {
                file,
                cookie,
                dir: ROOT,
                name: name(text),
                replace,
                attributes: AttributeChange::default(),
            })
        };
        assert_eq!(link(Replace::Never, "d"), Err(Refusal::Exists));
        assert_eq!(link(Replace::Exchange, "d"), Err(Refusal::Unsupported));
        assert!(link(Replace::Exchange, "free").is_ok());
    }

    #[test]
    fn a_link_needs_the_cookie_and_a_deadline_that_has_not_passed() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let forged = (file.0, Cookie(file.1.0 ^ 1));
        assert_eq!(bench.link(forged, "a"), Err(Refusal::BadCookie));
        bench.wait_ms(eggs_proto::TRANSIENT_MS);
        assert_eq!(bench.link(file, "a"), Err(Refusal::Expired));
    }

    #[test]
    fn mtime_is_that_of_the_link_unless_it_was_chosen() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        bench.link(file, "a").unwrap();
        assert_eq!(bench.stat(file.0).unwrap().mtime, FileTime::from(bench.now));
        let (file, cookie) = bench.create_transient();
        let attributes = AttributeChange {
            mtime: Some(NewTime::At(FileTime(5))),
            mode: Some(0o4755),
            ..AttributeChange::default()
        };
        let linked = bench.change(ShardChange::Link {
            file,
            cookie,
            dir: ROOT,
            name: name("b"),
            replace: Replace::Never,
            attributes,
        });
        assert!(matches!(linked, Ok(ShardReply::Linked { .. })));
        let stat = bench.stat(file).unwrap();
        assert_eq!((stat.mtime, stat.mode), (FileTime(5), 0o4755));
        assert_eq!(stat.ctime, FileTime::from(bench.now));
    }
}
