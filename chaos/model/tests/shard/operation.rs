//! What the random numbers stand for: operations in a small world, so that they often meet.

use eggs_model::Mode;
use eggs_proto::shard::Replace;
use eggs_proto::{
    InlinePolicy, Name, Policy, PolicyKind, SnapshotPolicy, StripePolicy, XattrMode, XattrName,
};

/// Directories and transient files are chosen by index among those there are.
#[derive(Clone, Debug)]
pub enum Operation {
    Start {
        dir: usize,
    },
    StartWithExtent {
        dir: usize,
        kind: u8,
    },
    ProveAndLink {
        file: usize,
        dir: usize,
        name: Name,
        replace: Replace,
    },
    Append {
        file: usize,
        kind: u8,
    },
    Prove {
        file: usize,
    },
    Scrap {
        file: usize,
    },
    Link {
        file: usize,
        dir: usize,
        name: Name,
        replace: Replace,
    },
    Create {
        dir: usize,
        name: Name,
        replace: Replace,
        bytes: usize,
    },
    Symlink {
        dir: usize,
        name: Name,
    },
    Unlink {
        dir: usize,
        name: Name,
    },
    Rename {
        dir: usize,
        source: Name,
        target: Name,
        replace: Replace,
    },
    MoveFile {
        dirs: (usize, usize),
        source: Name,
        target: Name,
    },
    MakeDirectory {
        dir: usize,
        name: Name,
    },
    RemoveDirectory {
        dir: usize,
        name: Name,
    },
    Collect {
        dir: usize,
        index: usize,
    },
    Undelete {
        dir: usize,
        index: usize,
        name: Name,
        replace: Replace,
    },
    SetXattr {
        inode: usize,
        name: XattrName,
        bytes: usize,
        mode: XattrMode,
    },
    RemoveXattr {
        inode: usize,
        name: XattrName,
    },
    SetMode {
        inode: usize,
        mode: Mode,
    },
    SetPolicy {
        dir: usize,
        policy: Policy,
    },
    ClearPolicy {
        dir: usize,
        kind: PolicyKind,
    },
    /// Totals of trees go up one level, and what they came to may be forgotten.
    Report {
        forgotten: bool,
    },
    /// Some blocks of a file are made again.
    Heal {
        file: usize,
        which: u8,
    },
}

pub const KINDS: usize = 23;
/// Removing a directory rarely succeeds, so it is drawn more often.
const DRAWS: usize = KINDS + 2;

fn name(number: u8) -> Name {
    Name::new(vec![b'a' + number % 4]).unwrap()
}

fn xattr(number: u8) -> XattrName {
    XattrName::new(vec![b'a' + number % 2]).unwrap()
}

/// One in four is not valid.
fn policy(number: u8) -> Policy {
    match number % 3 {
        0 => Policy::Snapshot(SnapshotPolicy {
            keep_ms: Some(u64::from(number)),
            keep_versions: None,
        }),
        1 => Policy::Stripe(StripePolicy {
            stripe_bytes: 4096 * u32::from(number % 4),
        }),
        _ => Policy::Inline(InlinePolicy {
            inline_bytes_max: 6000 * u32::from(number % 4),
        }),
    }
}

fn replace(number: u8) -> Replace {
    match number % 4 {
        0 => Replace::Never,
        1 | 2 => Replace::Files,
        _ => Replace::Exchange,
    }
}

impl Operation {
    pub fn from_numbers((kind, a, b, c): (u8, u8, u8, u8)) -> Self {
        let (dir, file) = (usize::from(a), usize::from(a));
        let (source, target) = (name(b), name(c));
        match usize::from(kind) % DRAWS {
            0 => Self::Start { dir },
            1 => Self::Append { file, kind: b },
            2 => Self::Prove { file },
            3 if b % 2 == 0 => Self::Scrap { file },
            3 | 4 => Self::Link {
                file,
                dir: usize::from(b),
                name: target,
                replace: replace(a),
            },
            5 => Self::Create {
                dir,
                name: source,
                replace: replace(c),
                bytes: usize::from(c) * usize::from(b) % 9000,
            },
            6 => Self::Symlink { dir, name: source },
            7 => Self::Unlink { dir, name: source },
            8 => Self::Rename {
                dir,
                source,
                target,
                replace: replace(a / 4),
            },
            9 => Self::MoveFile {
                dirs: (dir, usize::from(b / 4)),
                source,
                target,
            },
            10 => Self::MakeDirectory { dir, name: source },
            11 | 23 | 24 => Self::RemoveDirectory { dir, name: source },
            15 => Self::SetXattr {
                inode: dir,
                name: xattr(b),
                bytes: usize::from(c) * 10,
                mode: match b / 4 % 4 {
                    0 => XattrMode::Create,
                    1 => XattrMode::Replace,
                    _ => XattrMode::Set,
                },
            },
            16 => Self::RemoveXattr {
                inode: dir,
                name: xattr(b),
            },
            17 => Self::SetMode {
                inode: dir,
                mode: Mode {
                    mode: u32::from(b) * 17,
                    uid: u32::from(b),
                    gid: u32::from(c),
                },
            },
            18 => Self::SetPolicy {
                dir,
                policy: policy(b),
            },
            19 => Self::ClearPolicy {
                dir,
                kind: policy(b).kind(),
            },
            20 => Self::Report {
                forgotten: b % 3 == 0,
            },
            21 => Self::Heal {
                file: dir,
                which: b,
            },
            14 => Self::Undelete {
                dir,
                index: usize::from(b),
                name: target,
                replace: replace(a / 4),
            },
            12 => Self::StartWithExtent { dir, kind: b },
            13 => Self::ProveAndLink {
                file,
                dir: usize::from(b),
                name: target,
                replace: replace(a),
            },
            _ => Self::Collect {
                dir,
                index: usize::from(b),
            },
        }
    }

    /// For counting.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::StartWithExtent { .. } => "start with extent",
            Self::ProveAndLink { .. } => "prove and link",
            Self::Append { .. } => "append",
            Self::Prove { .. } => "prove",
            Self::Scrap { .. } => "scrap",
            Self::Link { .. } => "link",
            Self::Create { .. } => "create",
            Self::Symlink { .. } => "symlink",
            Self::Unlink { .. } => "unlink",
            Self::Rename { .. } => "rename",
            Self::MoveFile { .. } => "move",
            Self::MakeDirectory { .. } => "mkdir",
            Self::RemoveDirectory { .. } => "rmdir",
            Self::Collect { .. } => "collect",
            Self::Undelete { .. } => "undelete",
            Self::SetXattr { .. } => "set xattr",
            Self::RemoveXattr { .. } => "remove xattr",
            Self::SetMode { .. } => "chmod",
            Self::SetPolicy { .. } => "set policy",
            Self::ClearPolicy { .. } => "clear policy",
            Self::Report { .. } => "report",
            Self::Heal { .. } => "heal",
        }
    }
}
