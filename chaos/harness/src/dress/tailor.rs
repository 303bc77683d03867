//! Answers servers that ask what to become.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;
use tempfile::TempDir;

use super::faults::{self, Faults};
use super::put_on::{ALONE, DRESSED, Dressed, Naked, Room, SOCKET};
use super::rewrite::{rewrite, server};
use super::unsynced::Unsynced;
use crate::caretaker::Caretaker;
use crate::namespaces::Hub;
use crate::network::Network;
use crate::program_dir;

/// A question and an answer take no longer.
const BOUND: Duration = Duration::from_secs(10);
const BIN: &str = "bin";

/// What the servers of a cluster wear. As long as it lives, it answers those that ask.
#[derive(Debug)]
pub struct Dress {
    _caretaker: Caretaker,
    home: TempDir,
    real: PathBuf,
    library: PathBuf,
    network: Arc<Network>,
    instead: Option<Instead>,
    unsynced: Option<Unsynced>,
    hub: Option<Hub>,
}

/// A program in the place of others.
#[derive(Clone, Debug)]
pub struct Instead {
    /// Of which programs.
    pub of: &'static [&'static str],
    /// What is started; it finds the name in the environment, as `EGGS_INSTEAD_OF`.
    pub program: PathBuf,
    /// More for its environment.
    pub environment: Vec<(String, String)>,
}

/// What servers wear beside proxies.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Whether what was written and not synced can be lost. Costs every write a little.
    pub power: Power,
    /// What connections run through.
    pub wires: Wires,
    /// What is started instead of some servers.
    pub instead: Option<Instead>,
}

impl Style {
    /// What a nemesis needs.
    pub fn of(nemesis: &str) -> Self {
        let power = match nemesis {
            "power" | "all" => Power::CanBeCut,
            _other => Power::Kept,
        };
        let wires = match nemesis {
            "packets" => Wires::Namespaces,
            _other => Wires::Proxies,
        };
        Self {
            power,
            wires,
            instead: None,
        }
    }
}

/// What the connections of servers run through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wires {
    /// Proxies of the test, which know what a connection is, and need no privileges.
    #[default]
    Proxies,
    /// Namespaces, between which real packets can get lost ([`Dress::hub`]). The test has to be in one, too.
    Namespaces,
}

/// Whether power can be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Power {
    /// It cannot: what a killed process wrote is there.
    #[default]
    Kept,
    /// [`Dress::lose_unsynced`] works.
    CanBeCut,
}

impl Dress {
    /// Begins to answer. Proxies run on `runtime`.
    pub fn start(runtime: &tokio::runtime::Handle) -> Result<Arc<Self>> {
        Self::start_in(runtime, Style::default())
    }

    /// The same with more.
    pub fn start_in(runtime: &tokio::runtime::Handle, style: Style) -> Result<Arc<Self>> {
        let home = tempfile::Builder::new()
            .prefix("eggs-dress-")
            .tempdir()
            .context("make a directory")?;
        let caretaker = Caretaker::of_directory(home.path())?;
        let real = program_dir()?;
        let library = faults::compile(home.path())?;
        let bin = home.path().join(BIN);
        fs::create_dir(&bin).context("make a directory")?;
        // A copy: eggsrun looks for the servers beside the file that it was started from.
        fs::copy(real.join("eggsrun"), bin.join("eggsrun")).context("copy eggsrun")?;
        let links = DRESSED.into_iter().map(|program| (program, "eggstests"));
        for (program, target) in links.chain([("eggscli", "eggscli"), ("eggsfuse", "eggsfuse")]) {
            std::os::unix::fs::symlink(real.join(target), bin.join(program))
                .with_context(|| format!("link {program}"))?;
        }
        let listener = UnixListener::bind(bin.join(SOCKET)).context("listen for servers")?;
        let dress = Arc::new(Self {
            _caretaker: caretaker,
            home,
            real,
            library,
            network: Network::new(runtime.clone()),
            instead: style.instead,
            hub: match style.wires {
                Wires::Proxies => None,
                Wires::Namespaces => Some(Hub::prepare()?),
            },
            unsynced: (style.power == Power::CanBeCut).then(Unsynced::default),
        });
        let weak = Arc::downgrade(&dress);
        std::thread::spawn(move || answer_all(&listener, &weak));
        Ok(dress)
    }

    /// Where `eggsrun` and what looks like servers are.
    pub fn programs(&self) -> PathBuf {
        self.home.path().join(BIN)
    }

    /// What the connections of the servers run through.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// What the packets of the servers pass, if they have namespaces of their own.
    pub const fn hub(&self) -> Option<&Hub> {
        self.hub.as_ref()
    }

    /// From now on this process suffers from these faults, also after it was started again.
    pub fn suffer(&self, process: &str, faults: Faults) -> Result<()> {
        faults.write(&self.file_of(process))
    }

    /// Before this process is started again, what it wrote below `dir` and never synced is taken back.
    /// `false` if that was not asked for when the cluster was started.
    pub fn lose_unsynced(&self, process: &str, dir: PathBuf) -> bool {
        let Some(unsynced) = &self.unsynced else {
            return false;
        };
        unsynced.lose(process, dir);
        true
    }

    /// How many writes were taken back until now.
    pub fn writes_lost(&self) -> u64 {
        self.unsynced.as_ref().map_or(0, Unsynced::writes)
    }

    /// Where the library notes what could be lost.
    fn journal_of(&self, process: &str) -> PathBuf {
        self.home.path().join(format!("{process}.unsynced"))
    }

    fn file_of(&self, process: &str) -> PathBuf {
        self.home.path().join(format!("{process}.faults"))
    }

    fn answer(&self, stream: &UnixStream) -> Result<()> {
        stream
            .set_read_timeout(Some(BOUND))
            .context("set a time-out")?;
        let mut line = String::new();
        BufReader::new(stream)
            .read_line(&mut line)
            .context("hear who asks")?;
        let naked: Naked = serde_json::from_str(&line).context("hear who asks")?;
        let mut answer = serde_json::to_vec(&self.dress(&naked)?).context("answer")?;
        answer.push(b'\n');
        let mut stream = stream;
        stream.write_all(&answer).context("answer")
    }

    fn dress(&self, naked: &Naked) -> Result<Dressed> {
        let server = server(&naked.program, &naked.args)
            .with_context(|| format!("not a server: {naked:?}"))?;
        if let Some(listen) = server.listen {
            self.network.name(listen, &server.name);
        }
        if let Some(pid) = Pid::from_raw(naked.pid) {
            self.network.started(&server.name, pid);
        }
        match (&self.hub, naked.room) {
            (None, _) => {}
            (Some(_), Room::Shared) => return Ok(self.leave_the_room(naked)),
            (Some(hub), Room::Own) => hub.link(&server.name, naked.pid, &server.serves)?,
        }
        let mut failure = None;
        let args = match &self.hub {
            Some(_) => naked.args.clone(), // addresses lead where they always do
            None => rewrite(&naked.program, &naked.args, |real| {
                match self.network.proxy(real) {
                    Ok(proxy) => proxy,
                    Err(error) => {
                        failure = Some(error);
                        real
                    }
                }
            }),
        };
        if let Some(error) = failure {
            return Err(error);
        }
        let faults = self.file_of(&server.name);
        if !faults.exists() {
            Faults::default().write(&faults)?;
        }
        let mut environment = vec![variable("LD_PRELOAD", &self.library)];
        environment.push(variable("EGGS_FAULTS", &faults));
        if let Some(unsynced) = &self.unsynced {
            let journal = self.journal_of(&server.name);
            unsynced.take_back(&server.name, &journal)?;
            environment.push(variable("EGGS_UNSYNCED", &journal));
        }
        let mut program = self.real.join(&naked.program);
        if let Some(instead) = &self.instead
            && instead.of.contains(&naked.program.as_str())
        {
            program.clone_from(&instead.program);
            environment.push(("EGGS_INSTEAD_OF".to_owned(), naked.program.clone()));
            environment.extend(instead.environment.iter().cloned());
        }
        Ok(Dressed {
            program: program.display().to_string(),
            args,
            environment,
        })
    }
}

impl Dress {
    /// It begins again in a network namespace of its own, and asks again.
    fn leave_the_room(&self, naked: &Naked) -> Dressed {
        let itself = self.programs().join(&naked.program);
        let mut args = vec![
            "-n".to_owned(),
            "--".to_owned(),
            itself.display().to_string(),
        ];
        args.extend(naked.args.iter().cloned());
        Dressed {
            program: "unshare".to_owned(),
            args,
            environment: vec![(ALONE.to_owned(), "1".to_owned())],
        }
    }
}

fn variable(key: &str, path: &Path) -> (String, String) {
    (key.to_owned(), path.display().to_string())
}

impl Drop for Dress {
    fn drop(&mut self) {
        // Wakes the thread up, which finds that nobody needs it any more.
        UnixStream::connect(self.programs().join(SOCKET)).ok();
    }
}

fn answer_all(listener: &UnixListener, dress: &Weak<Dress>) {
    for stream in listener.incoming() {
        let (Ok(stream), Some(dress)) = (stream, dress.upgrade()) else {
            return;
        };
        if let Err(error) = dress.answer(&stream) {
            eprintln!("eggstests: cannot dress a server: {error:#}");
        }
    }
}
