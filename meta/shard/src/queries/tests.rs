//! Reads that need more than one operation to be told apart.

use eggs_machine::{Store as _, to_bytes};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{DirectoryCursor, Replace, ShardChange, ShardQuery, ShardReply};
use eggs_proto::{
    BlockServiceId, Cookie, Extent, ExtentBody, InodeId, InodeKind, InvalidArgument, NameHash,
    Refusal, ShardId, Time,
};

use crate::keys;
use crate::records::DentryRecord;
use crate::testing::{Bench, EXTENT_SIZE, ROOT, directory_id, name, proofs};

#[test]
fn a_directory_is_listed_page_by_page_in_order_of_hashes() {
    let mut bench = Bench::new();
    let dir = bench.create_directory("d", 1);
    let texts: Vec<String> = (0..100).map(|n| format!("file-{n:02}")).collect();
    for text in &texts {
        bench.create_file_as(dir, text, Replace::Never).unwrap();
    }
    assert_eq!(bench.names(dir), Ok(texts));
    let page = |after| {
        let limit = 1;
        match bench.query(&ShardQuery::List { dir, after, limit }) {
            Ok(ShardReply::Listing { entries, .. }) => entries,
            other => panic!("{other:?}"),
        }
    };
    let first = page(None).remove(0);
    let hash = first.hash;
    assert_eq!(hash, first.name.hash_in(dir));
    assert_eq!(first.dentry.attributes.unwrap().size, 7);
    let at_hash = page(Some(DirectoryCursor { hash, name: None }));
    assert_eq!(at_hash.first(), Some(&first));
    let name = Some(first.name.clone());
    let second = page(Some(DirectoryCursor { hash, name })).remove(0);
    assert!((second.hash, &second.name) > (first.hash, &first.name));
}

/// No two names are known that share a hash, so these are put where they would be if they did.
#[test]
fn names_that_share_a_hash_are_listed_once_each_while_others_come_and_go() {
    let hash = NameHash(5);
    let put = |bench: &mut Bench, text: &str| {
        let record = DentryRecord {
            inode: Some(InodeId::new(InodeKind::File, ShardId(9), 1)),
            created: Time(1),
            lock: None,
            carried: None,
        };
        let key = keys::dentry(ROOT, hash, &name(text));
        bench.store.put(keys::DENTRIES, &key, &to_bytes(&record));
    };
    for limit in 1..4 {
        let mut bench = Bench::new();
        for n in (10..70).step_by(2) {
            put(&mut bench, &format!("stays-{n}"));
        }
        let (mut seen, mut after, mut round) = (Vec::new(), None, 0);
        loop {
            let query = ShardQuery::List {
                dir: ROOT,
                after,
                limit,
            };
            let Ok(ShardReply::Listing { entries, more }) = bench.query(&query) else {
                panic!("no listing");
            };
            let last = entries.last().expect("a page is never empty here");
            after = Some(DirectoryCursor {
                hash: last.hash,
                name: Some(last.name.clone()),
            });
            seen.extend(entries.into_iter().map(|entry| entry.name));
            if !more {
                break;
            }
            // All around the place where the listing is; the last name seen goes as well, if it may.
            round += 1;
            put(
                &mut bench,
                &format!("stays-{}", 11 + round * 7 % 59 / 2 * 2),
            );
            let odd = seen
                .iter()
                .rev()
                .find(|name| name.as_bytes().last().is_some_and(|byte| byte & 1 == 1));
            if let Some(gone) = odd {
                let key = keys::dentry(ROOT, hash, gone);
                bench.store.delete(keys::DENTRIES, &key);
            }
        }
        assert!(
            seen.is_sorted_by(|a, b| a < b),
            "one was repeated: {seen:?}"
        );
        for n in (10..70).step_by(2) {
            assert!(
                seen.contains(&name(&format!("stays-{n}"))),
                "{n} was skipped"
            );
        }
    }
}

#[test]
fn entries_of_other_shards_come_without_attributes() {
    let mut bench = Bench::new();
    let dir = directory_id(ShardId(9), 1);
    let link = ShardChange::LinkDirectory {
        parent: ROOT,
        name: name("d"),
        dir,
        transaction: crate::testing::T1,
    };
    bench.serve(link).unwrap();
    let lookup = ShardQuery::Lookup {
        dir: ROOT,
        name: name("d"),
    };
    let Ok(ShardReply::Dentry(dentry)) = bench.query(&lookup) else {
        panic!("not found");
    };
    assert_eq!((dentry.inode, dentry.attributes), (dir, None));
}

#[test]
fn what_is_asked_of_the_wrong_inode_is_refused() {
    let mut bench = Bench::of_shard(ShardId(3));
    let foreign = ShardQuery::Stat { inode: ROOT };
    assert_eq!(bench.query(&foreign), Err(Refusal::WrongShard));
    assert_eq!(bench.lookup(ROOT, "a"), Err(Refusal::WrongShard));
    let missing = InodeId::new(InodeKind::File, ShardId(3), 1);
    assert_eq!(bench.stat(missing), Err(Refusal::NotFound));
    assert_eq!(bench.lookup(missing, "a"), Err(Refusal::NotDirectory));
    let all = ShardQuery::VisitDirectories {
        after: None,
        limit: 1,
    };
    let none = ShardReply::Inodes {
        inodes: Vec::new(),
        more: false,
    };
    assert_eq!(bench.query(&all), Ok(none));
    assert_eq!(bench.usage().directories, 0);
    let create = ShardChange::KeepAlive {
        file: InodeId::new(InodeKind::Symlink, ShardId(3), 1),
        cookie: Cookie(1),
    };
    assert_eq!(bench.change(create), Err(Refusal::NotFound));
}

#[test]
fn extents_are_found_from_any_byte() {
    let mut bench = Bench::new();
    let (file, cookie) = bench.create_transient();
    for n in 0..3 {
        let placed = bench.add_extent((file, cookie), n * EXTENT_SIZE).unwrap();
        bench
            .certify((file, cookie), n * EXTENT_SIZE, proofs(&placed, 6))
            .unwrap();
    }
    let ask = |offset, limit, cookie, origin| {
        let query = ShardQuery::Extents {
            file,
            offset,
            limit,
            cookie,
        };
        match bench.query_as(origin, &query) {
            Ok(ShardReply::Extents { extents, more }) => {
                let offsets: Vec<u64> = extents.iter().map(|extent| extent.offset).collect();
                Ok((offsets, more))
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal),
        }
    };
    let (size, server) = (EXTENT_SIZE, PeerRole::Server);
    let cases = [
        (0, 10, vec![0, size, 2 * size], false),
        (size - 1, 1, vec![0], true),
        (size, 1, vec![size], true),
        (3 * size - 1, 1, vec![2 * size], false),
        (3 * size, 1, vec![], false),
        (u64::MAX, 1, vec![], false),
    ];
    for (offset, limit, extents, more) in cases {
        assert_eq!(ask(offset, limit, None, server), Ok((extents, more)));
    }
    let client = PeerRole::Client;
    assert_eq!(ask(0, 1, None, client), Err(Refusal::NotFound));
    let forged = Some(Cookie(cookie.0 ^ 1));
    assert_eq!(ask(0, 1, forged, client), Err(Refusal::BadCookie));
    assert!(ask(0, 1, Some(cookie), client).is_ok());
}

#[test]
fn content_that_is_kept_with_the_inode_is_shown_as_an_extent() {
    let mut bench = Bench::new();
    let file = bench.create_file("a");
    let size = bench.stat(file).unwrap().size;
    let whole = Extent {
        offset: 0,
        size,
        body: ExtentBody::Inline(b"content".to_vec()),
    };
    for (offset, extents) in [
        (0, vec![whole.clone()]),
        (size - 1, vec![whole]),
        (size, vec![]),
        (u64::MAX, vec![]),
    ] {
        let query = ShardQuery::Extents {
            file,
            offset,
            limit: 0, // counts as 1
            cookie: None,
        };
        let more = false;
        let answer = Ok(ShardReply::Extents { extents, more });
        assert_eq!(bench.query(&query), answer, "from {offset}");
    }
}

#[test]
fn extents_are_asked_of_files_only() {
    let mut bench = Bench::new();
    let change = ShardChange::Symlink {
        dir: ROOT,
        name: name("s"),
        target: b"x".to_vec(),
        attributes: crate::testing::NEW,
    };
    bench.change(change).unwrap();
    let file = bench.lookup(ROOT, "s").unwrap();
    for (file, refusal) in [
        (file, Refusal::Invalid(InvalidArgument::Kind)),
        (ROOT, Refusal::IsDirectory),
    ] {
        let query = ShardQuery::Extents {
            file,
            offset: 0,
            limit: 1,
            cookie: None,
        };
        assert_eq!(bench.query(&query), Err(refusal));
    }
}

#[test]
fn files_are_visited_all_together_or_by_service() {
    let mut bench = Bench::new();
    let big = bench.create_big_file("big");
    let small = bench.create_file("small");
    let visit = |query| match bench.query(&query) {
        Ok(ShardReply::Inodes { inodes, more }) => (inodes, more),
        other => panic!("{other:?}"),
    };
    let files = |after, limit| visit(ShardQuery::VisitFiles { after, limit });
    assert_eq!(files(None, 10), (vec![big, small], false));
    assert_eq!(files(None, 1), (vec![big], true));
    assert_eq!(files(Some(big), 10), (vec![small], false));
    let holders = (1..=16)
        .map(BlockServiceId)
        .filter(|service| {
            let found = visit(ShardQuery::FilesOnService {
                service: *service,
                after: None,
                limit: 10,
            });
            found == (vec![big], false)
        })
        .count();
    assert_eq!(holders, 6);
    let usage = bench.usage();
    assert_eq!((usage.files, usage.directories), (2, 1));
    assert_eq!(usage.physical_bytes, 6 * 28672);
}
