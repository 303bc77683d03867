//! Gives a reserved file its attributes and all of its content, inline, and links it, in one step.

use eggs_proto::shard::Replace;
use eggs_proto::{
    AttributeChange, Cookie, Extent, ExtentBody, ExtentProblem, InodeId, Name, NewAttributes, Time,
};

use super::add_inline::check_size;
use super::link::{Link, link_open};
use crate::records::{CommonAttributes, Content, WHOLE_BYTES_MAX};
use crate::state::{OpenTransient, State};
use crate::step::Reply;

/// What is to be made of which file.
pub(crate) struct Create {
    pub(crate) file: InodeId,
    pub(crate) cookie: Cookie,
    pub(crate) dir: InodeId,
    pub(crate) name: Name,
    pub(crate) replace: Replace,
    pub(crate) attributes: NewAttributes,
    pub(crate) content: Vec<u8>,
}

pub(crate) fn apply(state: &mut State<'_>, create: Create) -> Reply {
    let mut file = OpenTransient::open(state, create.file, create.cookie)?;
    if file.size > 0 {
        return Err(ExtentProblem::NotAtEnd.into());
    }
    file.attributes = CommonAttributes::new(&create.attributes, state.now)?;
    file.transient.mtime_chosen = create.attributes.mtime.is_some();
    let content = if create.content.len() <= WHOLE_BYTES_MAX {
        Content::Whole(create.content)
    } else {
        check_size(create.content.len())?;
        let extent = Extent {
            offset: 0,
            size: create.content.len() as u64,
            body: ExtentBody::Inline(create.content),
        };
        file.append(state, extent, Time(0))?;
        file.extents()
    };
    let link = Link {
        file: create.file,
        cookie: create.cookie,
        dir: create.dir,
        name: create.name,
        replace: create.replace,
        attributes: AttributeChange::default(), // they are those it was given above
    };
    link_open(state, file, content, link)
}

#[cfg(test)]
mod tests {
    use eggs_machine::StoreRead as _;
    use eggs_proto::shard::{ShardChange, ShardReply};
    use eggs_proto::{FileTime, INLINE_BYTES_MAX, Refusal};

    use super::*;
    use crate::testing::{Answer, Bench, NEW, ROOT, name};

    fn reserved(bench: &mut Bench) -> (InodeId, Cookie) {
        match bench.change(ShardChange::Reserve {
            dir: ROOT,
            count: 1,
        }) {
            Ok(ShardReply::Reserved(files)) => files[0],
            other => panic!("{other:?}"),
        }
    }

    fn create(bench: &mut Bench, file: (InodeId, Cookie), text: &str, bytes: usize) -> Answer {
        bench.change(ShardChange::CreateReserved {
            file: file.0,
            cookie: file.1,
            dir: ROOT,
            name: name(text),
            replace: Replace::Never,
            attributes: NEW,
            content: vec![3; bytes],
        })
    }

    #[test]
    fn a_reserved_file_becomes_what_create_file_makes() {
        let mut bench = Bench::new();
        let file = reserved(&mut bench);
        bench.wait_ms(5_000);
        assert!(create(&mut bench, file, "a", 7).is_ok());
        let plain = bench.create_file("b");
        let (a, b) = (bench.stat(file.0).unwrap(), bench.stat(plain).unwrap());
        assert_eq!(
            (a.size, a.mode, a.uid, a.gid),
            (b.size, b.mode, b.uid, b.gid)
        );
        assert_eq!(
            a.mtime, a.created,
            "it begins when it is linked, not when it was reserved"
        );
        assert!(a.created < FileTime::from(bench.now) && bench.lookup(ROOT, "a") == Ok(file.0));
        assert_eq!(create(&mut bench, file, "c", 0), Err(Refusal::NotTransient));
    }

    #[test]
    fn its_content_is_kept_as_that_of_create_file() {
        let mut bench = Bench::new();
        for bytes in [0, 1, WHOLE_BYTES_MAX, WHOLE_BYTES_MAX + 1, INLINE_BYTES_MAX] {
            let file = reserved(&mut bench);
            let (text, plain) = (format!("r{bytes}"), format!("p{bytes}"));
            create(&mut bench, file, &text, bytes).unwrap();
            let change = ShardChange::CreateFile {
                dir: ROOT,
                name: name(&plain),
                replace: Replace::Never,
                attributes: NEW,
                content: vec![3; bytes],
            };
            bench.change(change).unwrap();
            let plain = bench.lookup(ROOT, &plain).unwrap();
            assert_eq!(bench.extents(file.0), bench.extents(plain), "{bytes}");
            assert_eq!(bench.stat(file.0).unwrap().size, bytes as u64);
            let rows = |id: InodeId| {
                let key = crate::keys::extent(id, 0);
                bench
                    .store
                    .get(crate::keys::EXTENTS, &key)
                    .unwrap()
                    .is_some()
            };
            assert_eq!([rows(file.0), rows(plain)], [bytes > WHOLE_BYTES_MAX; 2]);
        }
    }

    #[test]
    fn it_needs_the_cookie_a_free_name_and_an_empty_file() {
        let mut bench = Bench::new();
        let file = reserved(&mut bench);
        bench.create_file("taken");
        let forged = (file.0, Cookie(file.1.0 ^ 1));
        assert_eq!(create(&mut bench, forged, "a", 0), Err(Refusal::BadCookie));
        assert_eq!(create(&mut bench, file, "taken", 0), Err(Refusal::Exists));
        let large = create(&mut bench, file, "a", INLINE_BYTES_MAX + 1);
        assert!(matches!(large, Err(Refusal::BadExtent(_))), "{large:?}");
        bench.add_inline(file, 0).unwrap();
        let twice = create(&mut bench, file, "a", 1);
        assert_eq!(twice, Err(Refusal::BadExtent(ExtentProblem::NotAtEnd)));
        bench.wait_ms(eggs_proto::TRANSIENT_MS);
        assert_eq!(create(&mut bench, file, "a", 0), Err(Refusal::Expired));
    }
}
