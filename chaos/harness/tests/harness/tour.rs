//! What a newcomer does: the command line, the mount with real programs, the dashboard, stop and start.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options, get, get_json};
use serde_json::Value;

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("parse {text:?}"))
}

#[test]
fn one_cluster_from_start_to_second_start() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    cluster.wait_healthy()?;
    command_line(&cluster)?;
    shells(&cluster)?;
    names_and_attributes(&cluster)?;
    programs(&cluster)?;
    many_entries(&cluster)?;
    dashboard(&cluster)?;
    let before = listing(&cluster)?;
    cluster.eggsrun(&["stop"])?.ok()?;
    assert!(cluster.process_names()?.is_empty(), "processes are left");
    cluster.start_again()?;
    assert_eq!(
        listing(&cluster)?,
        before,
        "the tree is another one after a restart"
    );
    Ok(())
}

fn listing(cluster: &Cluster) -> Result<String> {
    let line = "find . -path ./many -prune -o -type f -print0 | sort -z | xargs -0 sha256sum";
    cluster.shell("bash", line)?.ok()
}

fn command_line(cluster: &Cluster) -> Result<()> {
    let scratch = cluster.scratch()?;
    let content = Content {
        seed: 5,
        bytes: 25_000_000,
    };
    let local = scratch.join("local");
    fs::write(&local, content.make())?;
    let local = local.display().to_string();
    cluster.cli(&["mkdir", "-p", "/cli/deep/er"])?.ok()?;
    cluster.cli(&["put", &local, "/cli/big"])?.ok()?;
    cluster.cli(&["copy_into", "/cli/big2", &local])?.ok()?;
    cluster.cli(&["write", "/cli/small", "some text"])?.ok()?;
    cluster
        .cli(&["echo_into", "/cli/small2", "some text"])?
        .ok()?;
    assert_eq!(cluster.cli(&["cat", "/cli/small"])?.ok()?, "some text");
    assert_eq!(
        fs::read_to_string(cluster.mount().join("cli/small2"))?,
        "some text"
    );
    content
        .check(&fs::read(cluster.mount().join("cli/big"))?)
        .map_err(anyhow::Error::msg)?;
    let copy = scratch.join("copy");
    cluster
        .cli(&["get", "/cli/big2", &copy.display().to_string()])?
        .ok()?;
    content
        .check(&fs::read(&copy)?)
        .map_err(anyhow::Error::msg)?;
    let stat = json(&cluster.cli(&["stat", "/cli/big", "--json"])?.ok()?)?;
    assert_eq!(stat["size"], 25_000_000, "{stat}");
    cluster
        .cli(&["mv", "/cli/small", "/cli/deep/small"])?
        .ok()?;
    assert_eq!(cluster.cli(&["cat", "/cli/deep/small"])?.ok()?, "some text");
    for verb in [
        &["ls", "/cli"][..],
        &["ls", "-l", "/cli"],
        &["transient-files"],
        &["transient_files"],
    ] {
        cluster.cli(verb)?.ok()?;
        json(&cluster.cli(&[verb, &["--json"]].concat())?.ok()?)?;
    }
    json(&cluster.cli(&["status", "--json"])?.ok()?)?;
    assert_eq!(
        cluster.cli(&["cat", "/cli/nothing"])?.status.code(),
        Some(1)
    );
    assert_eq!(cluster.cli(&["no-such-verb"])?.status.code(), Some(2));
    let unreachable = cluster.cli(&["--registry", "127.0.0.1:1", "ls", "/"])?;
    assert!(
        matches!(unreachable.status.code(), Some(1 | 5)),
        "{unreachable:?}"
    );
    cluster.cli(&["rm", "-r", "/cli/deep"])?.ok()?;
    assert_eq!(
        cluster.cli(&["cat", "/cli/deep/small"])?.status.code(),
        Some(1)
    );
    Ok(())
}

fn shells(cluster: &Cluster) -> Result<()> {
    fs::create_dir(cluster.mount().join("sh"))?;
    for shell in ["bash", "dash"] {
        let cases = [
            ("echo blah > F", "blah\n"),
            ("true && echo b >> F", "b\n"),
            ("(echo a; sleep 0.2; echo b) > F", "a\nb\n"),
            ("{ echo a; cat /dev/null; echo b; } > F", "a\nb\n"),
            ("echo a | cat > F", "a\n"),
            ("exec 3>F; echo x >&3; echo y >&3; exec 3>&-", "x\ny\n"),
            ("echo old > F; echo new > F", "new\n"),
            (": > F", ""),
            ("touch F; echo later >> F", "later\n"),
            (
                "python3 -c \"f = open('F', 'w'); f.write('unclosed')\"",
                "unclosed",
            ),
            (
                "python3 -c \"import os; fd = os.open('F', 65); os.write(fd, b'raw'); os._exit(0)\"",
                "raw",
            ),
            ("printf 12345 > G; printf abc > F; mv F G; mv G F", "abc"),
        ];
        for (number, (line, expected)) in cases.into_iter().enumerate() {
            let file = format!("sh/{shell}-{number}");
            let line = line.replace('F', &file).replace('G', &format!("{file}-g"));
            cluster
                .shell(shell, &line)?
                .ok()
                .with_context(|| format!("{shell}: {line}"))?;
            let through_cli = cluster.cli(&["cat", &format!("/{file}")])?.ok();
            assert_eq!(
                through_cli.with_context(|| format!("{shell}: {line}"))?,
                expected,
                "{shell}: {line}"
            );
            assert_eq!(
                fs::read_to_string(cluster.mount().join(&file))?,
                expected,
                "{shell}: {line}"
            );
        }
    }
    for line in [
        "echo more >> sh/bash-0",
        "python3 -c \"open('sh/bash-0', 'r+b').write(b'x')\"",
    ] {
        let refused = cluster.shell("bash", line)?;
        assert!(!refused.status.success(), "{line}");
        assert!(
            refused.stderr.contains("Read-only file system"),
            "{line}: {}",
            refused.stderr
        );
    }
    assert_eq!(
        fs::read_to_string(cluster.mount().join("sh/bash-0"))?,
        "blah\n"
    );
    Ok(())
}

fn names_and_attributes(cluster: &Cluster) -> Result<()> {
    let root = cluster.mount().join("names");
    fs::create_dir(&root)?;
    for dir in ["a", "b", "a/sub"] {
        fs::create_dir(root.join(dir))?;
    }
    fs::write(root.join("a/file"), "content")?;
    symlink("a/file", root.join("link"))?;
    assert_eq!(fs::read_to_string(root.join("link"))?, "content");
    fs::rename(root.join("a/file"), root.join("a/other"))?;
    fs::rename(root.join("a/other"), root.join("b/file"))?;
    fs::rename(root.join("a/sub"), root.join("b/sub"))?;
    assert!(root.join("b/sub").is_dir() && !root.join("a/sub").exists());
    let into_itself =
        fs::rename(root.join("b"), root.join("b/sub/b")).map_err(|e| e.raw_os_error());
    assert_eq!(into_itself, Err(Some(libc::EINVAL)));
    let full = fs::remove_dir(root.join("b")).map_err(|e| e.raw_os_error());
    assert_eq!(full, Err(Some(libc::ENOTEMPTY)));
    fs::remove_dir(root.join("a"))?;
    let file = root.join("b/file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640))?;
    std::os::unix::fs::chown(&file, Some(123), Some(456))?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::open(&file)?.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time))?;
    let metadata = fs::metadata(&file)?;
    assert_eq!(metadata.mode() & 0o7777, 0o640);
    assert_eq!(
        (metadata.uid(), metadata.gid(), metadata.size()),
        (123, 456, 7)
    );
    assert_eq!(metadata.modified()?, time);
    assert!(metadata.ctime() > 1_234_567_890);
    assert_eq!(
        fs::create_dir(root.join("x".repeat(256))).map_err(|e| e.raw_os_error()),
        Err(Some(libc::ENAMETOOLONG))
    );
    let space = rustix::fs::statvfs(&root)?;
    assert!(space.f_blocks > 0 && space.f_bavail > 0 && space.f_bavail <= space.f_blocks);
    // Reading through a mapping.
    let mapped = cluster.shell(
        "bash",
        "python3 -c \"import mmap; f = open('names/b/file', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(m[:].decode())\"",
    )?;
    assert_eq!(mapped.ok()?, "content\n");
    Ok(())
}

fn programs(cluster: &Cluster) -> Result<()> {
    let scratch = cluster.scratch()?.display().to_string();
    let make = format!(
        "set -e; mkdir -p {scratch}/src/d/e; cd {scratch}/src; \
         for i in 1 2 3 4 5 6 7 8; do head -c $((i * 40000)) /dev/urandom > d/f$i; done; \
         echo hi > d/e/hi; ln -s d/e/hi link; : > empty; chmod 600 d/f1; touch -d 2001-02-03 d/f2; \
         git init -q . ; git add -A; git -c user.name=n -c user.email=e commit -qm one; \
         git gc -q; echo more > more; git add -A; git -c user.name=n -c user.email=e commit -qm two"
    );
    cluster.shell("bash", &make)?.ok()?;
    for line in [
        format!("cp -a {scratch}/src cp && diff -r --no-dereference {scratch}/src cp"),
        format!("tar cf {scratch}/a.tar -C {scratch} src && mkdir tar && tar xf {scratch}/a.tar -C tar && diff -r --no-dereference {scratch}/src tar/src"),
        format!("rsync -a {scratch}/src/ rsync/ && test -z \"$(rsync -anic {scratch}/src/ rsync/)\""),
        format!("echo changed >> {scratch}/src/d/e/hi && rsync -a {scratch}/src/ rsync/ && diff -r --no-dereference {scratch}/src rsync"),
        format!("git clone -q {scratch}/src git && cd git && git fsck --strict && git log --oneline | wc -l"),
        format!("git clone -q --no-local {scratch}/src git2 && cd git2 && git fsck --strict && git status --short && test -z \"$(git status --short)\""),
        // A reflog is appended to, which is not for write-once files.
        "cd git2 && rm -r .git/logs && git config core.logAllRefUpdates false && echo new > new && git add new && git -c user.name=n -c user.email=e commit -qm three && git fsck --strict".into(),
        format!("tar cf - -C {scratch} src | cat > stream.tar && cmp stream.tar <(tar cf - -C {scratch} src)"),
        "cp cp/d/f8 copy && cmp copy cp/d/f8 && dd if=cp/d/f8 of=dd bs=777 status=none && cmp dd copy".into(),
        "rm -rf tar && test ! -e tar".into(),
    ] {
        cluster.shell("bash", &line)?.ok().with_context(|| line.clone())?;
    }
    let times = cluster
        .shell("bash", "stat -c '%a %Y' cp/d/f1 cp/d/f2")?
        .ok()?;
    assert!(times.starts_with("600 "), "{times}");
    Ok(())
}

fn many_entries(cluster: &Cluster) -> Result<()> {
    const ENTRIES: usize = 3_000;
    let dir = cluster.mount().join("many");
    fs::create_dir(&dir)?;
    std::thread::scope(|scope| {
        for part in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                for n in (part..ENTRIES).step_by(4) {
                    fs::write(dir.join(format!("entry-{n}")), "").expect("create an entry");
                }
            });
        }
    });
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir)? {
        names.push(entry?.file_name());
    }
    let listed = names.len();
    names.sort();
    names.dedup();
    assert_eq!(
        (listed, names.len()),
        (ENTRIES, ENTRIES),
        "entries are missing or repeated"
    );
    Ok(())
}

fn dashboard(cluster: &Cluster) -> Result<()> {
    for path in [
        "/health/live",
        "/health/ready",
        "/health/cluster",
        "/metrics",
        "/",
    ] {
        let (code, body) = get(cluster.http(), path).with_context(|| path.to_string())?;
        assert_eq!(code, 200, "{path}");
        assert!(!body.is_empty(), "{path}");
    }
    let (_, health) = get_json(cluster.http(), "/health/cluster")?;
    assert!(health.is_object(), "{health}");
    let status = cluster.status()?;
    println!(
        "{}",
        serde_json::to_string(&status)?
            .chars()
            .take(300)
            .collect::<String>()
    );
    Ok(())
}
