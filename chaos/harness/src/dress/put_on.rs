//! What `eggstests` does when it is started by the name of a server.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Beside the links, the socket of the test that they belong to.
pub(super) const SOCKET: &str = "tailor.sock";

/// Programs that are dressed.
pub(super) const DRESSED: [&str; 5] = [
    "eggsshuckle",
    "eggsshard",
    "eggscdc",
    "eggsblocks",
    "eggsgc",
];

/// Says that the process has a network namespace of its own.
pub(super) const ALONE: &str = "EGGS_ALONE";

/// Who asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Naked {
    /// Whether it has a network namespace of its own already.
    pub room: Room,
    /// Stays the same.
    pub pid: i32,
    pub program: String,
    pub args: Vec<String>,
}

/// Which network namespace a process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Room {
    /// The one of the test.
    Shared,
    /// One of its own.
    Own,
}

/// What it is to become.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Dressed {
    pub program: String,
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// The server that a program's own name stands for, if it does.
pub fn role(own_name: &OsString) -> Option<&'static str> {
    let name = Path::new(own_name).file_name()?;
    DRESSED.into_iter().find(|program| name == *program)
}

/// Becomes the server: comes back only with an error.
pub fn put_on(own_name: &OsString, program: &str, args: Vec<String>) -> anyhow::Error {
    match ask(own_name, program, args) {
        Ok(dressed) => {
            let mut command = Command::new(&dressed.program);
            command.args(&dressed.args).envs(dressed.environment);
            let error = command.exec();
            anyhow::Error::new(error).context(format!("become {}", dressed.program))
        }
        Err(error) => error,
    }
}

fn ask(own_name: &OsString, program: &str, args: Vec<String>) -> Result<Dressed> {
    let dir = Path::new(own_name)
        .parent()
        .context("a path to this program")?;
    let socket = dir.join(SOCKET);
    let stream = UnixStream::connect(&socket)
        .with_context(|| format!("reach the test at {}", socket.display()))?;
    let (pid, program) = (
        rustix::process::getpid().as_raw_nonzero().get(),
        program.to_owned(),
    );
    let room = match std::env::var_os(ALONE) {
        Some(_) => Room::Own,
        None => Room::Shared,
    };
    let naked = Naked {
        room,
        pid,
        program,
        args,
    };
    let mut question = serde_json::to_vec(&naked).context("ask the test what to become")?;
    question.push(b'\n');
    (&stream)
        .write_all(&question)
        .context("ask the test what to become")?;
    let mut answer = String::new();
    let mut reader = BufReader::new(&stream);
    reader
        .read_line(&mut answer)
        .context("hear what to become")?;
    serde_json::from_str(&answer).context("hear what to become")
}
