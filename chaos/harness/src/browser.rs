//! Chromium without a screen, asked over a pipe what its page shows.
//!
//! Its debugging protocol (JSON messages that end with a zero byte, <https://chromedevtools.github.io/devtools-protocol/>) is
//! read from descriptor 3 and written to descriptor 4; a shell turns our two pipes into these.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Bound on one answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Messages that may wait for us.
const MESSAGES: usize = 1024;
const START: &str = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
     --no-first-run --remote-debugging-pipe --user-data-dir=\"$0\" 3<&0 4>&1 >/dev/null 2>&1 </dev/null";

/// A browser with one page. It ends with this value.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    asked: u64,
    /// Removed after the browser has ended.
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser and opens an address.
    pub fn open(url: &str) -> Result<Self> {
        let profile = tempfile::Builder::new()
            .prefix("eggs-browser-")
            .tempdir()
            .context("make a directory for the browser")?;
        let mut child = Command::new("bash")
            .args(["-c", START])
            .arg(profile.path())
            .env("TMPDIR", profile.path()) // it leaves a directory there
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // it starts many processes; all of them must end
            .spawn()
            .context("start chromium")?;
        let commands = child.stdin.take().context("the browser's input")?;
        let output = child.stdout.take().context("the browser's output")?;
        let (sender, messages) = sync_channel(MESSAGES);
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(value) = serde_json::from_slice(&message) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            session: String::new(),
            asked: 0,
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({ "url": url }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"]
            .as_str()
            .context("no session")?
            .to_string();
        Ok(browser)
    }

    /// The text that a person sees on the page.
    pub fn text(&mut self) -> Result<String> {
        self.evaluate("document.body ? document.body.innerText : ''")
    }

    /// The value of a JavaScript expression, as text.
    pub fn evaluate(&mut self, expression: &str) -> Result<String> {
        let answer = self.ask("Runtime.evaluate", json!({ "expression": expression }))?;
        let value = &answer["result"]["value"];
        Ok(value
            .as_str()
            .map_or_else(|| value.to_string(), String::from))
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.commands
            .write_all(&bytes)
            .with_context(|| format!("tell the browser {method}"))?;
        loop {
            let answer = self
                .messages
                .recv_timeout(ANSWER)
                .with_context(|| format!("wait for the browser's answer to {method}"))?;
            if answer["id"] != json!(self.asked) {
                continue; // an event
            }
            if let Some(error) = answer.get("error") {
                bail!("the browser refuses {method}: {error}");
            }
            return Ok(answer["result"].clone());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok(); // it may have ended
        self.child.wait().ok(); // nothing to be done about a failure here
    }
}
