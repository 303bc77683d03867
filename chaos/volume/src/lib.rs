//! Disks that lose their power or go bad, for tests: ext4 in a file.
//!
//! A file system that is shut down without flushing its journal loses whatever was not synced, as with a power cut. One whose
//! file gets shorter cannot read what was there any more: the kernel's own EIO, as from a disk with bad sectors.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Advice, fadvise};

/// Bytes that are compared at a time when content is looked for; content begins at multiples of it.
const STEP_BYTES: usize = 4096;

/// An ext4 file system in a file. Unmounted when dropped.
#[derive(Debug)]
pub struct Volume {
    image: PathBuf,
    mounted: PathBuf,
}

fn run(program: &str, args: &[&dyn AsRef<OsStr>]) -> bool {
    let output = Command::new(program)
        .args(args.iter().map(|arg| arg.as_ref()))
        .output();
    output.is_ok_and(|out| out.status.success())
}

impl Volume {
    /// Makes and mounts one of so many bytes; the directory may exist. `None`, and a word on standard error, where this process may not mount: that needs root,
    /// loop devices and `mkfs.ext4`.
    pub fn new(image: PathBuf, mounted: PathBuf, bytes: u64) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(&mounted)?;
        File::create(&image)?.set_len(bytes)?;
        let volume = Self { image, mounted };
        let made = run("mkfs.ext4", &[&"-q", &"-F", &"-b", &"4096", &volume.image]);
        if made && volume.mount() {
            return Ok(Some(volume));
        }
        eprintln!("skipped: loop mounts need root and mkfs.ext4");
        Ok(None)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// Mounts it again; says whether that worked.
    pub fn mount(&self) -> bool {
        run("mount", &[&"-o", &"loop", &self.image, &self.mounted])
    }

    /// Unmounts it, unless it is in use.
    pub fn unmount(&self) -> bool {
        run("umount", &[&self.mounted])
    }

    /// Shuts it down at once: nothing that is not on its device gets there any more, and every access fails until it is
    /// mounted again.
    #[allow(unsafe_code)]
    pub fn cut_power(&self) -> io::Result<()> {
        use rustix::ioctl::{Setter, ioctl, opcode};
        const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
        const WITHOUT_FLUSHING_THE_LOG: u32 = 2;
        let root = File::open(&self.mounted)?;
        // SAFETY: FS_IOC_SHUTDOWN reads one u32 from its argument, whatever its direction bits say.
        let cut = unsafe {
            ioctl(
                &root,
                Setter::<SHUTDOWN, u32>::new(WITHOUT_FLUSHING_THE_LOG),
            )
        };
        Ok(cut?)
    }

    /// Where on the device these bytes begin: the first place that is a multiple of 4 KiB. What was written has to be synced.
    pub fn find(&self, bytes: &[u8]) -> io::Result<Option<u64>> {
        let image = File::open(&self.image)?;
        let len = image.metadata()?.len();
        let head = &bytes[..bytes.len().min(STEP_BYTES)];
        let mut found = vec![0; head.len()];
        for at in (0..len).step_by(STEP_BYTES) {
            if len - at < head.len() as u64 {
                break;
            }
            image.read_exact_at(&mut found, at)?;
            if found == head {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// From this byte of the device on nothing can be read any more. What is in the page cache still can: see [`forget`].
    pub fn fail_from(&self, offset: u64) -> io::Result<()> {
        File::options()
            .write(true)
            .open(&self.image)?
            .set_len(offset)
    }
}

/// Drops what the page cache holds of a file that was synced, so that reading it means reading the disk.
pub fn forget(file: &Path) -> io::Result<()> {
    let file = File::open(file)?;
    file.sync_all()?;
    Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
}

impl Drop for Volume {
    fn drop(&mut self) {
        if !self.unmount() {
            run("umount", &[&"-l", &self.mounted]);
        }
    }
}
