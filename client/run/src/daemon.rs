//! `--daemon`: starts a supervisor of its own session and waits until the cluster serves.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{files, layout::Layout, lock, preflight, progress};

/// Returns once the cluster is healthy and mounted; it goes on without us.
pub async fn start(layout: &Layout) -> Result<()> {
    preflight::directories(layout)?;
    if lock::holder(layout)?.is_some() {
        bail!(
            "the cluster in {dir} is running already: 'eggsrun --dir {dir} status' shows it",
            dir = layout.dir().display()
        );
    }
    let ready = layout.run().join("ready");
    files::remove(&ready)?;
    files::remove(&layout.progress())?;
    let log_path = layout.log("eggsrun");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| format!("open {}", log_path.display()))?;
    let begin = log.metadata().context("look at the log")?.len();
    let mut child = Command::new(std::env::current_exe().context("find this program")?)
        .args(arguments(layout))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the log")?)
        .stderr(log)
        .spawn()
        .context("start the supervisor")?;
    loop {
        if ready.exists() {
            progress::clear();
            print!("{}", said_since(layout, begin));
            return Ok(());
        }
        if let Some(status) = child.try_wait().context("wait for the supervisor")? {
            progress::clear();
            let said = said_since(layout, begin);
            let reason = said
                .lines()
                .rfind(|line| line.starts_with("eggsrun: cannot"))
                .unwrap_or("");
            match reason.strip_prefix("eggsrun: cannot start: ") {
                Some(reason) => bail!("{reason}"),
                None => bail!(
                    "the supervisor ended ({status}): see {}",
                    log_path.display()
                ),
            }
        }
        if let Ok(line) = fs::read_to_string(layout.progress()) {
            progress::show(&line);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Our own arguments, with the directory made absolute, for the process that stays.
fn arguments(layout: &Layout) -> Vec<String> {
    let mut out = vec![
        format!("--dir={}", layout.dir().display()),
        "--detached".into(),
    ];
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        match arg.as_str() {
            "--daemon" => {}
            "--dir" => drop(given.next()),
            _ if arg.starts_with("--dir=") => {}
            _ => out.push(arg),
        }
    }
    out
}

fn said_since(layout: &Layout, begin: u64) -> String {
    let text = fs::read(layout.log("eggsrun")).unwrap_or_default();
    let from = usize::try_from(begin).unwrap_or(usize::MAX).min(text.len());
    String::from_utf8_lossy(&text[from..]).into_owned()
}
