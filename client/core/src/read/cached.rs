//! Reading through the cache on a local disk, where there is one.

use bytes::{Bytes, BytesMut};
use eggs_proto::Extent;

use super::fetch::{Found, Lost, Part, read_part};
use crate::cache::ContentKey;
use crate::client::Inner;
use crate::deadline::Deadline;

/// Reads whole pages of an extent into memory with room for just them: from the cache, or else from block services, and then they
/// are put into the cache.
pub(super) async fn read_cached(
    inner: &Inner,
    extent: &Extent,
    (part, mut memory): (Part<'_>, BytesMut),
    deadline: Deadline,
) -> Result<Found, Lost> {
    let key = ContentKey::of(part.place.file, extent);
    let (Some(cache), Some(key)) = (&inner.config.cache, key) else {
        return read_part(inner, part, memory, deadline).await;
    };
    let (from, to) = (part.from, part.to);
    // The last page of an extent is read whole, its end being zeros, and kept without them.
    let end = to.min(extent.size).max(from);
    if let Some(bytes) = cache.get(key, from..end).await {
        memory.extend_from_slice(&bytes);
        memory.resize((to - from) as usize, 0);
        return Ok(Found {
            pages: memory,
            elsewhere: false,
        });
    }
    let found = read_part(inner, part, memory, deadline).await?;
    let kept = found.pages.get(..(end - from) as usize).unwrap_or_default();
    cache.put(key, extent.size, from, &Bytes::copy_from_slice(kept));
    Ok(found)
}
