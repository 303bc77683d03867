//! A transient file opened for change by who holds its cookie.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::{
    Cookie, Extent, ExtentProblem, FILE_BYTES_MAX, FileTime, InodeId, InodeKind, InvalidArgument,
    Refusal, TRANSIENT_MS, Time,
};

use super::{Reader, State};
use crate::records::{
    Carried, Carrier, CommonAttributes, Content, ExtentRecord, FileRecord, InodeRecord, Life,
    Transient,
};
use crate::step::Step;

/// A file being written.
#[derive(Debug)]
pub(crate) struct OpenTransient {
    pub(crate) id: InodeId,
    /// What is stored of it; nothing if its number was drawn in this change.
    pub(crate) stored: Option<InodeRecord>,
    pub(crate) attributes: CommonAttributes,
    pub(crate) size: u64,
    pub(crate) physical_bytes: u64,
    pub(crate) transient: Transient,
}

impl OpenTransient {
    /// Opens a file whose deadline has not passed.
    pub(crate) fn open(state: &State<'_>, id: InodeId, cookie: Cookie) -> Step<Self> {
        let file = Self::open_expired(state.read(), id, cookie)?;
        let expired = state.now >= file.transient.deadline;
        if expired && !planted(Bug::ExpiredTransientLinkable) {
            return Err(Refusal::Expired.into());
        }
        Ok(file)
    }

    /// Opens a file even if its deadline has passed.
    pub(crate) fn open_expired(read: Reader<'_>, id: InodeId, cookie: Cookie) -> Step<Self> {
        let file = read.file(id)?;
        let Life::Transient(transient) = &file.life else {
            return Err(Refusal::NotTransient.into());
        };
        if transient.cookie != Some(cookie) {
            return Err(Refusal::BadCookie.into());
        }
        let transient = transient.clone();
        match (id.kind(), &file.content) {
            (
                InodeKind::File,
                &Content::Extents {
                    size,
                    physical_bytes,
                },
            ) => Ok(Self {
                id,
                attributes: file.attributes,
                size,
                physical_bytes,
                transient,
                stored: Some(InodeRecord::File(file)),
            }),
            (InodeKind::File | InodeKind::Symlink | InodeKind::Directory, _) => {
                Err(InvalidArgument::Kind.into())
            }
        }
    }

    /// Refuses content that does not continue the file or makes it too large.
    pub(crate) fn check_end(&self, offset: u64, size: u64) -> Step<()> {
        if offset != self.size {
            return Err(ExtentProblem::NotAtEnd.into());
        }
        match offset.checked_add(size) {
            Some(end) if end <= FILE_BYTES_MAX => Ok(()),
            Some(_) | None => Err(InvalidArgument::Range.into()),
        }
    }

    /// Appends an extent that passed [`Self::check_end`].
    pub(crate) fn append(
        &mut self,
        state: &mut State<'_>,
        extent: Extent,
        write_expiry: Time,
    ) -> Step<()> {
        self.size = extent.end();
        self.physical_bytes = self.physical_bytes.saturating_add(extent.physical_bytes());
        if !extent.is_certified() {
            self.transient.pending_extents = self.transient.pending_extents.saturating_add(1);
        }
        if !self.transient.mtime_chosen {
            self.attributes.mtime = FileTime::from(state.now);
        }
        let record = ExtentRecord {
            extent,
            write_expiry,
        };
        Ok(state.put_fresh_extent(self.id, &record)?)
    }

    /// What was appended to it.
    pub(crate) const fn extents(&self) -> Content {
        Content::Extents {
            size: self.size,
            physical_bytes: self.physical_bytes,
        }
    }

    /// Writes the file back with its deadline extended.
    pub(crate) fn close(mut self, state: &mut State<'_>) -> Step<()> {
        self.transient.deadline = state.now.plus_ms(TRANSIENT_MS);
        self.close_as_it_is(state)
    }

    /// Writes the file back.
    pub(crate) fn close_as_it_is(self, state: &mut State<'_>) -> Step<()> {
        let file = FileRecord {
            attributes: self.attributes,
            content: self.extents(),
            life: Life::Transient(self.transient),
            carrier: None,
        };
        Ok(state.put_over(self.id, self.stored.as_ref(), &InodeRecord::File(file))?)
    }

    /// Writes the file back as a linked one. Returns what its carrier, which the caller writes, has to carry.
    pub(crate) fn close_linked(
        self,
        state: &mut State<'_>,
        content: Content,
        carrier: Carrier,
    ) -> Step<Carried> {
        let file = FileRecord {
            attributes: self.attributes,
            content,
            life: Life::Linked { owners: 1 },
            carrier: Some(carrier),
        };
        let carried = Carried::of(&file);
        state.put_over(self.id, self.stored.as_ref(), &InodeRecord::File(file))?;
        Ok(carried)
    }
}
