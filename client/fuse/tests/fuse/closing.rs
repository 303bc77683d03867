//! When a file appears: real processes on a real mount of a cluster in memory.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eggs_fuse::Errno;

use crate::common::{Fault, Mounted, Options};

macro_rules! mounted {
    () => {
        match Mounted::new(Options::default()) {
            Some(mounted) => mounted,
            None => return,
        }
    };
}

const SHELLS: [&str; 2] = ["bash", "dash"];

#[test]
fn redirection_of_a_builtin_and_of_a_program() {
    let m = mounted!();
    for shell in SHELLS {
        assert_eq!(
            m.run(shell, &format!("echo blah > a-{shell} && cat a-{shell}")),
            "blah\n"
        );
        m.run(shell, &format!("seq 3 > b-{shell}"));
        assert_eq!(m.text(&format!("b-{shell}")).unwrap(), "1\n2\n3\n");
        m.run(
            shell,
            &format!("true && echo more >> c-{shell}; test -s c-{shell}"),
        );
        assert_eq!(m.text(&format!("c-{shell}")).unwrap(), "more\n");
    }
    m.settle();
    assert_eq!(m.fake.links(), 6, "each file is published once");
}

#[test]
fn empty_files() {
    let m = mounted!();
    for shell in SHELLS {
        m.run(
            shell,
            &format!(": > a-{shell}; test -f a-{shell}; touch b-{shell} && test -f b-{shell}"),
        );
        assert_eq!(m.text(&format!("a-{shell}")).unwrap(), "");
        assert_eq!(m.text(&format!("b-{shell}")).unwrap(), "");
    }
    m.settle();
    assert_eq!(m.fake.links(), 4);
}

#[test]
fn a_subshell_with_several_writers_appears_once_and_whole() {
    let m = mounted!();
    for shell in SHELLS {
        let f = format!("f-{shell}");
        let script = format!("(echo a; sleep 0.2; ls {f} 2>/dev/null; /bin/echo b) > {f}; cat {f}");
        // Listed by name within the mount, but not readable before the end.
        assert_eq!(m.run(shell, &script), format!("a\n{f}\nb\n"));
        m.run(
            shell,
            &format!("{{ echo a; /bin/echo b; echo c; }} > g-{shell}"),
        );
        assert_eq!(m.text(&format!("g-{shell}")).unwrap(), "a\nb\nc\n");
        m.run(
            shell,
            &format!("{{ echo a | cat; seq 2 | cat; }} > h-{shell}"),
        );
        assert_eq!(m.text(&format!("h-{shell}")).unwrap(), "a\n1\n2\n");
    }
    m.settle();
    assert_eq!(m.fake.links(), 6);
}

#[test]
fn descriptors_kept_by_the_shell() {
    let m = mounted!();
    for shell in SHELLS {
        let f = format!("f-{shell}");
        let script = format!(
            "exec 3>{f}; echo a >&3; /bin/echo b >&3; cat {f} 3>&- 2>/dev/null && exit 9; exec 3>&-; cat {f}"
        );
        assert_eq!(m.run(shell, &script), "a\nb\n");
        m.run(shell, &format!("exec 3>g-{shell}; echo a >&3")); // closed by the exit
        assert_eq!(m.text(&format!("g-{shell}")).unwrap(), "a\n");
        let script = format!("exec 3>h-{shell}; (echo x >&3) & wait; echo y >&3");
        m.run(shell, &script);
        assert_eq!(m.text(&format!("h-{shell}")).unwrap(), "x\ny\n");
    }
    m.settle();
    assert_eq!(m.fake.links(), 6);
}

#[test]
fn background_jobs_and_pipelines() {
    let m = mounted!();
    for shell in SHELLS {
        m.run(
            shell,
            &format!("(sleep 0.1; echo late) > f-{shell} & wait; test -s f-{shell}"),
        );
        assert_eq!(m.text(&format!("f-{shell}")).unwrap(), "late\n");
        m.run(
            shell,
            &format!("seq 100000 | tee g-{shell} | tail -1 > h-{shell}"),
        );
        assert_eq!(
            m.text(&format!("g-{shell}")).unwrap().lines().count(),
            100_000
        );
        assert_eq!(m.text(&format!("h-{shell}")).unwrap(), "100000\n");
        // A background writer that outlives its shell.
        m.run(
            shell,
            &format!("(echo a; sleep 0.3; echo b) > i-{shell} 2>/dev/null &"),
        );
    }
    m.until("both background writers are done", || {
        SHELLS
            .iter()
            .all(|shell| m.text(&format!("i-{shell}")).is_some())
    });
    for shell in SHELLS {
        assert_eq!(m.text(&format!("i-{shell}")).unwrap(), "a\nb\n");
    }
    m.settle();
}

#[test]
fn python_that_does_not_close() {
    let m = mounted!();
    m.run(
        "bash",
        "python3 -c 'open(\"a\", \"w\").write(\"hello\")' && test -s a",
    );
    assert_eq!(m.text("a").unwrap(), "hello");
    m.python("f = open('b', 'wb', buffering=0); f.write(b'raw'); os._exit(0)");
    assert_eq!(m.text("b").unwrap(), "raw");
    m.python("f = open('c', 'wb', buffering=0); f.write(b'raw'); os._exit(0) if os.fork() else time.sleep(0.1)");
    m.until("the child has gone", || m.text("c").is_some());
    // Exiting with an error is not being killed.
    m.command(
        "python3",
        &[
            "-c",
            "f = open('d', 'w'); f.write('x'); f.flush(); raise SystemExit(3)",
        ],
    );
    assert_eq!(m.text("d").unwrap(), "x");
    m.settle();
}

#[test]
fn a_child_that_inherits_the_descriptor_writes_before_anything_appears() {
    let m = mounted!();
    m.python(
        "f = open('f', 'w')
p = subprocess.Popen(['sh', '-c', 'sleep 0.2; echo child'], stdout=f)
f.close()
assert not os.path.exists('f') or os.stat('f').st_size == 0
try:
    open('f').read(); assert False, 'half-written file seen'
except OSError: pass
p.wait()
assert open('f').read() == 'child\\n'",
    );
    m.settle();
    assert_eq!(m.fake.links(), 1);
}

#[test]
fn killed_writers_leave_nothing() {
    let m = mounted!();
    for (number, signal) in ["KILL", "TERM", "INT", "SEGV", "PIPE", "HUP"]
        .iter()
        .enumerate()
    {
        let name = format!("f{number}");
        let mut child = writer(&m, &name);
        m.run("bash", &format!("kill -{signal} {}", child.id()));
        child.wait().unwrap();
        m.settle();
        assert_eq!(m.text(&name), None, "after SIG{signal}");
        m.run("bash", &format!("! test -e {name}"));
    }
    assert_eq!(m.fake.links(), 0);
}

/// A process that has written half a file and waits.
fn writer(m: &Mounted, name: &str) -> Child {
    let script = "echo half >&3; echo ready; read never";
    let mut command = Command::new("bash");
    command.args([
        "-c",
        &format!("exec 3>{}; {script}", m.path(name).display()),
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn sigpipe_and_killed_copies() {
    let m = mounted!();
    // The writer of the file is the one that gets SIGPIPE.
    m.run("bash", "bash -c 'exec 3>f; echo half >&3; while :; do echo y || exit 0; done' | head -1 >/dev/null; true");
    m.settle();
    assert_eq!(m.text("f"), None);
    m.run(
        "bash",
        "yes > g & p=$!; sleep 0.2; kill -9 $p; wait $p 2>/dev/null; ! test -e g",
    );
    m.settle();
    assert_eq!(m.text("g"), None);
    // The old content survives a killed replacement.
    m.run(
        "bash",
        "echo old > h; yes > h & p=$!; sleep 0.2; cat h; kill $p; wait $p 2>/dev/null; cat h",
    );
    m.settle();
    assert_eq!(m.text("h").unwrap(), "old\n");
}

#[test]
fn the_one_who_is_killed_need_not_be_the_last() {
    let m = mounted!();
    // A part of the job dies, the job goes on and knows it.
    m.run(
        "bash",
        "(echo a; (echo b; kill -9 $BASHPID); echo c) > f; cat f",
    );
    assert_eq!(m.text("f").unwrap(), "a\nb\nc\n");
    m.settle();
}

#[test]
fn replacement_is_atomic() {
    let m = mounted!();
    m.run("bash", "echo old > f");
    let before = m.fake.attributes("f").unwrap();
    let mut file = File::create(m.path("f")).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(std::fs::read_to_string(m.path("f")).unwrap(), "old\n");
    assert_eq!(
        std::fs::metadata(m.path("f")).unwrap().len(),
        4,
        "the name shows the old file"
    );
    assert_eq!(
        file.metadata().unwrap().len(),
        3,
        "the handle shows the new one"
    );
    drop(file);
    assert_eq!(std::fs::read_to_string(m.path("f")).unwrap(), "new");
    let after = m.fake.attributes("f").unwrap();
    assert_ne!(before.inode, after.inode);
    assert_eq!(before.mode, after.mode);
    assert_eq!(
        std::fs::metadata(m.path("f")).unwrap().ino(),
        after.inode.get()
    );
    m.settle();
}

#[test]
fn a_reader_of_the_old_content_is_not_disturbed() {
    let m = mounted!();
    m.python(
        "open('f', 'wb').write(b'o' * 300000)
old = open('f', 'rb')
view = mmap.mmap(old.fileno(), 0, access=mmap.ACCESS_READ)
assert view[299999:] == b'o'
new = open('f', 'wb', buffering=0)
new.write(b'n' * 500000)
assert view[:] == b'o' * 300000
assert os.fstat(old.fileno()).st_size == 300000
assert old.read() == b'o' * 300000
new.close()
assert view[:] == b'o' * 300000
assert open('f', 'rb').read() == b'n' * 500000",
    );
    m.settle();
}

#[test]
fn errors_of_publication_reach_close() {
    let m = mounted!();
    m.fake.set_fault(Fault {
        link: Some(Errno(libc::ENOSPC)),
        ..Fault::default()
    });
    for shell in SHELLS {
        m.run(shell, "cp /etc/passwd f 2>err; test $? = 1 || exit 9; true");
    }
    let said = m.fail("bash", "cp /etc/passwd f");
    assert!(said.contains("No space left"), "{said}");
    m.fake.set_fault(Fault::default());
    m.settle();
    assert_eq!(m.text("f"), None);
    m.run("bash", "cp /etc/passwd f && cmp f /etc/passwd");
    m.settle();
}

#[test]
fn a_failed_write_is_never_published() {
    let m = mounted!();
    m.fake.set_fault(Fault {
        write: Some(Errno(libc::ENOSPC)),
        ..Fault::default()
    });
    let said = m.fail("bash", "head -c 5000000 /dev/zero > f");
    assert!(said.contains("No space left"), "{said}");
    m.fake.set_fault(Fault::default());
    m.settle();
    assert_eq!(m.text("f"), None);
}

#[test]
fn a_close_waits_until_the_file_is_there() {
    let m = mounted!();
    m.fake.set_fault(Fault {
        link_delay: Duration::from_millis(300),
        ..Fault::default()
    });
    assert_eq!(m.run("bash", "echo x > f; cat f"), "x\n");
    m.settle();
}

#[test]
fn a_write_after_publication_ends_up_right() {
    let m = mounted!();
    // The descriptor is passed on over a socket, where no search finds it.
    m.python(
        "import socket, array
a, b = socket.socketpair()
fd = os.open('f', os.O_CREAT | os.O_WRONLY, 0o644)
os.write(fd, b'one ')
socket.send_fds(a, [b'x'], [fd])
os.close(fd)
assert open('f').read() == 'one '
_, fds, _, _ = socket.recv_fds(b, 1, 1)
os.write(fds[0], b'two')
os.close(fds[0])
assert open('f').read() == 'one two'",
    );
    m.settle();
    assert_eq!(m.fake.links(), 2);
}

#[test]
fn a_release_that_nobody_waits_for_comes_before_the_next_look() {
    let m = mounted!();
    m.fake.set_fault(Fault {
        link_delay: Duration::from_millis(200),
        ..Fault::default()
    });
    // Dropping a socket with the descriptor in it closes the file without a FLUSH of its own.
    m.python(
        "import socket
a, b = socket.socketpair()
r, w = os.pipe()
fd = os.open('f', os.O_CREAT | os.O_WRONLY, 0o644)
keep = os.dup(fd)
os.write(fd, b'content')
socket.send_fds(a, [b'x'], [fd])
os.close(fd)
os.close(keep)
os.write
",
    );
    m.settle();
    assert_eq!(m.text("f").unwrap(), "content");
}

#[test]
fn the_last_close_by_a_thread_and_after_exec() {
    let m = mounted!();
    m.python(
        "import threading
def work(i):
    with open(f'f{i}', 'w') as f: f.write(str(i))
    assert open(f'f{i}').read() == str(i)
ts = [threading.Thread(target=work, args=(i,)) for i in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]",
    );
    m.python(
        "fd = os.open('g', os.O_CREAT | os.O_WRONLY, 0o644)
os.write(fd, b'before exec')
os.execvp('true', ['true'])",
    );
    assert_eq!(m.text("g").unwrap(), "before exec");
    m.settle();
    assert_eq!(m.fake.links(), 21);
}
