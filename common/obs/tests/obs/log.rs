//! The log as a process writes it: this test runs itself with something to say.

use std::process::Command;

use eggs_obs::LogFormat;

const ROLE: &str = "EGGS_TEST_LOG_ROLE";

/// Only does something in the child process.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    eggs_obs::init("teapot", role.parse::<LogFormat>().unwrap());
    tracing::debug!(secret = 1, "not shown by default");
    tracing::warn!(disk = 7, "disk is slow");
    let panicked = std::thread::spawn(|| panic!("lid missing")).join();
    assert!(panicked.is_err());
}

fn log_of(format: &str, filter: &str) -> String {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["log::child", "--exact", "--nocapture"])
        .env(ROLE, format)
        .env("EGGS_LOG", filter)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stderr).unwrap()
}

#[test]
fn one_line_per_event_without_colours() {
    let log = log_of("text", "");
    assert!(!log.contains('\x1b'), "{log}");
    let line = |part: &str| log.lines().find(|l| l.contains(part)).map(str::to_owned);
    assert!(
        line("starting").unwrap().contains("program=\"teapot\""),
        "{log}"
    );
    assert!(line("disk is slow").unwrap().contains("disk=7"), "{log}");
    let panic = line("lid missing").unwrap();
    assert!(
        panic.contains("ERROR") && panic.contains("log.rs:"),
        "{log}"
    );
    assert_eq!(line("not shown"), None);
}

#[test]
fn the_filter_and_json_work() {
    let log = log_of("json", "debug");
    let line = log.lines().find(|l| l.contains("not shown")).unwrap();
    assert!(
        line.starts_with('{') && line.contains("\"secret\":1"),
        "{log}"
    );
}

#[test]
fn a_bad_filter_is_not_fatal() {
    let log = log_of("text", "=/=nonsense=");
    assert!(log.contains("log filter ignored"), "{log}");
    assert!(log.contains("disk is slow"), "{log}");
}
