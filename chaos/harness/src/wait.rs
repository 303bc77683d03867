//! Waiting for conditions.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Waits until `condition` holds; fails after a generous `bound`.
pub fn until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) -> Result<Duration> {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > bound {
            bail!("waited {bound:?} for this in vain: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(begin.elapsed())
}

/// Repeats something until it works; fails with its last error after `bound`.
pub fn eventually<T>(bound: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if begin.elapsed() > bound => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
