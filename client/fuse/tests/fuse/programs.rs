//! Programs that people use, on a real mount of a cluster in memory.

use crate::common::{Mounted, Options};

macro_rules! mounted {
    () => {
        match Mounted::new(Options::default()) {
            Some(mounted) => mounted,
            None => return,
        }
    };
}

/// A tree with all kinds of things in it, at `$OUT/tree`.
const TREE: &str = "mkdir -p $OUT/tree/sub/deep && cd $OUT/tree && echo hello > a && : > empty && \
    head -c 3000000 /dev/urandom > big && ln -s a link && ln -s nowhere dangling && \
    cp /bin/ls sub/ls && chmod 750 sub/ls && chmod 700 sub && touch -d '2001-02-03 04:05:06.789' a sub/ls sub/deep && \
    head -c 2500000 /dev/zero > zeros && echo x > 'sub/deep/name with spaces'";

#[test]
fn cp_a_keeps_everything() {
    let m = mounted!();
    m.run("bash", TREE);
    m.run(
        "bash",
        "cp -a $OUT/tree . && diff -r --no-dereference $OUT/tree tree",
    );
    let list = "find . -printf '%P %y %m %T@ %s %l\\n' | grep -v ' d ' | sort";
    let original = m.run("bash", &format!("cd $OUT/tree && {list}"));
    assert_eq!(m.run("bash", &format!("cd tree && {list}")), original);
    let times = "stat -c %Y sub/deep";
    let original = m.run("bash", &format!("cd $OUT/tree && {times}"));
    assert_eq!(m.run("bash", &format!("cd tree && {times}")), original);
    m.run(
        "bash",
        "cp -a tree copy && diff -r --no-dereference $OUT/tree copy",
    );
    m.settle();
}

#[test]
fn tar_both_ways() {
    let m = mounted!();
    m.run("bash", TREE);
    m.run("bash", "tar cf $OUT/t.tar -C $OUT tree && tar xf $OUT/t.tar && diff -r --no-dereference $OUT/tree tree");
    m.run(
        "bash",
        "tar cf t.tar tree && tar tf t.tar | wc -l && tar df t.tar",
    );
    m.run("bash", "tar czf t.tgz tree && mkdir again && tar xzf t.tgz -C again && diff -r --no-dereference tree again/tree");
    m.settle();
}

#[test]
fn rsync_and_install() {
    let m = mounted!();
    m.run("bash", TREE);
    m.run(
        "bash",
        "rsync -a $OUT/tree/ tree/ && diff -r --no-dereference $OUT/tree tree",
    );
    assert_eq!(
        m.run("bash", "rsync -ai $OUT/tree/ tree/"),
        "",
        "the second run finds nothing to do"
    );
    m.run(
        "bash",
        "echo changed > $OUT/tree/a && rsync -a $OUT/tree/ tree/ && cmp $OUT/tree/a tree/a",
    );
    m.run("bash", "rsync -a --delete --exclude big $OUT/tree/ tree/ && install -m 711 /bin/ls i && test $(stat -c %a i) = 711 && cmp i /bin/ls");
    m.settle();
}

#[test]
fn git_clone_and_fsck() {
    let m = mounted!();
    m.run(
        "bash",
        "git init -q $OUT/repo && cd $OUT/repo && git config user.email a@b && git config user.name n && \
         for i in 1 2 3; do seq $((i * 1000)) > f$i; git add . && git commit -qm c$i; done && git gc -q",
    );
    m.run(
        "bash",
        "git clone -q file://$OUT/repo c && cd c && git fsck --strict && git log --oneline | wc -l",
    );
    m.run("bash", "git clone -q --no-hardlinks $OUT/repo d && cd d && git fsck && test -z \"$(git status --porcelain)\"");
    // Reflogs are appended to, which a write-once file cannot be.
    m.run(
        "bash",
        "cd c && git config user.email a@b && git config user.name n && rm -r .git/logs && \
         git config core.logAllRefUpdates false && echo more > f4 && git add f4 && \
         git commit -qm c4 && b=$(git branch --show-current) && git checkout -q -b side HEAD~2 && git checkout -q $b && git gc -q && git fsck",
    );
    m.settle();
}

#[test]
fn compilers_editors_and_friends() {
    let m = mounted!();
    m.run(
        "bash",
        "printf 'int main(void){return 7;}\\n' > m.c && cc -o m m.c && ./m; test $? = 7",
    );
    m.run(
        "bash",
        "seq 1000 > s && sort -r s > t && mv t s && head -1 s && sed -i s/^9/nine/ s && grep -c nine s",
    );
    m.run("bash", "dd if=/dev/urandom of=d bs=64k count=40 2>/dev/null && test $(stat -c %s d) = 2621440 && gzip -k d && gunzip -c d.gz | cmp - d");
    m.run("bash", "mkdir -p x/y && mktemp -p x >/dev/null && cat > x/h <<< 'here' && mv x/h x/y/ && find x -type f | wc -l && rm -r x && ! test -e x");
    m.python("import zipfile; z = zipfile.ZipFile('z.zip', 'w'); z.writestr('a', b'a' * 2000000); z.writestr('b', 'b'); z.close(); assert zipfile.ZipFile('z.zip').testzip() is None");
    m.settle();
}

#[test]
fn a_directory_of_many_entries() {
    let m = mounted!();
    for number in 0..20_000 {
        m.fake.put(&format!("f{number:05}"), b"");
    }
    assert_eq!(m.run("bash", "ls -U | sort -u | wc -l"), "20000\n");
    assert_eq!(m.run("bash", "find . -type f | wc -l"), "20000\n");
    assert_eq!(m.run("bash", "ls -a | head -3"), ".\n..\nf00000\n");
    // Removing while reading, as rm -r does.
    m.run("bash", "rm -r ./f0* && test $(ls | wc -l) = 10000");
    m.python("import os; names = os.listdir('.'); assert len(set(names)) == 10000 == len(names)");
}

#[test]
fn nothing_depends_on_caching() {
    let Some(m) = Mounted::new(Options {
        cache: std::time::Duration::from_secs(3600),
    }) else {
        return;
    };
    m.run("bash", TREE);
    m.run(
        "bash",
        "cp -a $OUT/tree . && diff -r --no-dereference $OUT/tree tree && ls -lR tree >/dev/null",
    );
    m.run(
        "bash",
        "echo old > f; cat f; echo new > f; test \"$(cat f)\" = new",
    );
    m.run(
        "bash",
        "mv f g; echo newer > g; test \"$(cat g)\" = newer && ! test -e f",
    );
    m.run(
        "bash",
        "python3 -c 'import os; os.truncate(\"g\", 0)' && test ! -s g && rm -r tree && mkdir tree",
    );
    m.settle();
}
