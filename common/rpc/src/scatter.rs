//! One receive into several pieces of memory. Each receive tells the sender that there is room again, and may wake it for that.

use std::io;

use bytes::BytesMut;
use socket2::{MaybeUninitSlice, SockRef};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Pieces of one receive. A request for the longest piece that readers ask for lands in ten.
const PIECES_MAX: usize = 16;

/// Adds what is there to the parts, in their order, as far as they have room: at most `bytes_max`, and in at most [`PIECES_MAX`] of
/// them. 0 when the peer has closed.
pub(crate) fn receive(
    socket: &TcpStream,
    parts: &mut [BytesMut],
    bytes_max: usize,
) -> io::Result<usize> {
    let mut slices: [_; PIECES_MAX] = std::array::from_fn(|_| MaybeUninitSlice::new(&mut []));
    let (mut used, mut left) = (0, bytes_max);
    let rooms = parts.iter_mut().map(BytesMut::spare_capacity_mut);
    let rooms = rooms.filter(|room| !room.is_empty());
    for (slice, room) in slices.iter_mut().zip(rooms) {
        let len = room.len().min(left);
        *slice = MaybeUninitSlice::new(&mut room[..len]);
        used += 1;
        left -= len;
        if left == 0 {
            break;
        }
    }
    let receive = || SockRef::from(socket).recv_vectored(&mut slices[..used]);
    let (received, _) = socket.try_io(Interest::READABLE, receive)?;
    take_over(parts, received);
    Ok(received)
}

/// The room of the parts holds `received` bytes more.
#[allow(unsafe_code)]
fn take_over(parts: &mut [BytesMut], received: usize) {
    let mut left = received;
    for part in parts {
        let filled = left.min(part.capacity() - part.len());
        // SAFETY: `receive` offers the room of the parts from the first on, without a gap, and the kernel fills what it is offered in
        // order. So the first `received` bytes of room are initialized, and `filled` of them are within this part's capacity.
        unsafe { part.set_len(part.len() + filled) };
        left -= filled;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// Receives `bytes` in pieces with so much room, at most `bytes_max` at a time.
    async fn received(bytes: &[u8], rooms: &[usize], bytes_max: usize) -> Vec<BytesMut> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (near, mut far) = (near.unwrap(), far.unwrap().0);
        far.write_all(bytes).await.unwrap();
        let mut parts: Vec<BytesMut> = rooms.iter().map(|len| room(*len)).collect();
        let mut missing = bytes.len();
        while missing > 0 {
            near.readable().await.unwrap();
            let Ok(read) = receive(&near, &mut parts, bytes_max.min(missing)) else {
                continue;
            };
            assert!((1..=bytes_max).contains(&read), "{read}");
            missing -= read;
        }
        parts
    }

    /// Exactly so much room, behind one byte.
    fn room(len: usize) -> BytesMut {
        let mut part = BytesMut::with_capacity(len + 1);
        part.extend_from_slice(&[255]);
        let _more = part.split_off(len + 1);
        part
    }

    #[tokio::test]
    async fn parts_are_filled_one_after_the_other() {
        let bytes: Vec<u8> = (0..50_000u32).map(|n| (n % 251) as u8).collect();
        let rooms = [&[0, 1, 9_999, 0, 17_000][..], &[1_000; 30]].concat();
        for bytes_max in [usize::MAX, 1_000, 1] {
            let bytes = &bytes[..bytes.len().min(bytes_max.saturating_mul(500))];
            let parts = received(bytes, &rooms, bytes_max).await;
            let lens: Vec<usize> = parts.iter().map(|part| part.len() - 1).collect();
            let all: Vec<u8> = parts.iter().flat_map(|part| &part[1..]).copied().collect();
            assert!(all == bytes, "{lens:?}");
            let end = lens.iter().zip(&rooms).position(|(len, room)| len < room);
            assert!(lens[end.unwrap_or(0) + 1..].iter().all(|len| *len == 0) || end.is_none());
        }
    }
}
