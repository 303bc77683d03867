//! Options of our sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

/// A dead peer is noticed after about this long, also while data is under way.
const DEAD_AFTER: Duration = Duration::from_secs(20);

/// How fast is sent over the loopback interface. There is nothing to be congested, and what hosts use for their networks may pace
/// packets: BBR sets a timer for each few of them, which costs more than sending them. Every Linux has this one, for everybody.
#[cfg(target_os = "linux")]
const LOOPBACK_CONGESTION: &[u8] = b"reno";

/// A socket to connect from, or to listen at; what it accepts has its options.
///
/// The control of congestion is chosen before there is a connection: one that began with BBR stays paced.
pub(crate) fn open(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    #[cfg(target_os = "linux")]
    if address.ip().is_loopback() {
        // Without it all goes on, at a higher price.
        if let Err(error) = SockRef::from(&socket).set_tcp_congestion(LOOPBACK_CONGESTION) {
            tracing::debug!(%error, "connections over the loopback interface are paced as others are");
        }
    }
    Ok(socket)
}

/// Sends at once, notices dead peers.
pub(crate) fn configure(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(DEAD_AFTER / 2)
        .with_interval(DEAD_AFTER / 8)
        .with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn neither_end_of_a_connection_over_loopback_is_paced() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listening = open(any).unwrap();
        listening.bind(any).unwrap();
        let listener = listening.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let connecting = open(address).unwrap().connect(address);
        let (near, accepted) = tokio::join!(connecting, listener.accept());
        for end in [near.unwrap(), accepted.unwrap().0] {
            let name = SockRef::from(&end).tcp_congestion().unwrap();
            assert_eq!(
                name.split(|byte| *byte == 0).next(),
                Some(LOOPBACK_CONGESTION)
            );
        }
    }
}
