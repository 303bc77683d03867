//! The program: what it says when it cannot start, and that it stops when asked to.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{LONG, command, secret_file, start};

/// The last line of what a program that cannot start says.
fn complaint(mut command: Command) -> String {
    command.arg("--listen=127.0.0.1:0");
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stderr).unwrap();
    text.lines().last().unwrap().to_owned()
}

#[test]
fn it_says_in_one_sentence_why_it_cannot_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret_file(dir.path());
    let missing = complaint(command(dir.path(), "/nonexistent", &["hdd:a"]));
    assert!(
        missing.starts_with("eggsblocks: read secret file /nonexistent: "),
        "{missing}"
    );
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/precious"), "").unwrap();
    let full = complaint(command(dir.path(), &secret, &["hdd:full"]));
    assert!(
        full.ends_with("cannot be made an EggsFS disk: it is not empty"),
        "{full}"
    );
    let twice = complaint(command(dir.path(), &secret, &["hdd:a", "hdd:a"]));
    assert!(twice.contains("is in use by another process"), "{twice}");
}

#[test]
fn it_makes_its_disks_keeps_them_and_stops_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret_file(dir.path());
    let label = dir.path().join("a/label");
    let mut first = None;
    for _ in 0..2 {
        let mut running = start(command(dir.path(), &secret, &["hdd:a", "flash:b"]));
        let text = fs::read_to_string(&label).unwrap();
        assert_eq!(first.get_or_insert_with(|| text.clone()), &text);
        let pid = running.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let asked = Instant::now();
        let status = loop {
            match running.0.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            assert!(asked.elapsed() < LONG, "it does not stop");
        };
        assert!(status.success(), "{status}");
    }
}

#[test]
fn a_disk_that_is_gone_is_left_out_and_nothing_takes_its_place_until_a_person_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret_file(dir.path());
    let disks = ["hdd:a", "flash:b"];
    drop(start(command(dir.path(), &secret, &disks)));
    let (disk, elsewhere) = (dir.path().join("a"), dir.path().join("elsewhere"));
    fs::rename(&disk, &elsewhere).unwrap();
    for place in [Place::Missing, Place::Empty, Place::Broken] {
        match place {
            Place::Missing => {}
            Place::Empty => fs::create_dir(&disk).unwrap(),
            Place::Broken => fs::write(disk.join("label"), "{").unwrap(),
        }
        // The other one is served.
        drop(start(command(dir.path(), &secret, &disks)));
        assert!(!disk.join("blocks").exists());
        let alone = complaint(command(dir.path(), &secret, &disks[..1]));
        assert!(alone.contains("none of the disks can be opened"), "{alone}");
    }
    // It comes back.
    fs::remove_dir_all(&disk).unwrap();
    fs::rename(&elsewhere, &disk).unwrap();
    let label = fs::read(disk.join("label")).unwrap();
    drop(start(command(dir.path(), &secret, &disks)));
    assert_eq!(fs::read(disk.join("label")).unwrap(), label);
    // It does not.
    fs::remove_dir_all(&disk).unwrap();
    let notes = fs::read_dir(dir.path().join("known-disks")).unwrap();
    let notes = notes.map(|note| note.unwrap().path());
    let note = notes.filter(|note| fs::read(note).unwrap().ends_with(b"/a"));
    fs::remove_file(note.last().unwrap()).unwrap();
    drop(start(command(dir.path(), &secret, &disks)));
    assert_ne!(fs::read(disk.join("label")).unwrap(), label);
}

#[derive(Clone, Copy)]
enum Place {
    Missing,
    Empty,
    Broken,
}
