//! Starts a transient file on the shard of the directory where it is going to be linked.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId, InodeKind, NewAttributes, TRANSIENT_MS};

use crate::records::{CommonAttributes, Content, FileRecord, Life, Transient};
use crate::state::State;
use crate::step::Reply;

/// Most bytes of a note that are kept.
const NOTE_BYTES_MAX: usize = 255;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    attributes: &NewAttributes,
    note: String,
    cookie: Cookie,
) -> Reply {
    state.read().directory(dir)?.accepts_entries()?;
    let record = FileRecord {
        attributes: CommonAttributes::new(attributes, state.now)?,
        content: Content::Extents {
            size: 0,
            physical_bytes: 0,
        },
        life: Life::Transient(Transient {
            deadline: state.now.plus_ms(TRANSIENT_MS),
            cookie: Some(cookie),
            note: shorten(note),
            mtime_chosen: attributes.mtime.is_some(),
            pending_extents: 0,
        }),
    };
    let file = state.fresh_inode(InodeKind::File);
    state.put_file(file, record)?;
    Ok(ShardReply::Transient { file, cookie })
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
