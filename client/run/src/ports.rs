//! Chooses addresses on the loopback interface.
//!
//! Ports come from below the range that the kernel uses for outgoing connections, so that a process that
//! is restarted finds its port free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, anyhow, bail};

const FIRST: u16 = 11_000;
const LAST: u16 = 32_000;

/// Hands out ports that nobody listens on, each once.
pub struct Ports {
    next: u16,
    given: Vec<u16>,
}

/// The loopback address with a port.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

impl Ports {
    /// Begins at a random place, so that clusters started at the same time do not meet.
    pub fn new() -> Result<Self> {
        let random = getrandom::u32().map_err(|error| anyhow!("ask for randomness: {error}"))?;
        let next = FIRST + (random % u32::from(LAST - FIRST)) as u16;
        Ok(Self {
            next,
            given: Vec::new(),
        })
    }

    /// This port and no other. `option` is what the user can change.
    pub fn exactly(&mut self, port: u16, option: &str) -> Result<SocketAddr> {
        if !is_free(port) || self.given.contains(&port) {
            bail!(
                "port {port} on 127.0.0.1 is in use by another program: stop it, or give another {option}"
            );
        }
        self.given.push(port);
        Ok(loopback(port))
    }

    /// This port if it is free, else any.
    pub fn preferably(&mut self, port: u16) -> Result<SocketAddr> {
        match self.exactly(port, "") {
            Ok(address) => Ok(address),
            Err(_) => self.any(),
        }
    }

    /// Any port.
    pub fn any(&mut self) -> Result<SocketAddr> {
        for _ in FIRST..LAST {
            let port = self.next;
            self.next = if port + 1 < LAST { port + 1 } else { FIRST };
            if !self.given.contains(&port) && is_free(port) {
                self.given.push(port);
                return Ok(loopback(port));
            }
        }
        bail!("no port between {FIRST} and {LAST} on 127.0.0.1 is free")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let mut ports = Ports::new().unwrap();
        let taken = TcpListener::bind(loopback(0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let holder = TcpListener::bind(loopback(taken));
        assert!(holder.is_err() || ports.exactly(taken, "--http-port").is_err());
        let first = ports.any().unwrap();
        assert!(ports.exactly(first.port(), "--http-port").is_err());
        assert_ne!(ports.any().unwrap(), first);
        assert_ne!(ports.preferably(first.port()).unwrap(), first);
    }
}
