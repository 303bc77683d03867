//! Asks the dashboard. One request, one answer, one connection: no need for an HTTP library here.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(10);

/// The JSON document under a path, and the status code.
pub fn get_json(server: SocketAddr, path: &str) -> Result<(u16, Value)> {
    let (code, body) = get(server, path)?;
    Ok((
        code,
        serde_json::from_str(&body).with_context(|| format!("parse the JSON at {path}"))?,
    ))
}

/// What is under a path, and the status code.
pub fn get(server: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&server, BOUND).context("connect")?;
    stream
        .set_read_timeout(Some(BOUND))
        .context("set a time-out")?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )
    .context("send the request")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("read the answer")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no body")?;
    let Some(code) = head.split(' ').nth(1).and_then(|code| code.parse().ok()) else {
        bail!("not an HTTP answer: {head}");
    };
    Ok((code, body.to_string()))
}
