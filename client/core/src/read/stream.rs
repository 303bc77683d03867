//! Reading a file from one place to another, piece by piece.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;

use super::reader::FileReader;
use crate::error::ClientError;

/// Bytes of a piece.
const PIECE_BYTES: usize = 1 << 20;

impl FileReader {
    /// The bytes of a range in order, in pieces of up to 1 MiB; what lies beyond the end of the file is left out. What comes next is
    /// read ahead. Each piece has the client's time-out to itself. After an error the stream ends.
    pub fn stream(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static {
        let reader = self.clone();
        let end = range.end.min(self.size());
        try_unfold(range.start, move |at| {
            let reader = reader.clone();
            async move {
                let len = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
                if len == 0 {
                    return Ok(None);
                }
                let bytes = reader.read_at(at, len.min(PIECE_BYTES)).await?;
                let next = at + bytes.len() as u64;
                Ok((!bytes.is_empty()).then_some((bytes, next)))
            }
        })
    }
}
