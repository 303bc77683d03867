//! `xattr`: extended attributes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use eggs_client::FollowLast;
use eggs_proto::{Xattr, XattrMode, XattrName};
use serde_json::{Value, json};

use crate::args::XattrVerb;
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

pub(crate) async fn run(context: &Context, verb: XattrVerb) -> Result<Exit, Failure> {
    match verb {
        XattrVerb::List { path } => list(context, &path).await,
        XattrVerb::Get { path, name } => get(context, &path, &name).await,
        XattrVerb::Set {
            create,
            replace,
            path,
            name,
            value,
        } => {
            let mode = mode(create, replace);
            set(context, &path, xattr(&name, &value)?, mode).await
        }
        XattrVerb::Remove { path, name } => remove(context, &path, &name).await,
    }
}

/// What the flags mean; the command line allows one of them.
const fn mode(create: bool, replace: bool) -> XattrMode {
    match (create, replace) {
        (true, _) => XattrMode::Create,
        (false, true) => XattrMode::Replace,
        (false, false) => XattrMode::Set,
    }
}

fn parse_name(text: &OsStr) -> Result<XattrName, Failure> {
    XattrName::new(text.as_bytes()).map_err(|bad| Failure::usage(bad.to_string()))
}

fn xattr(name: &OsStr, value: &OsStr) -> Result<Xattr, Failure> {
    Ok(Xattr {
        name: parse_name(name)?,
        value: value.as_bytes().to_vec(),
    })
}

async fn list(context: &Context, path: &OsStr) -> Result<Exit, Failure> {
    let found = context.resolve(path, FollowLast::Yes, "show").await?;
    let all = context.client.xattrs(found.inode).await;
    let all = all.map_err(|error| Failure::remote("show", show(path), &error))?;
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&all.iter().map(as_json).collect())?,
        Format::Text => {
            for one in &all {
                output.line(line(one))?;
            }
        }
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn get(context: &Context, path: &OsStr, name: &OsStr) -> Result<Exit, Failure> {
    let name = parse_name(name)?;
    let found = context.resolve(path, FollowLast::Yes, "show").await?;
    let value = context.client.xattr(found.inode, &name).await;
    let value = value
        .map_err(|error| Failure::remote("show", format!("{name} of {}", show(path)), &error))?;
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(&Xattr { name, value }))?,
        Format::Text => output.line(value)?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn set(
    context: &Context,
    path: &OsStr,
    xattr: Xattr,
    mode: XattrMode,
) -> Result<Exit, Failure> {
    let what = format!("{} of {}", xattr.name, show(path));
    let found = context.resolve(path, FollowLast::Yes, "change").await?;
    let done = context.client.set_xattr(found.inode, xattr, mode).await;
    done.map_err(|error| Failure::remote("set", what, &error))?;
    Ok(Exit::Fine)
}

async fn remove(context: &Context, path: &OsStr, name: &OsStr) -> Result<Exit, Failure> {
    let name = parse_name(name)?;
    let found = context.resolve(path, FollowLast::Yes, "change").await?;
    let done = context.client.remove_xattr(found.inode, &name).await;
    done.map_err(|error| Failure::remote("remove", format!("{name} of {}", show(path)), &error))?;
    Ok(Exit::Fine)
}

/// A value that is text without control characters is shown as it is, another one in hexadecimal digits.
fn line(one: &Xattr) -> String {
    match text(&one.value) {
        Some(text) if !text.chars().any(char::is_control) => {
            format!("{}={text}", show_xattr_name(&one.name))
        }
        Some(_) | None => format!("{}=0x{}", show_xattr_name(&one.name), hex(&one.value)),
    }
}

/// Control characters must not reach the terminal.
fn show_xattr_name(name: &XattrName) -> String {
    let text = name.to_string();
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn as_json(one: &Xattr) -> Value {
    let (encoding, value) = match text(&one.value) {
        Some(text) => ("utf-8", text.to_owned()),
        None => ("hex", hex(&one.value)),
    };
    json!({ "name": one.name.to_string(), "encoding": encoding, "value": value })
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> Xattr {
        Xattr {
            name: XattrName::new("user.a").unwrap(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn values_are_shown_as_text_if_they_are() {
        assert_eq!(line(&of(b"text")), "user.a=text");
        assert_eq!(line(&of(b"")), "user.a=");
        assert_eq!(line(&of(b"a\nb")), "user.a=0x610a62");
        assert_eq!(line(&of(&[0xff])), "user.a=0xff");
        let json = as_json(&of(&[0xff]));
        assert_eq!(
            (&json["encoding"], &json["value"]),
            (&"hex".into(), &"ff".into())
        );
        assert_eq!(as_json(&of(b"a\nb"))["value"], "a\nb");
    }

    #[test]
    fn bad_names_are_usage_errors() {
        assert!(matches!(
            parse_name(OsStr::new("")),
            Err(Failure::Said {
                exit: Exit::Usage,
                ..
            })
        ));
        assert_eq!(mode(true, false), XattrMode::Create);
        assert_eq!(mode(false, true), XattrMode::Replace);
    }
}
