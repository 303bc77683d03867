//! The faults of one process's clock and disk: the other side of `shim/faults.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The library, as source: it is compiled when a test needs it, because it must never be near a release.
const SOURCE: &str = include_str!("../../shim/faults.c");

/// What a process suffers from. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nanoseconds added to the time of day.
    pub clock_ns: i64,
    /// What fsync fails with; 0 if it works.
    pub sync_errno: i64,
    /// What writes fail with; 0 if they work.
    pub write_errno: i64,
    /// Microseconds that each write and fsync takes longer.
    pub delay_us: i64,
}

impl Faults {
    fn bytes(self) -> Vec<u8> {
        let fields = [
            self.clock_ns,
            self.sync_errno,
            self.write_errno,
            self.delay_us,
        ];
        fields
            .iter()
            .flat_map(|field| field.to_ne_bytes())
            .collect()
    }

    /// Writes them into the file that a process has mapped, in place.
    pub(super) fn write(self, path: &Path) -> Result<()> {
        let mut open = fs::OpenOptions::new();
        let file = open.write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        std::os::unix::fs::FileExt::write_all_at(&file, &self.bytes(), 0)
            .with_context(|| format!("write {}", path.display()))
    }
}

/// Compiles the library into a directory.
pub(super) fn compile(dir: &Path) -> Result<PathBuf> {
    let (source, library) = (dir.join("faults.c"), dir.join("faults.so"));
    fs::write(&source, SOURCE).context("write the source of the fault library")?;
    // clang is needed to build EggsFS at all.
    let mut command = Command::new("clang");
    command.args(["-O2", "-shared", "-fPIC", "-o"]);
    command.arg(&library).arg(&source).arg("-ldl");
    let output = command.output().context("run clang")?;
    ensure!(
        output.status.success(),
        "clang cannot compile the fault library: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(library)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn run(library: &Path, faults: &Path, line: &str) -> std::process::Output {
        let mut command = Command::new("python3");
        command.arg("-c").arg(line);
        command
            .env("LD_PRELOAD", library)
            .env("EGGS_FAULTS", faults);
        command.output().unwrap()
    }

    #[test]
    fn a_process_has_the_clock_and_the_disk_that_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let library = compile(dir.path()).unwrap();
        let faults = dir.path().join("faults");
        let write = format!(
            "import os; f = os.open({:?}, os.O_CREAT | os.O_WRONLY); os.write(f, b'x'); os.fsync(f)",
            dir.path().join("file").display().to_string()
        );
        let clock = "import time; print(time.time(), time.monotonic())";
        Faults::default().write(&faults).unwrap();
        assert!(run(&library, &faults, &write).status.success());

        let disk_full = Faults {
            write_errno: 28,
            ..Faults::default()
        };
        disk_full.write(&faults).unwrap();
        let failed = run(&library, &faults, &write);
        assert!(
            String::from_utf8_lossy(&failed.stderr).contains("No space left"),
            "{failed:?}"
        );

        let lying = Faults {
            sync_errno: 5,
            ..Faults::default()
        };
        lying.write(&faults).unwrap();
        let failed = run(&library, &faults, &write);
        assert!(
            String::from_utf8_lossy(&failed.stderr).contains("Input/output"),
            "{failed:?}"
        );

        const HOUR: i64 = 3600;
        let ahead = Faults {
            clock_ns: HOUR * 1_000_000_000,
            ..Faults::default()
        };
        ahead.write(&faults).unwrap();
        let monotonic = || {
            let uptime = fs::read_to_string("/proc/uptime").unwrap();
            uptime.split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        let shown = String::from_utf8(run(&library, &faults, clock).stdout).unwrap();
        let times: Vec<f64> = shown
            .split_whitespace()
            .map(|text| text.parse().unwrap())
            .collect();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let expected = (now + Duration::from_secs(HOUR as u64)).as_secs_f64();
        assert!((times[0] - expected).abs() < 60.0, "{shown} {expected}");
        assert!(
            (times[1] - monotonic()).abs() < 60.0,
            "the monotonic clock is left alone: {shown}"
        );
    }
}
