//! Every limit in one place. A peer that exceeds one is refused; nothing is sized by a peer's word.

/// Longest name of a dentry, in bytes, as in Linux.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest symlink target, in bytes (`PATH_MAX` without its NUL).
pub const SYMLINK_BYTES_MAX: usize = 4095;
/// Unit of page checksums and of alignment of cells, in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Largest block, in bytes.
pub const BLOCK_BYTES_MAX: u64 = 100 << 20;
/// Free space that a block service must have besides a block that is placed on it, in bytes: others are choosing it at the same
/// time.
pub const PLACEMENT_SLACK_BYTES: u64 = 64 << 20;
/// Largest extent, in bytes: as many data blocks as a scheme may have.
pub const EXTENT_BYTES_MAX: u64 = 1 << 30;
/// Largest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 60;
/// Largest inline extent that a policy may allow, in bytes.
pub const INLINE_BYTES_MAX: usize = 16 << 10;
/// Most data blocks of a scheme.
pub const DATA_BLOCKS_MAX: usize = 16;
/// Most parity blocks of a scheme.
pub const PARITY_BLOCKS_MAX: usize = 16;
/// Most stripes of an extent.
pub const STRIPES_MAX: u32 = 4096;
/// Largest message body of a frame, in bytes.
pub const BODY_BYTES_MAX: u32 = 16 << 20;
/// Largest payload of a frame, in bytes: one block with its page checksums elsewhere.
pub const PAYLOAD_BYTES_MAX: u32 = 100 << 20;
/// Most entries in one answer of a listing.
pub const LIST_ENTRIES_MAX: u32 = 4096;
/// Longest time a request may ask for, in milliseconds.
pub const DEADLINE_MS_MAX: u32 = 120_000;
/// A transient file that nobody changes is destroyed after this time, in milliseconds.
pub const TRANSIENT_MS: u64 = 10 * 60 * 1000;
/// How long a write certificate is good for, in milliseconds.
pub const CERTIFICATE_MS: u64 = 5 * 60 * 1000;
/// How far a block service's clock may differ from a shard's, in milliseconds.
pub const CLOCK_SKEW_MS_MAX: u64 = 60 * 1000;
/// How long a group remembers a reply, in milliseconds of log time.
pub const REPLY_MS: u64 = 10 * 60 * 1000;
/// Most commands in one log entry.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Most bytes of commands in one log entry.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Most blocks of an extent that are healed at once: all of them are copies in the layout of their transient file.
pub const HEAL_BLOCKS_MAX: usize = 1 + PARITY_BLOCKS_MAX;
/// Most services named in an exclusion list.
pub const EXCLUDE_MAX: usize = 256;
/// Most extents certified in one request.
pub const CERTIFY_EXTENTS_MAX: usize = 16;
/// Most files reserved in one request.
pub const RESERVE_FILES_MAX: u8 = 64;
/// Most names walked in one request.
pub const WALK_NAMES_MAX: usize = 256;
/// Longest name of an extended attribute, in bytes, as in Linux.
pub const XATTR_NAME_BYTES_MAX: usize = 255;
/// Largest value of an extended attribute, in bytes, as in Linux.
pub const XATTR_VALUE_BYTES_MAX: usize = 64 << 10;
/// Most extended attributes of an inode: a list of their names fits what Linux can show, 64 KiB.
pub const XATTRS_MAX: usize = 128;
/// Most bytes of names and values of an inode's extended attributes.
pub const XATTRS_BYTES_MAX: usize = 256 << 10;
/// Most records that one audit request looks at.
pub const AUDIT_RECORDS_MAX: u32 = 1 << 16;
/// Longest cursor of an audit, in bytes.
pub const AUDIT_CURSOR_BYTES_MAX: usize = 128 << 10;
/// Deepest directory a loop check follows before it refuses.
pub const DEPTH_MAX: usize = 4096;

const _: () = assert!(NAME_BYTES_MAX <= u8::MAX as usize);
const _: () = assert!(BLOCK_BYTES_MAX <= PAYLOAD_BYTES_MAX as u64);
const _: () = assert!(CERTIFICATE_MS + CLOCK_SKEW_MS_MAX < TRANSIENT_MS);
const _: () = assert!(XATTRS_MAX * (XATTR_NAME_BYTES_MAX + 1) <= 64 << 10);
const _: () = assert!(XATTRS_BYTES_MAX < BODY_BYTES_MAX as usize);
const _: () = assert!(INLINE_BYTES_MAX < BODY_BYTES_MAX as usize);
