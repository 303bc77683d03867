//! Arguments of a server with all addresses of others replaced. Pure.

use std::net::SocketAddr;

/// What the arguments of a server say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// As in `shard0`.
    pub name: String,
    /// Where it listens, if it does.
    pub listen: Option<SocketAddr>,
    /// All addresses that it serves on.
    pub serves: Vec<SocketAddr>,
}

/// Which process this is. `None` if it is not one of a cluster's servers.
pub(super) fn server(program: &str, args: &[String]) -> Option<Server> {
    let prefix = match program {
        "eggsshuckle" => "shuckle",
        "eggsshard" => "shard",
        "eggscdc" => "cdc",
        "eggsblocks" => "blocks",
        "eggsgc" => "gc",
        _other => return None,
    };
    let value = |key: &str| args.iter().find_map(|arg| arg.strip_prefix(key));
    let id: u32 = value("--id=")?.parse().ok()?;
    let address = |key: &str| value(key).and_then(|address| address.parse().ok());
    let (listen, http) = (address("--listen="), address("--http="));
    Some(Server {
        name: format!("{prefix}{id}"),
        listen,
        serves: listen.into_iter().chain(http).collect(),
    })
}

/// The arguments with every address of `--peers` and `--registry` replaced. What a process listens on stays; what others
/// reach it by is in `--peers`, or told by `--advertise`.
pub(super) fn rewrite(
    program: &str,
    args: &[String],
    mut replaced: impl FnMut(SocketAddr) -> SocketAddr,
) -> Vec<String> {
    let mut out = Vec::new();
    for arg in args {
        let listed = ["--peers=", "--registry="]
            .iter()
            .find_map(|key| Some((key, arg.strip_prefix(*key)?)));
        out.push(match listed {
            Some((key, list)) => {
                let items: Vec<String> = list
                    .split(',')
                    .map(|item| one(item, &mut replaced))
                    .collect();
                format!("{key}{}", items.join(","))
            }
            None => arg.clone(),
        });
    }
    if let ("eggsblocks", Some(listen)) = (program, server(program, args).and_then(|s| s.listen)) {
        out.push(format!("--advertise={}", replaced(listen)));
    }
    out
}

/// `ADDRESS` or `NUMBER=ADDRESS`; anything else stays.
fn one(item: &str, replaced: &mut impl FnMut(SocketAddr) -> SocketAddr) -> String {
    let (number, address) = match item.split_once('=') {
        Some((number, address)) => (format!("{number}="), address),
        None => (String::new(), item),
    };
    match address.parse() {
        Ok(address) => format!("{number}{}", replaced(address)),
        Err(_) => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, args: &[&str], expected: &[&str]) {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let there = |real: SocketAddr| SocketAddr::new(real.ip(), real.port() + 1000);
        assert_eq!(rewrite(program, &args, there), expected);
    }

    #[test]
    fn addresses_of_others_are_replaced() {
        check(
            "eggsshard",
            &[
                "--id=1",
                "--dir=/d",
                "--listen=127.0.0.1:71",
                "--peers=0=127.0.0.1:70,1=127.0.0.1:71",
                "--registry=127.0.0.1:5,127.0.0.1:6",
            ],
            &[
                "--id=1",
                "--dir=/d",
                "--listen=127.0.0.1:71",
                "--peers=0=127.0.0.1:1070,1=127.0.0.1:1071",
                "--registry=127.0.0.1:1005,127.0.0.1:1006",
            ],
        );
        check(
            "eggsblocks",
            &["--id=3", "--listen=127.0.0.1:80"],
            &[
                "--id=3",
                "--listen=127.0.0.1:80",
                "--advertise=127.0.0.1:1080",
            ],
        );
    }

    #[test]
    fn processes_are_known_by_program_and_number() {
        let args = ["--id=2".to_owned(), "--listen=127.0.0.1:9".to_owned()];
        let found = server("eggscdc", &args).unwrap();
        assert_eq!(found.name, "cdc2");
        assert_eq!(found.listen, Some(([127, 0, 0, 1], 9).into()));
        assert_eq!(found.serves, [([127, 0, 0, 1], 9).into()]);
        assert_eq!(server("eggsrun", &args), None);
        assert_eq!(server("eggscdc", &[]), None);
    }
}
