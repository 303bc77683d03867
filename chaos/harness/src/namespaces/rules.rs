//! What befalls packets, as rules of nftables. Pure.

/// What befalls packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// So many of a thousand get lost.
    Lost {
        /// How many.
        permille: u16,
    },
    /// So many of a thousand arrive twice.
    Doubled {
        /// How many.
        permille: u16,
    },
    /// Those that begin a connection get lost; connections that there are go on.
    NoNewConnections,
}

/// Which packets, and what befalls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packets {
    /// The process that sends them, or any.
    pub from: Option<String>,
    /// The process that receives them, or any.
    pub to: Option<String>,
    /// What befalls them.
    pub matter: Matter,
}

/// The name of a link and the address of who is behind it.
pub(super) fn link(number: u8) -> (String, String) {
    (format!("v{number}"), format!("10.77.{number}.2"))
}

/// The rules for some packets; `numbers` are those of the processes, the sender's and the receiver's. Packets from any
/// process to any other are those that come through a link: what the test itself sends to itself is left alone.
pub(super) fn rules(matter: Matter, from: Option<u8>, to: &[u8]) -> Vec<String> {
    let sender = match from {
        Some(number) => format!("iifname \"{}\"", link(number).0),
        None => "iifname \"v*\"".to_owned(),
    };
    let what = match matter {
        Matter::Lost { permille } => format!("{} counter drop", chance(permille)),
        Matter::NoNewConnections => "tcp flags & (syn | ack) == syn counter drop".to_owned(),
        // Each goes to its own receiver again.
        Matter::Doubled { permille } => {
            let doubled = |number: &u8| {
                let (link, address) = link(*number);
                let chance = chance(permille);
                let copy = format!("counter dup to {address} device \"{link}\"");
                format!("{sender} oifname \"{link}\" {chance} {copy}")
            };
            return to.iter().map(doubled).collect();
        }
    };
    match to {
        [] => vec![format!("{sender} {what}")],
        some => {
            let received = |number: &u8| {
                let sender = from.map_or(String::new(), |_| format!("{sender} "));
                format!("{sender}oifname \"{}\" {what}", link(*number).0)
            };
            some.iter().map(received).collect()
        }
    }
}

fn chance(permille: u16) -> String {
    if permille >= 1000 {
        return "meta l4proto tcp".to_owned();
    }
    format!("meta l4proto tcp numgen random mod 1000 < {permille}")
}

/// How many packets rules have met, as `nft list chain` tells.
pub(super) fn met(listing: &str) -> u64 {
    let mut words = listing.split_ascii_whitespace();
    let mut sum = 0;
    while let Some(word) = words.next() {
        if word == "packets" {
            sum += words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_met_by_who_sends_and_who_receives_them() {
        let lost = Matter::Lost { permille: 30 };
        let dice = "meta l4proto tcp numgen random mod 1000 < 30 counter drop";
        let check = |from, to: &[u8], expected: &str| {
            assert_eq!(rules(lost, from, to), [format!("{expected} {dice}")]);
        };
        check(None, &[], "iifname \"v*\"");
        check(Some(3), &[], "iifname \"v3\"");
        check(None, &[4], "oifname \"v4\""); // clients, too
        check(Some(3), &[4], "iifname \"v3\" oifname \"v4\"");
        let all = rules(Matter::Lost { permille: 1000 }, Some(3), &[]);
        assert_eq!(all, ["iifname \"v3\" meta l4proto tcp counter drop"]);
        let doubled = rules(Matter::Doubled { permille: 5 }, None, &[1, 2]);
        assert!(doubled[1].ends_with("dup to 10.77.2.2 device \"v2\""));
        assert_eq!(doubled.len(), 2);
    }

    #[test]
    fn counters_are_added_up() {
        let listing = "iifname \"v1\" counter packets 7 bytes 360 drop\noifname \"v2\" counter packets 5 bytes 1 drop";
        assert_eq!(met(listing), 12);
        assert_eq!(met("chain faults {\n}"), 0);
    }
}
