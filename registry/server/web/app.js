// Asks for the status every two seconds and says so when nobody answers.

import { setAttribute, setText } from "./dom.js";
import { showDisks } from "./disks.js";
import { showGroups } from "./groups.js";
import { showHealth, showTotals } from "./health.js";
import { showProcesses } from "./processes.js";
import { ago } from "./words.js";

const EVERY_MS = 2000;
const TIMEOUT_MS = 5000;
const LOST_AFTER_MS = 7000;
const OLD_MS = 6000;
const byId = (id) => document.getElementById(id);

let last = null;
let lastAt = performance.now();
let failure = null;

async function ask() {
  try {
    const answer = await fetch("/api/v1/status", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const status = await answer.json();
    last = status;
    lastAt = performance.now();
    failure = null;
    show(status);
  } catch (error) {
    failure = String(error.message ?? error);
  }
  showContact();
  setTimeout(ask, EVERY_MS);
}

function show(status) {
  setText(byId("cluster"), status.cluster);
  setText(byId("version"), `EggsFS ${status.version}`);
  showHealth(status.health);
  showTotals(status);
  showGroups(status.groups);
  showDisks(status.domains);
  showProcesses(status.nodes);
}

function showContact() {
  const silent = performance.now() - lastAt;
  const text = byId("contact-text");
  if (!last) {
    setAttribute(document.body, "data-contact", failure ? "lost" : "waiting");
    setText(text, failure ? `No answer yet (${failure}); trying on` : "Waiting for the first answer…");
  } else if (silent > LOST_AFTER_MS || (failure && silent > EVERY_MS * 2)) {
    setAttribute(document.body, "data-contact", "lost");
    setText(text, `Lost contact with ${last.served_by}; what you see was true ${ago(silent)}`);
    document.title = "EggsFS: no contact";
  } else {
    const age = last.age_ms;
    const old = age > OLD_MS;
    setAttribute(document.body, "data-contact", old ? "old" : "live");
    setText(text, `Live from ${last.served_by} (${last.role})${old ? `, which last heard news ${ago(age)}` : ""}`);
    document.title = `${last.health.severity === "ok" ? "" : `${last.health.severity}: `}EggsFS`;
  }
}

setInterval(showContact, 1000);
ask();
