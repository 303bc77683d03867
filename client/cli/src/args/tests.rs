//! What the command line takes.

use super::*;
use clap::CommandFactory as _;

fn parse(line: &[&str]) -> Result<Args, clap::Error> {
    Args::try_parse_from(std::iter::once(&"eggscli").chain(line))
}

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn help_mentions_every_verb() {
    let help = Args::command().render_long_help().to_string();
    let verbs = [
        "ls",
        "cat",
        "put",
        "get",
        "write",
        "mkdir",
        "rm",
        "mv",
        "stat",
        "ln",
        "policy",
        "xattr",
        "snapshots",
        "history",
        "undelete",
        "transient-files",
        "du",
        "fsck",
        "disk",
        "status",
        "meta",
        "secret",
        "copy_into",
    ];
    for verb in verbs {
        let listed = help
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{verb} ")));
        assert!(listed, "{verb} is missing in:\n{help}");
    }
    for command in Args::command().get_subcommands() {
        assert!(
            verbs.contains(&command.get_name()),
            "{} is not expected",
            command.get_name()
        );
        assert!(command.get_about().is_some());
    }
}

#[test]
fn older_spellings_work_and_copy_into_has_the_path_first() {
    let args = parse(&["copy_into", "/remote", "local"]).unwrap();
    let Verb::CopyInto { path, local } = args.verb else {
        panic!("{:?}", args.verb)
    };
    assert_eq!((path, local), ("/remote".into(), "local".into()));
    let args = parse(&["echo_into", "/f", "text"]).unwrap();
    assert!(matches!(args.verb, Verb::Write { .. }));
    let args = parse(&["transient_files", "--json"]).unwrap();
    assert!(args.json && matches!(args.verb, Verb::TransientFiles));
}

#[test]
fn every_verb_takes_json_and_nonsense_is_a_usage_error() {
    assert!(parse(&["ls", "-l", "/", "--json"]).unwrap().json);
    assert!(parse(&["policy", "get", "/", "--json"]).unwrap().json);
    for bad in [
        &["ln", "a", "b"][..],
        &["fly"],
        &["rm"],
        &["--timeout", "0", "ls"],
        &["policy", "set", "/", "extent", "20M"],
    ] {
        assert_eq!(parse(bad).unwrap_err().exit_code(), 2, "{bad:?}");
    }
}

#[test]
fn old_versions_are_named_by_times() {
    let line = [
        "undelete",
        "-r",
        "--as",
        "b",
        "--version",
        "@5",
        "--deleted-after",
        "10m",
        "-n",
        "/a",
    ];
    let args = parse(&line).unwrap();
    let Verb::Undelete {
        recursive,
        name,
        version,
        deleted_after,
        replace,
        dry_run,
        path,
    } = args.verb
    else {
        panic!("{:?}", args.verb)
    };
    assert_eq!((recursive, replace, dry_run), (true, false, true));
    assert_eq!((name, path), (Some("b".into()), "/a".into()));
    assert_eq!(version, Some(When::At(5)));
    assert_eq!(deleted_after, Some(When::Ago(600_000)));
    assert!(parse(&["cat", "--version", "@5", "/f"]).is_ok());
    let bad = parse(&["get", "--version", "yesterday", "/f", "-"]);
    assert_eq!(bad.unwrap_err().exit_code(), 2);
}

#[test]
fn extended_attributes_parse() {
    let line = ["xattr", "set", "--create", "/f", "user.a", "-1"];
    assert!(parse(&line).is_err(), "an option");
    let args = parse(&["xattr", "set", "--create", "/f", "user.a", "1"]).unwrap();
    let Verb::Xattr(XattrVerb::Set { create, value, .. }) = args.verb else {
        panic!("{:?}", args.verb)
    };
    assert_eq!((create, value), (true, "1".into()));
    let both = ["xattr", "set", "--create", "--replace", "/f", "user.a", "1"];
    assert_eq!(parse(&both).unwrap_err().exit_code(), 2);
}

#[test]
fn policies_parse() {
    let line = [
        "policy",
        "set",
        "/d",
        "snapshot",
        "--keep",
        "10s",
        "--versions",
        "3",
    ];
    let args = parse(&line).unwrap();
    let Verb::Policy(PolicyVerb::Set { policy, .. }) = args.verb else {
        panic!("{:?}", args.verb)
    };
    let PolicyValue::Snapshot { keep, versions } = policy else {
        panic!("{policy:?}")
    };
    assert_eq!((keep, versions), (Keep(Some(10_000)), Some(3)));
}
