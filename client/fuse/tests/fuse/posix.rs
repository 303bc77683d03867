//! System calls, on a real mount of a cluster in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use crate::common::{Mounted, Options};

macro_rules! mounted {
    () => {
        match Mounted::new(Options::default()) {
            Some(mounted) => mounted,
            None => return,
        }
    };
}

fn errno<T>(result: std::io::Result<T>) -> i32 {
    result
        .err()
        .and_then(|error| error.raw_os_error())
        .unwrap_or(0)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8)
        .collect()
}

#[test]
fn changing_published_bytes_is_refused() {
    let m = mounted!();
    fs::write(m.path("f"), "content").unwrap();
    assert_eq!(
        errno(OpenOptions::new().write(true).open(m.path("f"))),
        libc::EROFS
    );
    assert_eq!(
        errno(OpenOptions::new().append(true).open(m.path("f"))),
        libc::EROFS
    );
    assert_eq!(
        errno(OpenOptions::new().read(true).write(true).open(m.path("f"))),
        libc::EROFS
    );
    m.python(
        "for size, want in (7, None), (3, 30), (9, 30):
    try: os.truncate('f', size); got = None
    except OSError as e: got = e.errno
    assert got == want, (size, got)
os.truncate('f', 0)
assert os.stat('f').st_size == 0
open('f', 'a').write('an empty file may be written')",
    );
    assert_eq!(m.text("f").unwrap(), "an empty file may be written");
    m.settle();
}

#[test]
fn any_order_of_writes() {
    let m = mounted!();
    let large = pattern(3_500_000);
    for (name, len) in [("small", 100_000), ("large", large.len())] {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(m.path(name))
            .unwrap();
        let content = &large[..len];
        file.write_all(content).unwrap();
        file.write_all_at(b"HEAD", 0).unwrap();
        file.write_all_at(b"MIDDLE", len as u64 / 2).unwrap();
        let mut expected = content.to_vec();
        expected[..4].copy_from_slice(b"HEAD");
        expected[len / 2..len / 2 + 6].copy_from_slice(b"MIDDLE");
        let mut back = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut back).unwrap();
        assert!(back == expected, "read back before publication");
        file.set_len(len as u64 - 10).unwrap();
        file.set_len(len as u64 + 5).unwrap();
        expected.truncate(len - 10);
        expected.resize(len + 5, 0);
        drop(file);
        assert!(fs::read(m.path(name)).unwrap() == expected, "{name}");
        assert!(m.fake.content(name).unwrap() == expected, "{name}");
    }
    m.settle();
}

#[test]
fn reading_back_a_stream() {
    let m = mounted!();
    let content = pattern(2_500_000);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(m.path("f"))
        .unwrap();
    for part in content.chunks(300_000) {
        file.write_all(part).unwrap();
    }
    let mut back = vec![0; 1_000_000];
    file.read_exact_at(&mut back, 700_000).unwrap();
    assert!(back == content[700_000..1_700_000]);
    drop(file);
    assert!(fs::read(m.path("f")).unwrap() == content);
    m.settle();
}

#[test]
fn sparse_files_and_holes() {
    let m = mounted!();
    let file = File::create(m.path("f")).unwrap();
    file.write_all_at(b"start", 0).unwrap();
    file.write_all_at(b"end", 50_000_000).unwrap();
    drop(file);
    let content = m.fake.content("f").unwrap();
    assert_eq!(content.len(), 50_000_003);
    assert_eq!(
        (&content[..5], &content[50_000_000..]),
        (&b"start"[..], &b"end"[..])
    );
    assert!(m.fake.holes() > 48_000_000, "zeros are not written");
    let file = File::create(m.path("g")).unwrap();
    file.set_len(30_000_000).unwrap();
    file.write_all_at(b"x", 29_000_000).unwrap();
    file.write_all_at(b"y", 100).unwrap();
    drop(file);
    let content = m.fake.content("g").unwrap();
    assert_eq!(
        (content.len(), content[29_000_000], content[100]),
        (30_000_000, b'x', b'y')
    );
    m.run("bash", "fallocate -l 5000000 h && test $(stat -c %s h) = 5000000 && ! fallocate -p -o 0 -l 10 h 2>/dev/null");
    m.settle();
}

#[test]
fn appending_to_what_is_being_written() {
    let m = mounted!();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(m.path("f"))
        .unwrap();
    file.write_all(b"one ").unwrap();
    file.write_all(b"two").unwrap();
    file.sync_all().unwrap();
    assert_eq!(m.text("f"), None, "fsync does not publish");
    drop(file);
    assert_eq!(m.text("f").unwrap(), "one two");
    m.settle();
}

#[test]
fn attributes_of_a_file_being_written() {
    let m = mounted!();
    m.python(
        "fd = os.open('f', os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o640)
os.write(fd, b'12345')
s = os.fstat(fd)
assert (s.st_size, s.st_mode & 0o777) == (5, 0o640), s
assert os.stat('f').st_ino == s.st_ino
os.fchmod(fd, 0o604); os.chown('f', 12, 34); os.utime(fd, ns=(10**9, 2 * 10**9 + 5))
os.close(fd)
t = os.stat('f')
assert t.st_ino == s.st_ino
assert (t.st_size, t.st_mode & 0o7777, t.st_uid, t.st_gid) == (5, 0o604, 12, 34), t
assert (t.st_atime_ns, t.st_mtime_ns) == (10**9, 2 * 10**9 + 5), t
os.umask(0o027); os.close(os.open('g', os.O_CREAT | os.O_WRONLY, 0o777)); assert os.stat('g').st_mode & 0o777 == 0o750",
    );
    m.settle();
}

#[test]
fn a_thread_sees_its_own_changes_through_another_name() {
    let m = mounted!();
    m.python(
        "open('f', 'w').write('x'); fd = os.open('f', os.O_RDONLY)
for i in range(300):
    os.chmod('f', 0o400 + i % 2); assert os.fstat(fd).st_mode & 0o777 == 0o400 + i % 2
    os.utime('f', (i, i)); assert os.fstat(fd).st_mtime == i
    os.stat('f'); os.rename('f', 'g'); os.rename('g', 'f'); os.chown(fd, i, i); assert os.stat('f').st_uid == i",
    );
}

#[test]
fn the_time_of_the_last_write_is_kept() {
    let m = mounted!();
    m.python(
        "f = open('f', 'wb', buffering=0); f.write(b'x'); w = time.time(); time.sleep(0.3); f.close()
assert abs(os.stat('f').st_mtime - w) < 0.2, (os.stat('f').st_mtime, w)",
    );
}

#[test]
fn utimens_now_and_omit() {
    let m = mounted!();
    m.run("bash", "echo x > f; touch -d @1000000000 f; test $(stat -c %Y f) = 1000000000; touch -a f; test $(stat -c %Y f) = 1000000000; test $(stat -c %X f) -gt 1500000000; touch f; test $(stat -c %Y f) -gt 1500000000");
    m.run("bash", "mkdir d && touch -d @5 d && test $(stat -c %Y d) = 5 && ln -s x l && touch -h -d @7 l && test $(stat -c %Y l) = 7");
    m.run("bash", "touch -d @-5 f && test $(stat -c %Y f) = -5 && chmod 4711 f && test $(stat -c %a f) = 4711");
}

#[test]
fn exclusive_creation_and_pending_names() {
    let m = mounted!();
    let exclusive = |name: &str| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(m.path(name))
    };
    let mut file = exclusive("f").unwrap();
    file.write_all(b"mine").unwrap();
    assert_eq!(errno(exclusive("f")), libc::EEXIST);
    assert_eq!(errno(fs::create_dir(m.path("f"))), libc::EEXIST);
    assert_eq!(errno(symlink("x", m.path("f"))), libc::EEXIST);
    let listed: Vec<_> = fs::read_dir(m.path("")).unwrap().collect();
    assert!(listed.is_empty(), "not listed before it is published");
    // The same process may reopen it, another one may not read it.
    assert!(m.fail("bash", "cat f").contains("busy"));
    drop(file);
    assert_eq!(errno(exclusive("f")), libc::EEXIST);
    assert_eq!(fs::read_to_string(m.path("f")).unwrap(), "mine");
    m.settle();
}

#[test]
fn a_name_taken_by_another_client_meanwhile() {
    let m = mounted!();
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(m.path("g"))
        .unwrap();
    file.write_all_at(b"mine", 0).unwrap();
    m.fake.put("g", b"theirs");
    drop(file);
    m.settle();
    assert_eq!(m.text("g").unwrap(), "theirs");
}

#[test]
fn unlinking_and_renaming_what_is_being_written() {
    let m = mounted!();
    let write = |name: &str, text: &str| {
        let mut file = File::create(m.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let file = write("gone", "x");
    fs::remove_file(m.path("gone")).unwrap();
    assert_eq!(errno(fs::metadata(m.path("gone"))), libc::ENOENT);
    assert_eq!(file.metadata().unwrap().len(), 1);
    drop(file);
    m.settle();
    assert_eq!(m.text("gone"), None);

    fs::create_dir(m.path("dir")).unwrap();
    let file = write("old", "content");
    assert_eq!(
        errno(fs::rename(m.path("missing"), m.path("old"))),
        libc::ENOENT
    );
    fs::rename(m.path("old"), m.path("dir/new")).unwrap();
    assert_eq!(errno(fs::remove_dir(m.path("dir"))), libc::ENOTEMPTY);
    drop(file);
    assert_eq!(m.text("dir/new").unwrap(), "content");
    assert_eq!(m.text("old"), None);

    // A stream that moves to another directory.
    let large = "0123456789".repeat(300_000);
    let file = write("stream", &large);
    fs::rename(m.path("stream"), m.path("dir/stream")).unwrap();
    drop(file);
    assert!(m.text("dir/stream").unwrap() == large);

    // Over a name that is being written: that one is gone.
    let loser = write("target", "loser");
    fs::write(m.path("winner"), "winner").unwrap();
    fs::rename(m.path("winner"), m.path("target")).unwrap();
    drop(loser);
    m.settle();
    assert_eq!(m.text("target").unwrap(), "winner");
}

#[test]
fn renames_with_flags() {
    let m = mounted!();
    fs::write(m.path("a"), "a").unwrap();
    fs::write(m.path("b"), "b").unwrap();
    let rename = |from: &str, to: &str, flags| {
        let cwd = rustix::fs::CWD;
        let result = rustix::fs::renameat_with(cwd, m.path(from), cwd, m.path(to), flags);
        result.map_err(std::io::Error::from)
    };
    use rustix::fs::RenameFlags as Flags;
    assert_eq!(errno(rename("a", "b", Flags::NOREPLACE)), libc::EEXIST);
    rename("a", "b", Flags::EXCHANGE).unwrap();
    assert_eq!(
        (m.text("a").unwrap(), m.text("b").unwrap()),
        ("b".into(), "a".into())
    );
    rename("a", "c", Flags::NOREPLACE).unwrap();
    let pending = File::create(m.path("p")).unwrap();
    assert_eq!(errno(rename("b", "p", Flags::NOREPLACE)), libc::EEXIST);
    assert_eq!(errno(rename("p", "b", Flags::NOREPLACE)), libc::EEXIST);
    drop(pending);
    fs::create_dir(m.path("d")).unwrap();
    rename("d", "c", Flags::EXCHANGE).unwrap();
    assert!(m.path("c").is_dir());
    rename("b", "c/b", Flags::empty()).unwrap();
    assert_eq!(m.text("c/b").unwrap(), "a");
    // Across directories, a file and a directory.
    fs::create_dir(m.path("e")).unwrap();
    rename("c/b", "e", Flags::EXCHANGE).unwrap();
    assert!(m.path("c/b").is_dir() && m.text("e").unwrap() == "a");
    assert_eq!(errno(rename("c", "c/b", Flags::EXCHANGE)), libc::EINVAL);
    rename("e", "c/b", Flags::EXCHANGE).unwrap();
    assert!(m.path("e").is_dir() && m.text("c/b").unwrap() == "a");
    // After a rename the kernel's idea of the name is right: replacing goes to the new one.
    fs::write(m.path("c/b"), "replaced").unwrap();
    assert_eq!(m.text("c/b").unwrap(), "replaced");
    assert_eq!(m.text("b"), None);
    m.settle();
}

#[test]
fn two_writers_of_one_name() {
    let m = mounted!();
    let mut first = File::create(m.path("f")).unwrap();
    first.write_all(b"first").unwrap();
    m.run("bash", "echo second > f; cat f");
    assert_eq!(m.text("f").unwrap(), "second\n");
    first.write_all(b" one").unwrap();
    drop(first);
    assert_eq!(m.text("f").unwrap(), "first one", "the last to close wins");
    m.settle();
}

#[test]
fn reopening_through_dev_stdout() {
    let m = mounted!();
    assert_eq!(
        m.run(
            "bash",
            "(echo a; echo b > /dev/fd/1; echo c >> /dev/stdout) > f; cat f"
        )
        .lines()
        .count(),
        2
    );
    m.run(
        "bash",
        "(echo x | tee /dev/stderr) 2> g > /dev/null; test \"$(cat g)\" = x",
    );
    m.settle();
}

#[test]
fn what_cannot_be_made() {
    let m = mounted!();
    fs::write(m.path("f"), "x").unwrap();
    assert_eq!(errno(fs::hard_link(m.path("f"), m.path("g"))), libc::EPERM);
    assert!(m.fail("bash", "mkfifo p").contains("not permitted"));
    m.python("import stat; os.mknod('n', 0o600 | stat.S_IFREG); assert os.stat('n').st_size == 0");
    assert_eq!(
        errno(File::create(m.path(&"x".repeat(256)))),
        libc::ENAMETOOLONG
    );
    assert!(File::create(m.path(&"x".repeat(255))).is_ok());
    assert_eq!(errno(File::create(m.path("f/x"))), libc::ENOTDIR);
    assert_eq!(errno(fs::remove_dir(m.path("f"))), libc::ENOTDIR);
    m.python(
        "try: os.setxattr('f', 'system.x', b'1'); assert False
except OSError as e: assert e.errno == 95, e
assert os.listxattr('f') == []",
    );
    m.settle();
}

#[test]
fn permissions_are_checked() {
    let m = mounted!();
    fs::write(m.path("secret"), "x").unwrap();
    fs::set_permissions(m.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(m.path("closed")).unwrap();
    fs::set_permissions(m.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(m.outside(""), fs::Permissions::from_mode(0o755)).unwrap();
    m.python(
        "import sys
os.setgid(1234); os.setuid(1234)
def refused(f):
    try: f(); assert False
    except PermissionError: pass
refused(lambda: open('secret')); refused(lambda: open('secret', 'w')); refused(lambda: open('closed/x', 'w'))
open('mine', 'w').write('x'); assert os.stat('mine').st_uid == 1234
refused(lambda: os.chown('mine', 0, 0))",
    );
    m.settle();
}

#[test]
fn statfs_and_mmap() {
    let m = mounted!();
    assert_eq!(
        m.run("bash", "stat -f -c '%b %a %S' ."),
        format!("{} {} 4096\n", 1u64 << 28, 1u64 << 27)
    );
    assert_eq!(
        m.run("bash", "findmnt -n -o FSTYPE,SOURCE -T . | tr -s ' '"),
        "fuse.eggsfs eggsfs\n"
    );
    let content = pattern(5_000_000);
    fs::write(m.path("f"), &content).unwrap();
    m.python(
        "f = open('f', 'rb'); v = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
import hashlib; assert hashlib.md5(v).digest() == hashlib.md5(open('f', 'rb').read()).digest()
w = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE); w[0] = 1; assert open('f', 'rb').read(1)[0] == v[0]",
    );
    m.settle();
}

#[test]
fn pages_read_while_writing_do_not_outlive_the_publication() {
    let m = mounted!();
    m.python(
        "f = open('f', 'w+b', buffering=0); f.write(b'a' * 8192)
v = mmap.mmap(f.fileno(), 8192, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ); assert v[5000] == ord('a')
f.seek(4096); f.write(b'b' * 4096); v.close(); f.close()
assert open('f', 'rb').read() == b'a' * 4096 + b'b' * 4096",
    );
    m.settle();
}

#[test]
fn directories() {
    let m = mounted!();
    fs::create_dir_all(m.path("a/b/c")).unwrap();
    assert_eq!(errno(fs::remove_dir(m.path("a"))), libc::ENOTEMPTY);
    assert_eq!(errno(fs::create_dir(m.path("a"))), libc::EEXIST);
    fs::rename(m.path("a/b"), m.path("b")).unwrap();
    assert!(m.path("b/c").is_dir());
    assert_eq!(fs::metadata(m.path("")).unwrap().ino(), 1);
    symlink("b/c", m.path("l")).unwrap();
    assert_eq!(fs::read_link(m.path("l")).unwrap().to_str(), Some("b/c"));
    assert!(m.path("l").is_dir());
    m.run(
        "bash",
        "cd b/c && test \"$(cd .. && pwd)\" != \"$PWD\" && rmdir ../c && ! ls ../c 2>/dev/null",
    );
    m.python(
        "d = os.open('.', os.O_RDONLY); first = sorted(os.listdir(d)); os.mkdir('new')
os.lseek(d, 0, 0); assert sorted(os.listdir(d)) == sorted(first + ['new'])",
    );
}

#[test]
fn changes_of_another_client_are_seen_at_once() {
    let m = mounted!();
    assert_eq!(errno(fs::metadata(m.path("f"))), libc::ENOENT);
    m.fake.put("f", b"one");
    assert_eq!(fs::read_to_string(m.path("f")).unwrap(), "one");
    m.fake.put("f", b"other");
    assert_eq!(fs::read_to_string(m.path("f")).unwrap(), "other");
    m.fake.remove("f");
    assert_eq!(errno(fs::metadata(m.path("f"))), libc::ENOENT);
}
