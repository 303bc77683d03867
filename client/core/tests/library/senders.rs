//! Every request of a shard has a method here that sends it, or it is said who sends it instead: whoever adds one is
//! asked.

use std::collections::BTreeSet;
use std::path::Path;

use eggs_proto::shard::{ShardChange, ShardQuery};

/// Who sends a request.
#[derive(Clone, Copy)]
enum Sender {
    /// A file of this library.
    Library(&'static str),
    /// Another program, for this reason.
    Other(&'static str),
}

use Sender::{Library, Other};

const COORDINATOR: Sender = Other("a step of a transaction: eggs-cdc");
const COLLECTOR: Sender = Other("eggs-gc, through the library's `shard_change` and `shard_query`");
const SHARD: Sender = Other("one shard to another: eggs-meta-server");

const CHANGES: &[(&str, Sender)] = &[
    ("CreateTransient", Library("write/transient.rs")),
    ("AddInline", Library("write/worker.rs")),
    ("AddHole", Library("write/worker.rs")),
    ("AddExtent", Library("write/worker.rs")),
    ("ReplaceBlocks", Library("write/store_blocks.rs")),
    ("CertifyExtent", Library("write/worker.rs")),
    (
        "Link",
        Other("nobody but tests: the library always sends CertifyAndLink, which does more"),
    ),
    ("CreateFile", Library("write/link.rs")),
    ("Symlink", Library("namespace/symlink.rs")),
    ("KeepAlive", Library("write/transient.rs")),
    ("Scrap", Library("write/transient.rs")),
    ("Unlink", Library("namespace/unlink.rs")),
    ("Rename", Library("namespace/rename.rs")),
    ("SetAttributes", Library("namespace/attributes.rs")),
    ("SetPolicy", Library("namespace/policy.rs")),
    ("ClearPolicy", Library("namespace/policy.rs")),
    ("DestroyTransient", COLLECTOR),
    ("CollectSnapshot", COLLECTOR),
    ("BeginCollect", COLLECTOR),
    ("ScrapForeign", COLLECTOR),
    ("RemoveDirectory", COLLECTOR),
    ("GarbageErased", COLLECTOR),
    ("CreateDirectory", COORDINATOR),
    ("AbandonDirectory", COORDINATOR),
    ("LinkDirectory", COORDINATOR),
    ("LockDentry", COORDINATOR),
    ("ReleaseDentry", Library("fsck/repair.rs")),
    ("DetachDirectory", COORDINATOR),
    ("SettleDirectory", Library("fsck/repair.rs")),
    ("CreateWithExtent", Library("write/transient.rs")),
    ("CertifyAndLink", Library("write/link.rs")),
    ("Undelete", Library("namespace/undelete.rs")),
    ("ReviveDirectory", COORDINATOR),
    ("LockVersion", COORDINATOR),
    ("RestoreDentry", COORDINATOR),
    ("Reserve", Library("write/reserves.rs")),
    ("CreateReserved", Library("write/link.rs")),
    ("SetXattr", Library("namespace/xattr.rs")),
    ("RemoveXattr", Library("namespace/xattr.rs")),
    ("Repair", Library("fsck/repair.rs")),
    ("ReportTrees", SHARD),
    ("SettleTrees", SHARD),
    ("AdvanceTime", COLLECTOR),
    ("BeginHeal", Library("heal.rs")),
    ("FinishHeal", Library("heal.rs")),
];

const QUERIES: &[(&str, Sender)] = &[
    ("Lookup", Library("namespace/lookup.rs")),
    ("Stat", Library("namespace/lookup.rs")),
    ("List", Library("namespace/listing.rs")),
    ("ReadLink", Library("namespace/symlink.rs")),
    ("Extents", Library("namespace/extents.rs")),
    ("Directory", Library("namespace/directory.rs")),
    ("Snapshots", Library("namespace/snapshots.rs")),
    ("VisitTransients", COLLECTOR),
    ("VisitDirectories", COLLECTOR),
    ("VisitFiles", COLLECTOR),
    ("VisitGarbage", COLLECTOR),
    ("FilesOnService", COLLECTOR),
    ("Usage", Library("namespace/statistics.rs")),
    ("Walk", Library("namespace/lookup.rs")),
    ("GetXattr", Library("namespace/xattr.rs")),
    ("ListXattrs", Library("namespace/xattr.rs")),
    ("Audit", Library("fsck/look.rs")),
    ("Tree", Library("namespace/tree.rs")),
    ("AuditTrees", Library("fsck/look.rs")),
];

fn check(prefix: &str, kinds: &[&str], senders: &[(&str, Sender)]) {
    // As it is now: a program that was built in another checkout may be the one that runs.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    let sources = Path::new(&package).join("src");
    for kind in kinds {
        let sender = senders.iter().find(|(of, _)| of == kind);
        let (_, sender) = sender.unwrap_or_else(|| panic!("who sends {prefix}::{kind}?"));
        match sender {
            Library(file) => {
                let source = std::fs::read_to_string(sources.join(file)).unwrap();
                let sent = format!("{prefix}::{kind}");
                let mut found = source.match_indices(&sent);
                let is_whole = |(at, _): (usize, &str)| {
                    let after = source[at + sent.len()..].chars().next();
                    !after.is_some_and(char::is_alphanumeric)
                };
                assert!(found.any(is_whole), "{file} does not send {sent}");
            }
            Other(who) => assert!(!who.is_empty()),
        }
    }
    let known: BTreeSet<&str> = kinds.iter().copied().collect();
    let listed: BTreeSet<&str> = senders.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(listed, known);
}

#[test]
fn every_request_of_a_shard_is_sent_by_somebody() {
    check("ShardChange", ShardChange::KINDS, CHANGES);
    check("ShardQuery", ShardQuery::KINDS, QUERIES);
}
