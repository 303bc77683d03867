//! Starts several empty transient files at once.
//!
//! A mount has to tell the kernel an inode when a file is created, long before it knows what the file will hold.
//! Reserving many makes that free of requests; those that nobody uses expire like any transient file.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId, InvalidArgument, NewAttributes, RESERVE_FILES_MAX};

use super::create_transient::{Start, begin};
use crate::state::State;
use crate::step::Reply;

/// Until a file is linked.
const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o600,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};
/// For people.
const NOTE: &str = "(reserved)";

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, count: u8, cookie: Cookie) -> Reply {
    if count == 0 || count > RESERVE_FILES_MAX {
        return Err(InvalidArgument::Range.into());
    }
    let mut reserved = Vec::with_capacity(usize::from(count));
    for index in 0..u64::from(count) {
        let start = Start {
            dir,
            attributes: ATTRIBUTES,
            note: NOTE.to_owned(),
            // They all belong to the same client: it is enough that nobody else can guess them.
            cookie: Cookie(cookie.0.wrapping_add(index)),
        };
        let open = begin(state, start)?;
        reserved.push((open.id, Cookie(cookie.0.wrapping_add(index))));
        open.close(state)?;
    }
    Ok(ShardReply::Reserved(reserved))
}

#[cfg(test)]
mod tests {
    use eggs_proto::Refusal;
    use eggs_proto::shard::ShardChange;

    use super::*;
    use crate::testing::{Answer, Bench, ROOT};

    fn reserve(bench: &mut Bench, count: u8) -> Answer {
        bench.change(ShardChange::Reserve { dir: ROOT, count })
    }

    #[test]
    fn reserved_files_are_transient_and_empty() {
        let mut bench = Bench::new();
        let Ok(ShardReply::Reserved(files)) = reserve(&mut bench, 3) else {
            panic!("nothing was reserved");
        };
        assert_eq!((files.len(), bench.usage().transients), (3, 3));
        for (at, file) in files.iter().enumerate() {
            assert!(
                files[..at]
                    .iter()
                    .all(|other| other.0 != file.0 && other.1 != file.1)
            );
            assert_eq!(bench.stat(file.0).unwrap().size, 0);
            bench.add_inline(*file, 0).unwrap();
        }
        bench.link(files[1], "a").unwrap();
        assert_eq!(bench.usage().transients, 2);
    }

    #[test]
    fn their_number_is_limited() {
        let mut bench = Bench::new();
        let range = Err(Refusal::Invalid(InvalidArgument::Range));
        assert_eq!(reserve(&mut bench, 0), range);
        assert_eq!(reserve(&mut bench, RESERVE_FILES_MAX + 1), range);
        assert!(reserve(&mut bench, RESERVE_FILES_MAX).is_ok());
    }
}
