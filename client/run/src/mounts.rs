//! Whether something is mounted, and getting rid of a mount whose daemon is gone.

use std::fs;
use std::path::Path;

use rustix::mount::{UnmountFlags, unmount};

/// Whether `path` is a mount point according to the kernel.
pub fn is_mounted(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    table
        .lines()
        .any(|line| line.split(' ').nth(1).map(unescape).as_deref() == path.to_str())
}

/// The table writes blanks and the like as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(code) => {
                out.push(code);
                out.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => out.extend_from_slice(part.as_bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Unmounts at once, also when the daemon is gone and somebody still has files open.
pub fn detach(path: &Path) {
    if is_mounted(path)
        && let Err(error) = unmount(path, UnmountFlags::DETACH)
    {
        let path = path.display();
        eprintln!("eggsrun: cannot unmount {path}: {error}: try 'fusermount3 -u -z {path}'");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_mounted_and_blanks_come_back() {
        assert!(is_mounted(Path::new("/")));
        assert!(!is_mounted(Path::new("/not a mount")));
        assert_eq!(unescape("/a\\040b\\011c"), "/a b\tc");
    }
}
