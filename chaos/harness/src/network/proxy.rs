//! Proxies, and what they do with what passes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::origin;
use super::rules::{CLIENTS, Effect, Rule, effect};

const CHUNK_BYTES: usize = 64 << 10;

/// All proxies of a cluster. When it goes, so do they.
#[derive(Debug)]
pub struct Network {
    runtime: Handle,
    inner: Mutex<Inner>,
    /// Changes whenever the rules do, and closes with the network.
    rules: watch::Sender<Vec<(u64, Rule)>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Proxies by the real address.
    proxies: BTreeMap<SocketAddr, SocketAddr>,
    /// Processes by the address that they listen on.
    names: BTreeMap<SocketAddr, String>,
    /// Processes by name, as last started.
    pids: BTreeMap<String, Pid>,
    next_rule: u64,
}

impl Network {
    /// Proxies will run on this runtime.
    pub fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            inner: Mutex::default(),
            rules: watch::Sender::new(Vec::new()),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells which process has a name from now on.
    pub fn started(&self, name: &str, pid: Pid) {
        self.inner().pids.insert(name.to_owned(), pid);
    }

    /// Tells which process listens on an address.
    pub fn name(&self, real: SocketAddr, name: &str) {
        self.inner().names.insert(real, name.to_owned());
    }

    /// The address of the proxy in front of a process; it is made when it is first asked for.
    pub fn proxy(self: &Arc<Self>, real: SocketAddr) -> Result<SocketAddr> {
        let mut inner = self.inner();
        if let Some(known) = inner.proxies.get(&real) {
            return Ok(*known);
        }
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind a proxy")?;
        listener.set_nonblocking(true).context("bind a proxy")?;
        let address = listener.local_addr().context("bind a proxy")?;
        let _runtime = self.runtime.enter();
        let listener = TcpListener::from_std(listener).context("bind a proxy")?;
        inner.proxies.insert(real, address);
        let stop = self.rules.subscribe();
        self.runtime
            .spawn(accept(Arc::downgrade(self), listener, real, stop));
        Ok(address)
    }

    /// Puts rules into force. The number is for [`Network::lift`].
    pub fn impose(&self, rules: Vec<Rule>) -> u64 {
        let mut inner = self.inner();
        inner.next_rule += 1;
        let id = inner.next_rule;
        self.rules
            .send_modify(|all| all.extend(rules.into_iter().map(|rule| (id, rule))));
        id
    }

    /// Ends the rules of this number; what they held back goes on.
    pub fn lift(&self, id: u64) {
        self.rules
            .send_modify(|all| all.retain(|(number, _)| *number != id));
    }

    fn processes(&self) -> Vec<(String, Pid)> {
        let inner = self.inner();
        let pids = inner.pids.iter();
        pids.map(|(name, pid)| (name.clone(), *pid)).collect()
    }

    fn name_of(&self, real: SocketAddr) -> String {
        let inner = self.inner();
        let known = inner.names.get(&real).cloned();
        known.unwrap_or_else(|| real.to_string())
    }
}

/// A change of the rules, or the end of the network.
type Changes = watch::Receiver<Vec<(u64, Rule)>>;

async fn ended(mut changes: Changes) {
    while changes.changed().await.is_ok() {}
}

async fn accept(network: Weak<Network>, listener: TcpListener, real: SocketAddr, changes: Changes) {
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tokio::spawn(relay(network.clone(), stream, peer, real, changes.clone()));
                }
                // Too many open files, perhaps.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = ended(changes.clone()) => {}
    }
}

async fn relay(
    network: Weak<Network>,
    stream: TcpStream,
    peer: SocketAddr,
    real: SocketAddr,
    changes: Changes,
) {
    let (Ok(proxy), Ok(onward)) = (stream.local_addr(), TcpStream::connect(real).await) else {
        return; // nobody listens: the connection breaks, as it would without a proxy
    };
    let who = tokio::task::spawn_blocking(move || {
        let network = network.upgrade()?;
        let processes = network.processes();
        let from = origin::owner(&processes, peer, proxy)
            .unwrap_or(CLIENTS)
            .to_owned();
        Some((from, network.name_of(real)))
    });
    let Ok(Some((from, to))) = who.await else {
        return;
    };
    stream.set_nodelay(true).ok(); // it is only slower without
    onward.set_nodelay(true).ok();
    let (near_read, near_write) = stream.into_split();
    let (far_read, far_write) = onward.into_split();
    let there = Way {
        from: from.clone(),
        to: to.clone(),
        changes: changes.clone(),
    };
    let back = Way {
        from: to,
        to: from,
        changes,
    };
    // If one direction breaks, both do.
    tokio::select! {
        () = there.pump(near_read, far_write) => {}
        () = back.pump(far_read, near_write) => {}
    }
}

/// One direction of a connection.
struct Way {
    from: String,
    to: String,
    changes: Changes,
}

impl Way {
    async fn pump(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(size @ 1..) = from.read(&mut chunk).await {
            if !self.pass().await || to.write_all(&chunk[..size]).await.is_err() {
                return;
            }
        }
        // An end is news as well: it does not arrive earlier than other news would.
        self.pass().await;
    }

    /// Waits until what was sent may arrive. `false` if the connection breaks.
    async fn pass(&mut self) -> bool {
        loop {
            let rules = self.changes.borrow_and_update().clone();
            let met = effect(rules.iter().map(|(_, rule)| rule), &self.from, &self.to);
            match met {
                None => return true,
                Some(Effect::Delay { ms_max }) => {
                    let ms = rand::random_range(0..=ms_max);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    return true;
                }
                Some(Effect::Break { permille }) => return rand::random_range(0..1000) >= permille,
                Some(Effect::Hold) => {
                    if self.changes.changed().await.is_err() {
                        return false;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::network::Side;

    /// Answers each byte with the same byte.
    fn echo() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        address
    }

    fn says(stream: &mut std::net::TcpStream, byte: u8, within: Duration) -> bool {
        stream.write_all(&[byte]).unwrap();
        hears(stream, byte, within)
    }

    fn hears(stream: &mut std::net::TcpStream, byte: u8, within: Duration) -> bool {
        stream.set_read_timeout(Some(within)).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).is_ok() && answer == [byte]
    }

    const SOON: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn what_is_held_back_arrives_later_and_each_way_has_its_own_rules() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let network = Network::new(runtime.handle().clone());
        let real = echo();
        network.name(real, "shard0");
        let proxy = network.proxy(real).unwrap();
        assert_eq!(network.proxy(real).unwrap(), proxy);
        let mut stream = std::net::TcpStream::connect(proxy).unwrap();
        assert!(says(&mut stream, 1, SOON));

        let hold = |from: Side, to: Side| Rule {
            from,
            to,
            effect: Effect::Hold,
        };
        let elsewhere = network.impose(vec![hold(Side::one("shard1"), Side::all())]);
        assert!(says(&mut stream, 2, SOON));
        let answers = network.impose(vec![hold(Side::one("shard0"), Side::one(CLIENTS))]);
        assert!(!says(&mut stream, 3, SHORT));
        let questions = network.impose(vec![hold(Side::one(CLIENTS), Side::one("shard0"))]);
        network.lift(answers);
        assert!(
            hears(&mut stream, 3, SOON),
            "the question had passed before"
        );
        assert!(!says(&mut stream, 4, SHORT));
        network.lift(questions);
        network.lift(elsewhere);
        assert!(hears(&mut stream, 4, SOON));
    }

    #[test]
    fn connections_break_and_end_with_the_network() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let network = Network::new(runtime.handle().clone());
        let proxy = network.proxy(echo()).unwrap();
        let mut stream = std::net::TcpStream::connect(proxy).unwrap();
        assert!(says(&mut stream, 1, SOON));
        let always = Effect::Break { permille: 1000 };
        let rule = Rule {
            from: Side::all(),
            to: Side::all(),
            effect: always,
        };
        let breaking = network.impose(vec![rule]);
        assert!(!says(&mut stream, 2, SOON));
        network.lift(breaking);
        let mut stream = std::net::TcpStream::connect(proxy).unwrap();
        assert!(says(&mut stream, 3, SOON));
        drop(network);
        let gone = || std::net::TcpStream::connect(proxy).is_err();
        crate::until("the proxy is gone", SOON, gone).unwrap();
    }
}
