//! How much of a large payload has to be there before its reader is woken: else each few packets cost a switch of tasks.

use std::io;
use std::os::fd::AsRawFd;

use tokio::net::TcpStream;

/// Most bytes that are waited for. They fit into the second-level cache of a core, and well into what a socket holds.
pub(crate) const LOW_WATER_MAX: usize = 256 << 10;

/// Lets the socket count as readable once it holds this many bytes, or will not hold more. The kernel caps it at half of
/// what the socket may hold.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn set(socket: &TcpStream, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes.clamp(1, LOW_WATER_MAX)).unwrap_or(1);
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the socket is open as long as it is borrowed, and the option is an integer that is only read.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Elsewhere a reader is woken more often.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_socket: &TcpStream, _bytes: usize) -> io::Result<()> {
    Ok(())
}
