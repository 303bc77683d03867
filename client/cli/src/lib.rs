//! `eggscli`: everything a person does with a cluster from a shell.
//!
//! [`args`] is the command line, `verbs` has one file per verb, `text` is how things are read and shown. A verb
//! works through [`eggs_client`] only.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 3 partly done, 4 the cluster is degraded (`status` only), 5 the cluster
//! cannot be reached.

mod access;
pub mod args;
mod context;
mod failure;
mod known_registry;
mod meta;
mod output;
mod progress;
mod text;
mod verbs;

use std::process::ExitCode;

pub use failure::{Exit, Failure};

/// Runs one command line to its end.
pub async fn run(args: args::Args) -> ExitCode {
    let code = match verbs::run(args).await {
        Ok(exit) => exit,
        Err(Failure::BrokenPipe) => Exit::Fine, // the reader has seen enough
        Err(Failure::Said { exit, sentence }) => {
            eprintln!("eggscli: {sentence}");
            exit
        }
    };
    ExitCode::from(code as u8)
}
