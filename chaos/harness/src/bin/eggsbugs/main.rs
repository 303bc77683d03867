//! `eggsbugs`: real processes with a bug put in on purpose, each of which `eggstests` must see.
//!
//! A checker is trusted once it has caught what it is there to catch. Every bug here is run under the workload and the
//! nemesis that show it, with several seeds, because the machine decides when things happen, and must make a run violated.
//! A run with no bug in the same programs comes first and must be sound: else anything would be caught.
//!
//! This program is also the servers that are wrong: started instead of one, it finds in the environment which one it is and
//! which bug it has. No other program can have bugs; those that are shipped assert it when they are compiled.

mod plant;
mod run;

use std::process::ExitCode;

use clap::Parser;

/// As in the servers that it stands for.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Plants deliberate bugs in real processes, each of which must be seen.
///
/// Exit codes: 0 all were seen, 1 one was not, 4 no verdict.
#[derive(Debug, Parser)]
#[command(name = "eggsbugs", version)]
struct Args {
    /// Only these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Tell the names and end.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    if let Some(code) = plant::stand_in() {
        return code;
    }
    let args = Args::parse();
    if args.list {
        for bug in &plant::BUGS {
            println!("{:20} {}", bug.name, bug.what);
        }
        return ExitCode::SUCCESS;
    }
    match run::run(&args.only) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("eggsbugs: {error:#}");
            ExitCode::from(4)
        }
    }
}
