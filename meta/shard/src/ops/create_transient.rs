//! Starts a transient file on the shard of the directory where it is going to be linked.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId, InodeKind, NewAttributes, TRANSIENT_MS};

use crate::records::{CommonAttributes, Transient};
use crate::state::{OpenTransient, State};
use crate::step::{Reply, Step};

/// Most bytes of a note that are kept.
const NOTE_BYTES_MAX: usize = 255;

/// What is to be started where.
pub(crate) struct Start {
    pub(crate) dir: InodeId,
    pub(crate) attributes: NewAttributes,
    pub(crate) note: String,
    pub(crate) cookie: Cookie,
}

pub(crate) fn apply(state: &mut State<'_>, start: Start) -> Reply {
    let cookie = start.cookie;
    let open = begin(state, start)?;
    let file = open.id;
    open.close(state)?;
    Ok(ShardReply::Transient { file, cookie })
}

/// A new empty file, not yet written.
pub(crate) fn begin(state: &mut State<'_>, start: Start) -> Step<OpenTransient> {
    state.read().directory(start.dir)?.accepts_entries()?;
    Ok(OpenTransient {
        attributes: CommonAttributes::new(&start.attributes, state.now)?,
        id: state.fresh_inode(InodeKind::File),
        stored: None,
        size: 0,
        physical_bytes: 0,
        transient: Transient {
            deadline: state.now.plus_ms(TRANSIENT_MS),
            cookie: Some(start.cookie),
            note: shorten(start.note),
            mtime_chosen: start.attributes.mtime.is_some(),
            pending_extents: 0,
        },
    })
}

/// Keeps as many whole characters as fit.
pub(crate) fn shorten(mut note: String) -> String {
    let end = (0..=NOTE_BYTES_MAX.min(note.len()))
        .rev()
        .find(|at| note.is_char_boundary(*at))
        .unwrap_or(0);
    note.truncate(end);
    note
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
    use eggs_proto::{InvalidArgument, NewAttributes, Refusal, ShardId};

    use super::shorten;
    use crate::testing::{Answer, Bench, NEW, ROOT, directory_id};

    fn create(bench: &mut Bench, dir: eggs_proto::InodeId, mode: u32) -> Answer {
        bench.change(ShardChange::CreateTransient {
            dir,
            attributes: NewAttributes { mode, ..NEW },
            note: "x".repeat(300),
        })
    }

    #[test]
    fn a_transient_file_is_on_the_shard_of_a_directory_that_exists() {
        let mut bench = Bench::new();
        let missing = directory_id(ShardId(0), 9);
        assert_eq!(create(&mut bench, missing, 0), Err(Refusal::NotFound));
        let foreign = directory_id(ShardId(9), 9);
        assert_eq!(create(&mut bench, foreign, 0), Err(Refusal::WrongShard));
        let file = bench.create_file("f");
        assert_eq!(create(&mut bench, file, 0), Err(Refusal::NotDirectory));
        let mode = Err(Refusal::Invalid(InvalidArgument::Mode));
        assert_eq!(create(&mut bench, ROOT, 0o10000), mode);
    }

    #[test]
    fn transient_files_are_visited_in_order_of_their_deadlines() {
        let mut bench = Bench::new();
        let first = bench.create_transient().0;
        let second = bench.create_transient().0;
        let query = ShardQuery::VisitTransients {
            after: None,
            limit: 10,
        };
        let Ok(ShardReply::Transients { transients, .. }) = bench.query(&query) else {
            panic!("no transients");
        };
        let seen: Vec<_> = transients
            .iter()
            .map(|t| (t.file, t.note.as_str()))
            .collect();
        assert_eq!(seen, [(first, "note"), (second, "note")]);
        assert_eq!(bench.usage().transients, 2);
    }

    #[test]
    fn cookies_differ() {
        let mut bench = Bench::new();
        assert_ne!(bench.create_transient().1, bench.create_transient().1);
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(shorten("é".repeat(200)), "é".repeat(127));
        assert_eq!(shorten("short".into()), "short");
    }
}
