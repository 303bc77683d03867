//! Extended attributes, on a real mount of a cluster in memory.

use crate::common::{Mounted, Options};

macro_rules! mounted {
    () => {
        match Mounted::new(Options::default()) {
            Some(mounted) => mounted,
            None => return,
        }
    };
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): &(&str, &str)| (name.to_string(), value.as_bytes().to_vec());
    all.iter().map(pair).collect()
}

#[test]
fn attributes_of_files_and_directories_are_set_listed_and_removed() {
    let m = mounted!();
    m.python(
        "
open('f', 'w').write('x')
os.mkdir('d')
for path in ('f', 'd'):
    os.setxattr(path, 'user.b', b'2')
    os.setxattr(path, 'user.a', b'', os.XATTR_CREATE)
    os.setxattr(path, 'trusted.t', b'3')
    assert sorted(os.listxattr(path)) == ['trusted.t', 'user.a', 'user.b']
    assert os.getxattr(path, 'user.b') == b'2' and os.getxattr(path, 'user.a') == b''
    os.removexattr(path, 'user.a')
    try: os.getxattr(path, 'user.a'); assert False
    except OSError as e: assert e.errno == 61, e
    try: os.setxattr(path, 'user.b', b'', os.XATTR_CREATE); assert False
    except OSError as e: assert e.errno == 17, e
    try: os.setxattr(path, 'user.z', b'', os.XATTR_REPLACE); assert False
    except OSError as e: assert e.errno == 61, e
    large = bytes(65536)
    os.setxattr(path, 'user.large', large)
    assert os.getxattr(path, 'user.large') == large
    os.removexattr(path, 'user.large')
",
    );
    for path in ["f", "d"] {
        let expected = pairs(&[("trusted.t", "3"), ("user.b", "2")]);
        assert_eq!(m.fake.xattrs(path), expected);
    }
}

#[test]
fn other_namespaces_are_answered_without_a_request() {
    let m = mounted!();
    m.python(
        "
open('f', 'w').write('x')
for name, errno in (('security.capability', 61), ('system.posix_acl_access', 95)):
    try: os.getxattr('f', name); assert False
    except OSError as e: assert e.errno == errno, (name, e)
for name in ('security.foo', 'system.posix_acl_access'):
    try: os.setxattr('f', name, b'x'); assert False
    except OSError as e: assert e.errno in (95, 22), (name, e)
f = open('g', 'wb', buffering=0)
for _ in range(100): f.write(b'x' * 4096)
f.close()
",
    );
    assert_eq!(m.fake.xattr_requests(), 0);
}

#[test]
fn a_file_has_its_attributes_from_the_moment_it_is_visible() {
    let m = mounted!();
    m.python(
        "
f = open('f', 'w')
os.setxattr(f.fileno(), 'user.a', b'1')
os.setxattr('f', 'user.b', b'2')
os.setxattr('f', 'user.c', b'3')
os.removexattr('f', 'user.c')
assert sorted(os.listxattr('f')) == ['user.a', 'user.b']
assert os.getxattr(f.fileno(), 'user.b') == b'2'
try: os.setxattr('f', 'user.a', b'', os.XATTR_CREATE); assert False
except OSError as e: assert e.errno == 17, e
f.write('content')
f.close()
assert os.getxattr('f', 'user.a') == b'1'
",
    );
    let both = pairs(&[("user.a", "1"), ("user.b", "2")]);
    assert_eq!(m.fake.xattrs("f"), both);
    // Whatever takes the place of the content keeps them, as on other file systems.
    m.run("bash", "echo new > f");
    assert_eq!(m.text("f").unwrap(), "new\n");
    assert_eq!(m.fake.xattrs("f"), both);
    m.python("os.truncate('f', 0)");
    assert_eq!(m.fake.xattrs("f"), both);
    // Another file under the same name does not.
    m.run("bash", "echo other > g && mv g f");
    assert_eq!(m.fake.xattrs("f"), []);
    m.settle();
}

#[test]
fn cp_a_and_rsync_keep_them() {
    let m = mounted!();
    m.run(
        "bash",
        "mkdir -p tree/sub && echo hello > tree/f && head -c 2000000 /dev/urandom > tree/sub/big && \
         setfattr -n user.a -v one tree/f && setfattr -n user.b -v two tree/sub && \
         setfattr -n user.c -v three tree/sub/big && setfattr -n trusted.t -v four tree/f",
    );
    m.run("bash", "cp -a tree copied && rsync -aX tree/ synced/");
    for copy in ["copied", "synced"] {
        let of = |path: &str| m.fake.xattrs(&format!("{copy}/{path}"));
        assert_eq!(of("f"), pairs(&[("trusted.t", "four"), ("user.a", "one")]));
        assert_eq!(of("sub"), pairs(&[("user.b", "two")]));
        assert_eq!(of("sub/big"), pairs(&[("user.c", "three")]));
        m.run("bash", &format!("diff -r tree {copy}"));
    }
    m.settle();
}
