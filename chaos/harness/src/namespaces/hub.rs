//! The namespace that all packets pass.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};

use super::rules::{self, Packets};
use super::tools::run;

/// Says that this process is in the hub.
const INSIDE: &str = "EGGS_HUB";
/// Most processes that have a link at a time or had one.
const LINKS_MAX: usize = 250;

/// The hub's rules. What comes from the loopback address gets one that its receiver can answer.
const RULES: &str = r#"
table ip eggs {
  map ports { type inet_service : ipv4_addr; }
  chain pre {
    type nat hook prerouting priority -100;
    iifname "v*" dnat to tcp dport map @ports
  }
  chain out { type nat hook output priority -100; ip daddr 127.0.0.0/8 dnat to tcp dport map @ports; }
  chain post { type nat hook postrouting priority 100; oifname "v*" ip saddr 127.0.0.0/8 masquerade; }
  chain faults { }
  chain forward { type filter hook forward priority 0; jump faults; }
  chain from_clients { type filter hook output priority 0; jump faults; }
  chain to_clients { type filter hook input priority 0; jump faults; }
}
"#;

/// Moves this process into a namespace of its own, unless it is in one: it begins again there. Needs root.
pub fn enter_hub() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return run(&["ip", "link", "set", "lo", "up"], "").map(drop);
    }
    let program = std::env::current_exe().context("find this program")?;
    let error = Command::new("unshare")
        .args(["-n", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error).context("run unshare")
}

/// The namespace that all packets pass; this process is in it.
#[derive(Debug)]
pub struct Hub {
    /// Numbers of links by the name of the process behind.
    links: Mutex<BTreeMap<String, u8>>,
}

impl Hub {
    /// Prepares the namespace that this process is in, which has to be one of its own.
    pub fn prepare() -> Result<Self> {
        ensure!(
            std::env::var_os(INSIDE).is_some(),
            "rules of nftables are not made outside of a namespace of our own"
        );
        set("net/ipv4/ip_forward")?;
        set("net/ipv4/conf/all/route_localnet")?;
        // What is left of another cluster of this run.
        run(
            &["nft", "-f", "-"],
            "table ip eggs {}\ndelete table ip eggs\n",
        )?;
        run(&["nft", "-f", "-"], RULES)?;
        let links = Mutex::default();
        Ok(Self { links })
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<String, u8>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, name: &str) -> Result<u8> {
        let mut links = self.links();
        if let Some(number) = links.get(name) {
            return Ok(*number);
        }
        ensure!(links.len() < LINKS_MAX, "too many processes have links");
        let number = links.len() as u8 + 1;
        links.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Links a process that is alone in its namespace; it is reached by the addresses that it listens on.
    pub fn link(&self, name: &str, pid: i32, listens: &[SocketAddr]) -> Result<()> {
        let number = self.number(name)?;
        let (link, address) = rules::link(number);
        let (pid, gateway) = (pid.to_string(), format!("10.77.{number}.1"));
        // That of an earlier start may not have gone yet.
        let _ = run(&["ip", "link", "del", &link], "");
        let add = [
            "ip", "link", "add", &link, "type", "veth", "peer", "name", "net0",
        ];
        run(&[&add[..], &["netns", &pid]].concat(), "")?;
        let here = format!("{gateway}/30");
        run(&["ip", "addr", "add", &here, "dev", &link], "")?;
        run(&["ip", "link", "set", &link, "up"], "")?;
        let inside = format!(
            "ip link set lo up && ip addr add {address}/30 dev net0 && ip link set net0 up && \
             ip route add default via {gateway} && \
             echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet && nft -f -"
        );
        let ports: Vec<String> = listens.iter().map(|at| at.port().to_string()).collect();
        let line = ["nsenter", "-t", &pid, "-n", "sh", "-c", &inside];
        run(&line, &inner_rules(&ports, &gateway))?;
        let elements: Vec<String> = ports
            .iter()
            .map(|port| format!("{port} : {address}"))
            .collect();
        if !elements.is_empty() {
            let add = format!("add element ip eggs ports {{ {} }}\n", elements.join(", "));
            run(&["nft", "-f", "-"], &add)?;
        }
        Ok(())
    }

    /// Puts rules into force, in the place of those before.
    pub fn impose(&self, all: &[Packets]) -> Result<()> {
        let mut script = String::from("flush chain ip eggs faults\n");
        let links = self.links();
        for packets in all {
            let number = |name: &String| {
                let found = links.get(name).copied();
                found.with_context(|| format!("{name} has no link"))
            };
            let from = packets.from.as_ref().map(number).transpose()?;
            let to: Vec<u8> = match (&packets.to, packets.matter) {
                (Some(name), _) => vec![number(name)?],
                (None, rules::Matter::Doubled { .. }) => links.values().copied().collect(),
                (None, rules::Matter::Lost { .. } | rules::Matter::NoNewConnections) => vec![],
            };
            for rule in rules::rules(packets.matter, from, &to) {
                script.push_str(&format!("add rule ip eggs faults {rule}\n"));
            }
        }
        drop(links);
        run(&["nft", "-f", "-"], &script).map(drop)
    }

    /// Ends all rules; how many packets they have met.
    pub fn lift(&self) -> Result<u64> {
        let listing = run(&["nft", "list", "chain", "ip", "eggs", "faults"], "")?;
        self.impose(&[])?;
        Ok(rules::met(&listing))
    }
}

/// What a server's own namespace does with packets: those for its ports are its own, all others are the hub's business.
fn inner_rules(ports: &[String], gateway: &str) -> String {
    let own = match ports {
        [] => String::new(),
        some => format!("tcp dport != {{ {} }}", some.join(", ")),
    };
    format!(
        r#"
table ip eggs {{
  chain out {{ type nat hook output priority -100; ip daddr 127.0.0.0/8 {own} meta l4proto tcp dnat to {gateway}; }}
  chain pre {{ type nat hook prerouting priority -100; iifname "net0" dnat to 127.0.0.1; }}
  chain post {{ type nat hook postrouting priority 100; oifname "net0" ip saddr 127.0.0.0/8 masquerade; }}
}}
"#
    )
}

/// Switches a setting of the kernel on, in this namespace.
fn set(name: &str) -> Result<()> {
    fs::write(format!("/proc/sys/{name}"), "1").with_context(|| format!("set {name}"))
}
