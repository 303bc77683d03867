//! Running `ip`, `nft` and `nsenter`.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs a program to its end; what it said.
pub(super) fn run(line: &[&str], input: &str) -> Result<String> {
    let (program, args) = line.split_first().context("a program")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {program}: is it installed?"))?;
    let mut stdin = child.stdin.take().context("its input")?;
    stdin.write_all(input.as_bytes()).context("tell it")?;
    drop(stdin);
    let output = child.wait_with_output().context("wait for it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", line.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
