//! Extended attributes as Linux sees them.
//!
//! `user.*` and `trusted.*` are kept. `security.*` and `system.*` are answered here without asking anybody, because the
//! kernel asks for `security.capability` before writes and `ls` for `system.posix_acl_access`.
//!
//! Those of a file being written are held here until it is published, and are set before it becomes visible.

use std::collections::BTreeMap;

use eggs_proto::{XATTR_VALUE_BYTES_MAX, Xattr, XattrMode, XattrName, xattrs_fit};

use crate::errno::{Errno, Outcome};

/// Names and values.
pub type Xattrs = BTreeMap<XattrName, Vec<u8>>;

/// Who may see and set an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Kept, for everybody.
    User,
    /// Kept, for administrators; the kernel checks that, but not for lists.
    Trusted,
    /// There never is one.
    Security,
    /// Not supported.
    Other,
}

impl Space {
    /// That of a name.
    pub fn of(name: &[u8]) -> Self {
        let belongs = |prefix: &[u8]| name.starts_with(prefix) && name.len() > prefix.len();
        if belongs(b"user.") {
            Self::User
        } else if belongs(b"trusted.") {
            Self::Trusted
        } else if belongs(b"security.") {
            Self::Security
        } else {
            Self::Other
        }
    }

    /// A name of which the value is asked for.
    pub fn readable(name: &[u8]) -> Outcome<XattrName> {
        match Self::of(name) {
            Self::User | Self::Trusted => xattr_name(name),
            Self::Security => Err(Errno::NODATA),
            Self::Other => Err(Errno::OPNOTSUPP),
        }
    }

    /// A name to be set or removed.
    pub fn writable(name: &[u8]) -> Outcome<XattrName> {
        match Self::of(name) {
            Self::User | Self::Trusted => xattr_name(name),
            Self::Security | Self::Other => Err(Errno::OPNOTSUPP),
        }
    }
}

fn xattr_name(name: &[u8]) -> Outcome<XattrName> {
    XattrName::new(name).map_err(|_| Errno::RANGE)
}

/// What the flags of `setxattr` mean.
pub fn mode(flags: i32) -> Outcome<XattrMode> {
    match flags {
        0 => Ok(XattrMode::Set),
        libc::XATTR_CREATE => Ok(XattrMode::Create),
        libc::XATTR_REPLACE => Ok(XattrMode::Replace),
        _ => Err(Errno::INVAL),
    }
}

/// What `listxattr` returns: names that end with NUL.
pub fn list<'a>(names: impl Iterator<Item = &'a XattrName>, uid: u32) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        let shown = match Space::of(name.as_bytes()) {
            Space::User => true,
            Space::Trusted => uid == 0,
            Space::Security | Space::Other => false, // set by other means
        };
        if shown {
            list.extend_from_slice(name.as_bytes());
            list.push(0);
        }
    }
    list
}

/// Sets one of a file being written, by the rules of the servers.
pub fn set(all: &mut Xattrs, xattr: Xattr, mode: XattrMode) -> Outcome<()> {
    let Xattr { name, value } = xattr;
    if value.len() > XATTR_VALUE_BYTES_MAX {
        return Err(Errno::RANGE);
    }
    match (mode, all.contains_key(&name)) {
        (XattrMode::Create, true) => return Err(Errno::EXIST),
        (XattrMode::Replace, false) => return Err(Errno::NODATA),
        (XattrMode::Set | XattrMode::Create | XattrMode::Replace, _) => {}
    }
    let others = all.iter().filter(|(other, _)| **other != name);
    let others = others.map(|(name, value)| (name, value.as_slice()));
    if !xattrs_fit(others.chain([(&name, value.as_slice())])) {
        return Err(Errno::NOSPC);
    }
    all.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> XattrName {
        XattrName::new(text).unwrap()
    }

    fn xattr(text: &str, len: usize) -> Xattr {
        Xattr {
            name: name(text),
            value: vec![1; len],
        }
    }

    #[test]
    fn only_two_namespaces_are_kept() {
        assert_eq!(Space::readable(b"user.a"), Ok(name("user.a")));
        assert_eq!(Space::writable(b"trusted.a"), Ok(name("trusted.a")));
        assert_eq!(Space::readable(b"security.capability"), Err(Errno::NODATA));
        let set = Space::writable(b"security.capability");
        assert_eq!(set, Err(Errno::OPNOTSUPP));
        for other in [&b"system.posix_acl_access"[..], b"user.", b"a", b""] {
            assert_eq!(Space::readable(other), Err(Errno::OPNOTSUPP));
        }
        let long = [b"user.".as_slice(), &[b'x'; 255]].concat();
        assert_eq!(Space::readable(&long), Err(Errno::RANGE));
    }

    #[test]
    fn lists_end_names_with_nul_and_hide_what_is_trusted() {
        let names = ["trusted.t", "user.a", "user.b"].map(name);
        assert_eq!(list(names.iter(), 0), b"trusted.t\0user.a\0user.b\0");
        assert_eq!(list(names.iter(), 5), b"user.a\0user.b\0");
    }

    #[test]
    fn flags_and_limits_are_those_of_the_servers() {
        let mut all = Xattrs::new();
        let replace = mode(libc::XATTR_REPLACE).unwrap();
        assert_eq!(
            set(&mut all, xattr("user.a", 1), replace),
            Err(Errno::NODATA)
        );
        let create = mode(libc::XATTR_CREATE).unwrap();
        assert_eq!(set(&mut all, xattr("user.a", 1), create), Ok(()));
        assert_eq!(set(&mut all, xattr("user.a", 1), create), Err(Errno::EXIST));
        assert_eq!(set(&mut all, xattr("user.a", 2), replace), Ok(()));
        assert_eq!(mode(3), Err(Errno::INVAL));
        let large = XATTR_VALUE_BYTES_MAX;
        let any = mode(0).unwrap();
        let refused = set(&mut all, xattr("user.b", large + 1), any);
        assert_eq!(refused, Err(Errno::RANGE));
        for text in ["user.a", "user.b", "user.c"] {
            assert_eq!(set(&mut all, xattr(text, large), any), Ok(()));
        }
        let full = set(&mut all, xattr("user.d", large), any);
        assert_eq!(full, Err(Errno::NOSPC));
        assert_eq!(all.len(), 3);
    }
}
