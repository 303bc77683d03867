//! The disks of this process, each with its threads and its last report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use eggs_block_store::{Disk, DiskOptions, DiskUsage};
use eggs_proto::registry::{DiskPace, ServiceRegistration, ServiceReport};
use eggs_proto::{BlockServiceId, FailureDomainId, Time};

use crate::Args;
use crate::damage::Damage;
use crate::known_disks::KnownDisks;
use crate::pool::{Pool, Work};
use crate::timing::{Timed, Timing};

/// Jobs of one kind that may wait for one disk.
const QUEUE_MAX: usize = 256;
/// A disk that has not answered for this long is left out of reports, so that the registry misses it.
const REPORT_AGE_MAX: Duration = Duration::from_secs(10);

/// One disk being served.
pub struct ServedDisk {
    /// The disk.
    pub disk: Disk,
    pub(crate) pool: Pool,
    pub(crate) timing: Timing,
    pub(crate) damage: Damage,
    /// The service, as a label of metrics.
    pub(crate) name: &'static str,
    report: Mutex<Option<(Instant, DiskUsage)>>,
}

/// All disks of this process.
#[derive(Clone)]
pub struct ServedDisks {
    disks: Arc<BTreeMap<BlockServiceId, Arc<ServedDisk>>>,
    left_out: u64,
}

/// Milliseconds since the Unix epoch on this machine's clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |since| since.as_millis() as u64))
}

impl ServedDisks {
    /// Opens, and where necessary makes, the disks of the command line. One that was served before and cannot be opened is left
    /// out: it may be broken, or not mounted, and the others are well. Where there was one, no other is made.
    pub fn open(args: &Args) -> anyhow::Result<Self> {
        let mut known = KnownDisks::read(&args.dir)?;
        let (mut disks, mut left_out) = (Vec::new(), 0);
        for arg in &args.disks {
            let options = DiskOptions {
                class: arg.class,
                domain: FailureDomainId(args.domain),
                reserve_bytes: args.disk_reserve,
                capacity_bytes_max: args.disk_capacity,
                direct_bytes_min: args.direct_bytes_min,
            };
            let path = args.dir.join(&arg.path);
            let opened = match known.note_of(&path) {
                Some(_) => Disk::open(&path, &options),
                None => Disk::open_or_create(&path, &options),
            };
            match (opened, known.note_of(&path)) {
                (Ok(disk), _) => {
                    known.note(&path, disk.service());
                    disks.push(disk);
                }
                (Err(error), Some(note)) if error.is_of_the_disk() => {
                    left_out += 1;
                    tracing::error!(%error, note = %note.display(), "a disk is left out: mount or mend it \
                        and start eggsblocks again, or remove its note to have a new disk made in its place");
                }
                (Err(error), Some(_) | None) => return Err(error.into()),
            }
        }
        if disks.is_empty() {
            bail!("none of the disks can be opened: the log says why, and what to do");
        }
        let served = Self::new(disks)?;
        Ok(Self { left_out, ..served })
    }

    /// Serves these disks.
    pub fn new(disks: Vec<Disk>) -> anyhow::Result<Self> {
        let mut served = BTreeMap::new();
        for disk in disks {
            let usage = disk.usage().context("read how full a disk is")?;
            tracing::info!(service = %disk.service(), path = %disk.path().display(),
                class = %disk.class(), blocks = usage.blocks, used_bytes = usage.used_bytes,
                available_bytes = usage.available_bytes, "disk opened");
            let (service, path) = (disk.service(), disk.path().to_owned());
            let pool = Pool::new(thread_name(&path), QUEUE_MAX);
            let disk = ServedDisk {
                disk,
                pool,
                timing: Timing::new(),
                damage: Damage::default(),
                // Disks are served until the process ends, and there are few.
                name: service.to_string().leak(),
                report: Mutex::new(Some((Instant::now(), usage))),
            };
            if let Some(twin) = served.insert(service, Arc::new(disk)) {
                let twin = twin.disk.path().display();
                bail!(
                    "disks {twin} and {} have the same label: one is a copy of the other",
                    path.display()
                );
            }
        }
        Ok(Self {
            disks: Arc::new(served),
            left_out: 0,
        })
    }

    /// The disk of a service.
    pub(crate) fn get(&self, service: BlockServiceId) -> Option<&Arc<ServedDisk>> {
        self.disks.get(&service)
    }

    /// Disks of the command line that could not be opened.
    pub(crate) const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ServedDisk>> {
        self.disks.values()
    }

    /// What the registry is told when we start.
    pub fn registrations(&self) -> Vec<ServiceRegistration> {
        let disks = self.all().map(|served| served.disk.label());
        disks
            .map(|label| ServiceRegistration {
                service: label.service,
                key: label.key.clone(),
                domain: label.domain,
                class: label.class,
            })
            .collect()
    }

    /// What the registry is told again and again. Does not touch the disks.
    pub fn reports(&self) -> Vec<ServiceReport> {
        self.all().filter_map(|served| served.report()).collect()
    }

    /// How long the disks took lately. Does not touch them either.
    pub fn paces(&self) -> Vec<DiskPace> {
        self.all().map(|served| served.pace()).collect()
    }

    /// Has every disk look at itself, in its own threads.
    pub(crate) fn look(&self) {
        for served in self.all() {
            let disk = served.clone();
            // A disk with too much to do is looked at the next time.
            let _ = served.pool.submit(Work::Background, move || disk.look());
        }
    }

    /// Has every disk forget tombstones that are no longer needed.
    pub(crate) fn sweep(&self) {
        for served in self.all() {
            let disk = served.clone();
            let _ = served.pool.submit(Work::Background, move || {
                disk.disk.sweep(now());
            });
        }
    }
}

impl ServedDisk {
    fn look(&self) {
        // A failure was logged and counted; the last report gets old.
        if let Ok(usage) = self.disk.usage() {
            let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            *report = Some((Instant::now(), usage));
        }
    }

    /// How it was when last looked at.
    pub(crate) fn usage(&self) -> Option<DiskUsage> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report
            .filter(|(looked, _)| looked.elapsed() < REPORT_AGE_MAX)
            .map(|(_, usage)| usage)
    }

    /// How long it took lately.
    pub(crate) fn pace(&self) -> DiskPace {
        DiskPace {
            service: self.disk.service(),
            reads: self.timing.latency(Timed::Read),
            writes: self.timing.latency(Timed::Write),
        }
    }

    fn report(&self) -> Option<ServiceReport> {
        let usage = self.usage()?;
        Some(ServiceReport {
            service: self.disk.service(),
            capacity_bytes: usage.capacity_bytes,
            available_bytes: usage.available_bytes,
            used_bytes: usage.used_bytes,
            blocks: usage.blocks,
            io_errors: usage.io_errors,
            fenced: usage.fenced,
        })
    }
}

/// Linux shows 15 bytes of it.
fn thread_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("disk-{}", name.chars().take(10).collect::<String>())
}
