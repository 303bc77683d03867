//! Who closes a file, how it is dying, and who else has the file open: read from `/proc` while the closer waits
//! in our FLUSH, so that nothing of it changes under our eyes.
//!
//! The closer may be inside of `execve`, which closes descriptors while it holds a lock for which `/proc/PID/stat` and
//! the links in `/proc/PID/fd` wait: reading them would be a deadlock. So the links are never read, and `stat`
//! only of a process without memory, which is past any `execve`.
//!
//! A descriptor is recognised by the inode number in `fdinfo`, never by following `/proc/PID/fd/N`, which would
//! ask this very mount. The number of a file being written is unique in the cluster, so it needs no device number
//! and works across mount namespaces.
//!
//! The search covers the closer with its ancestors and descendants, the opener with its descendants, and every
//! process that wrote. A holder outside of it (a descriptor passed over a socket, a daemon that never wrote) is
//! found by nobody: then the file is published early, and once more when that holder has written and closed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::publication::Verdict;
use eggs_proto::InodeId;

/// Most processes that one search looks at.
const PROCESSES_MAX: usize = 512;
/// Most ancestors of a process.
const ANCESTORS_MAX: usize = 64;
/// `PF_EXITING` of the kernel's `task_struct.flags`.
const PF_EXITING: u64 = 0x4;

/// Whose descriptors are looked at.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    /// Who closes: a thread id.
    pub closer: u32,
    /// Who opened the file.
    pub opener: u32,
    /// Who wrote.
    pub writers: Vec<u32>,
}

/// What a FLUSH by `suspects.closer` means for the file `inode`.
pub fn verdict(suspects: &Suspects, inode: InodeId) -> Verdict {
    let proc = Proc::default();
    if proc.is_killed(suspects.closer) {
        return Verdict::Killed;
    }
    if proc.family(suspects).any(|pid| proc.holds(pid, inode)) {
        Verdict::HeldElsewhere
    } else {
        Verdict::LastClose
    }
}

/// Whether a process has the file open for writing.
pub fn holds(pid: u32, inode: InodeId) -> bool {
    Proc::default().holds(pid, inode)
}

struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/proc"),
        }
    }
}

/// See proc_pid_stat(5). Only read of processes that are exiting.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    flags: u64,
    exit_code: u64,
}

impl Stat {
    /// The command in parentheses may hold anything, so fields count from its end.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            flags: field(9)?,
            exit_code: field(52)?,
        })
    }

    fn killed_by_signal(&self) -> bool {
        self.flags & PF_EXITING != 0 && self.exit_code & 0x7f != 0
    }
}

/// See proc_pid_status(5).
#[derive(Debug, PartialEq, Eq)]
struct Status {
    parent: u32,
    /// A process that exits gives up its memory before its descriptors.
    memory: Memory,
}

#[derive(Debug, PartialEq, Eq)]
enum Memory {
    Present,
    Gone,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let memory = match value("VmSize:") {
            Some(_) => Memory::Present,
            None => Memory::Gone,
        };
        Some(Self {
            parent: value("PPid:")?.trim().parse().ok()?,
            memory,
        })
    }
}

impl Proc {
    fn of(&self, pid: u32) -> PathBuf {
        self.root.join(pid.to_string())
    }

    fn status(&self, pid: u32) -> Option<Status> {
        // The name of the process is in it and may not be UTF-8.
        let text = fs::read(self.of(pid).join("status")).ok()?;
        Status::parse(&String::from_utf8_lossy(&text))
    }

    fn is_killed(&self, pid: u32) -> bool {
        if self.status(pid).map(|status| status.memory) != Some(Memory::Gone) {
            return false;
        }
        let text = fs::read(self.of(pid).join("stat")).unwrap_or_default();
        Stat::parse(&String::from_utf8_lossy(&text)).is_some_and(|stat| stat.killed_by_signal())
    }

    /// Each process once, the likely holders first.
    fn family(&self, suspects: &Suspects) -> impl Iterator<Item = u32> + use<> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |pid: u32| {
            let new = pid > 1 && found.len() < PROCESSES_MAX && seen.insert(pid);
            if new {
                found.push(pid);
            }
            new
        };
        add(suspects.closer);
        for &writer in &suspects.writers {
            add(writer);
        }
        let mut ancestor = suspects.closer;
        for _ in 0..ANCESTORS_MAX {
            match self.status(ancestor) {
                Some(status) if status.parent > 1 => ancestor = status.parent,
                Some(_) | None => break,
            }
            add(ancestor);
        }
        add(suspects.opener);
        let mut below = self.children(suspects.closer);
        below.extend(self.children(suspects.opener));
        let mut visited = HashSet::new();
        while let Some(pid) = below.pop() {
            if visited.len() < PROCESSES_MAX && visited.insert(pid) {
                add(pid);
                below.extend(self.children(pid));
            }
        }
        found.into_iter()
    }

    fn children(&self, pid: u32) -> Vec<u32> {
        let Ok(threads) = fs::read_dir(self.of(pid).join("task")) else {
            return Vec::new();
        };
        let of_thread = |path: &Path| fs::read_to_string(path.join("children")).unwrap_or_default();
        let lists = threads.flatten().map(|thread| of_thread(&thread.path()));
        lists
            .flat_map(|list| {
                let pids = list.split_ascii_whitespace();
                pids.filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<u32>>()
            })
            .collect()
    }

    /// A process that is exiting has an empty table already; one that cannot be read holds nothing of ours.
    fn holds(&self, pid: u32, inode: InodeId) -> bool {
        let directory = self.of(pid);
        let Ok(descriptors) = fs::read_dir(directory.join("fd")) else {
            return false;
        };
        let wanted = inode.get().to_string();
        descriptors.flatten().any(|entry| {
            fs::read_to_string(directory.join("fdinfo").join(entry.file_name()))
                .is_ok_and(|info| is_writable(&info, &wanted))
        })
    }
}

fn is_writable(info: &str, wanted: &str) -> bool {
    let value = |key: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
    };
    let flags = value("flags").and_then(|octal| i32::from_str_radix(octal, 8).ok());
    value("ino") == Some(wanted) && flags.is_some_and(|f| f & libc::O_ACCMODE != libc::O_RDONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat_line(command: &str, flags: u64, exit_code: u64) -> String {
        let middle = ["0"; 42].join(" ");
        format!("17 ({command}) S 16 17 17 0 -1 {flags} {middle} {exit_code}")
    }

    #[test]
    fn the_command_may_hold_anything() {
        let stat = Stat::parse(&stat_line("a) R 1 (b", 0x40_0004, 9)).unwrap();
        let expected = Stat {
            flags: 0x40_0004,
            exit_code: 9,
        };
        assert_eq!(stat, expected);
        assert!(stat.killed_by_signal());
    }

    #[test]
    fn only_an_exiting_process_is_killed_and_only_by_a_signal() {
        let killed = |flags, code| {
            Stat::parse(&stat_line("x", flags, code))
                .unwrap()
                .killed_by_signal()
        };
        assert!(killed(4, 15));
        assert!(killed(4, 0x80 | 11)); // with a core dump
        assert!(!killed(4, 3 << 8)); // exit(3)
        assert!(!killed(0, 15));
    }

    #[test]
    fn our_own_line_parses() {
        let proc = Proc::default();
        let expected = Status {
            parent: std::os::unix::process::parent_id(),
            memory: Memory::Present,
        };
        assert_eq!(proc.status(std::process::id()), Some(expected));
        assert!(!proc.is_killed(std::process::id()));
    }

    #[test]
    fn a_descriptor_counts_when_it_is_of_the_inode_and_writable() {
        let info = |flags: &str| format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t29\nino:\t4711\n");
        assert!(is_writable(&info("0100001"), "4711"));
        assert!(is_writable(&info("0100002"), "4711"));
        assert!(!is_writable(&info("0100000"), "4711"));
        assert!(!is_writable(&info("0100001"), "47"));
    }

    #[test]
    fn our_own_descriptors_are_found() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let number = file.as_file().metadata().unwrap().ino();
        let inode = |n| InodeId::try_from(n);
        // Inode numbers of ordinary file systems are not ours, so compare at the level below.
        assert!(inode(number).is_err());
        let info = format!(
            "/proc/self/fdinfo/{}",
            std::os::fd::AsRawFd::as_raw_fd(file.as_file())
        );
        assert!(is_writable(
            &fs::read_to_string(info).unwrap(),
            &number.to_string()
        ));
    }
}
