//! Which process a connection on the loopback interface comes from.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Pid;

/// The socket's number of the end that has `local` as its own address and `remote` as the other's.
fn inode(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let (local, remote) = (hexadecimal(local)?, hexadecimal(remote)?);
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ours = fields.next()? == local && fields.next()? == remote;
        // Behind: state, queues, timer, retransmits, uid, time-out.
        ours.then(|| fields.nth(6)?.parse().ok()).flatten()
    })
}

/// As in `/proc/net/tcp`: the address as the machine stores it.
fn hexadecimal(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(v4) => {
            let ip = u32::from_ne_bytes(v4.ip().octets());
            Some(format!("{ip:08X}:{:04X}", v4.port()))
        }
        SocketAddr::V6(_) => None,
    }
}

/// Which of some processes has the end of a connection with this address. `None` if none has.
pub(super) fn owner(
    processes: &[(String, Pid)],
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<&str> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let socket = format!("socket:[{}]", inode(&table, local, remote)?);
    let has = |pid: &Pid| {
        let dir = format!("/proc/{}/fd", pid.as_raw_nonzero());
        let files = fs::read_dir(dir).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == socket.as_str())
    };
    let found = processes.iter().find(|(_, pid)| has(pid));
    found.map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let stream = TcpStream::connect(there).unwrap();
        let here = stream.local_addr().unwrap();
        let me = ("me".to_owned(), rustix::process::getpid());
        let init = ("init".to_owned(), Pid::INIT);
        assert_eq!(owner(&[init.clone(), me], here, there), Some("me"));
        assert_eq!(owner(&[init], here, there), None);
        assert_eq!(owner(&[], there, there), None);
    }
}
