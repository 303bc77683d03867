//! Sets an extended attribute of an inode, linked or transient.
//!
//! **Invariant:** an inode has at most `XATTRS_MAX` of them, and of their names and values at most `XATTRS_BYTES_MAX`
//! bytes; what it has goes with it.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::ShardReply;
use eggs_proto::{
    InodeId, InvalidArgument, Refusal, XATTR_VALUE_BYTES_MAX, XattrMode, XattrName, xattrs_fit,
};

use crate::records::XattrRecord;
use crate::state::State;
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    inode: InodeId,
    name: &XattrName,
    value: &[u8],
    mode: XattrMode,
) -> Reply {
    state.read().check_shard(inode)?;
    if value.len() > XATTR_VALUE_BYTES_MAX {
        return Err(InvalidArgument::Range.into());
    }
    state.read().inode(inode)?.ok_or(Refusal::NotFound)?;
    let known = state.read().xattr(inode, name)?;
    match (mode, &known) {
        _ if planted(Bug::XattrModeIgnored) => {}
        (XattrMode::Create, Some(_)) => return Err(Refusal::Exists.into()),
        (XattrMode::Replace, None) => return Err(Refusal::NoAttribute.into()),
        (XattrMode::Set, _) | (XattrMode::Create, None) | (XattrMode::Replace, Some(_)) => {}
    }
    check_room(state, inode, name, value)?;
    state.set_xattr(inode, name, Some(XattrRecord(value.to_vec())))?;
    Ok(ShardReply::Done)
}

fn check_room(state: &State<'_>, inode: InodeId, name: &XattrName, value: &[u8]) -> Step<()> {
    let all = state.read().xattrs(inode)?;
    let others = all.iter().filter(|other| other.name != *name);
    let others = others.map(|other| (&other.name, other.value.as_slice()));
    if xattrs_fit(others.chain([(name, value)])) {
        Ok(())
    } else {
        Err(Refusal::AttributesFull.into())
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, ShardQuery};
    use eggs_proto::{ShardId, XATTRS_MAX};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, directory_id};

    const DONE: Answer = Ok(ShardReply::Done);

    fn name(text: &str) -> XattrName {
        XattrName::new(text).unwrap()
    }

    fn set(bench: &mut Bench, inode: InodeId, text: &str, value: &[u8], mode: XattrMode) -> Answer {
        bench.change(ShardChange::SetXattr {
            inode,
            name: name(text),
            value: value.to_vec(),
            mode,
        })
    }

    fn remove(bench: &mut Bench, inode: InodeId, text: &str) -> Answer {
        let name = name(text);
        bench.change(ShardChange::RemoveXattr { inode, name })
    }

    fn get(bench: &Bench, inode: InodeId, text: &str) -> Result<Vec<u8>, Refusal> {
        let name = name(text);
        match bench.query(&ShardQuery::GetXattr { inode, name })? {
            ShardReply::Xattr(value) => Ok(value),
            other => panic!("{other:?}"),
        }
    }

    fn list(bench: &Bench, inode: InodeId) -> Result<Vec<String>, Refusal> {
        match bench.query(&ShardQuery::ListXattrs { inode })? {
            ShardReply::Xattrs(all) => Ok(all.iter().map(|one| one.name.to_string()).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attributes_are_set_read_listed_and_removed() {
        let mut bench = Bench::new();
        let file = bench.create_file("f");
        let before = bench.stat(file).unwrap();
        assert_eq!(set(&mut bench, file, "user.b", b"1", XattrMode::Set), DONE);
        assert_eq!(
            set(&mut bench, file, "user.a", b"", XattrMode::Create),
            DONE
        );
        assert_eq!(get(&bench, file, "user.b"), Ok(b"1".to_vec()));
        assert_eq!(get(&bench, file, "user.a"), Ok(Vec::new()));
        assert_eq!(get(&bench, file, "user.c"), Err(Refusal::NoAttribute));
        assert_eq!(list(&bench, file).unwrap(), ["user.a", "user.b"]);
        let after = bench.stat(file).unwrap();
        assert!(after.ctime > before.ctime && after.mtime == before.mtime);
        assert_eq!(remove(&mut bench, file, "user.b"), DONE);
        let again = remove(&mut bench, file, "user.b");
        assert_eq!(again, Err(Refusal::NoAttribute));
        assert_eq!(list(&bench, file).unwrap(), ["user.a"]);
    }

    #[test]
    fn the_mode_says_whether_it_must_be_there() {
        let mut bench = Bench::new();
        let replace = set(&mut bench, ROOT, "user.a", b"1", XattrMode::Replace);
        assert_eq!(replace, Err(Refusal::NoAttribute));
        assert_eq!(
            set(&mut bench, ROOT, "user.a", b"1", XattrMode::Create),
            DONE
        );
        let create = set(&mut bench, ROOT, "user.a", b"2", XattrMode::Create);
        assert_eq!(create, Err(Refusal::Exists));
        assert_eq!(
            set(&mut bench, ROOT, "user.a", b"2", XattrMode::Replace),
            DONE
        );
        assert_eq!(get(&bench, ROOT, "user.a"), Ok(b"2".to_vec()));
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut bench = Bench::new();
        let large = vec![7; XATTR_VALUE_BYTES_MAX];
        let file = bench.create_file("f");
        let too_large = [large.as_slice(), b"x"].concat();
        let refused = set(&mut bench, file, "user.a", &too_large, XattrMode::Set);
        assert_eq!(refused, Err(Refusal::Invalid(InvalidArgument::Range)));
        for text in ["user.a", "user.b", "user.c"] {
            assert_eq!(set(&mut bench, file, text, &large, XattrMode::Set), DONE);
        }
        let full = set(&mut bench, file, "user.d", &large, XattrMode::Set);
        assert_eq!(full, Err(Refusal::AttributesFull));
        assert_eq!(
            set(&mut bench, file, "user.c", &large, XattrMode::Set),
            DONE
        );
        let other = bench.create_file("g");
        for number in 0..XATTRS_MAX {
            let text = format!("user.{number}");
            assert_eq!(set(&mut bench, other, &text, b"", XattrMode::Set), DONE);
        }
        let full = set(&mut bench, other, "user.x", b"", XattrMode::Set);
        assert_eq!(full, Err(Refusal::AttributesFull));
    }

    #[test]
    fn they_go_with_the_inode() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        assert_eq!(
            set(&mut bench, file.0, "user.a", b"1", XattrMode::Set),
            DONE
        );
        bench
            .change(ShardChange::Scrap {
                file: file.0,
                cookie: file.1,
            })
            .unwrap();
        assert_eq!(bench.destroy(file.0), Ok(1));
        assert_eq!(get(&bench, file.0, "user.a"), Err(Refusal::NotFound));
        assert_eq!(list(&bench, file.0), Err(Refusal::NotFound));
        let late = set(&mut bench, file.0, "user.a", b"1", XattrMode::Set);
        assert_eq!(late, Err(Refusal::NotFound));
        let elsewhere = directory_id(ShardId(9), 1);
        let wrong = set(&mut bench, elsewhere, "user.a", b"", XattrMode::Set);
        assert_eq!(wrong, Err(Refusal::WrongShard));
    }
}
