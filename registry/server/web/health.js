// Health in words, and the totals.

import { element, keyed, setAttribute, setText } from "./dom.js";
import { SEVERITIES, bytes, number } from "./words.js";

const byId = (id) => document.getElementById(id);

export function showHealth(health) {
  const [kind, word] = SEVERITIES[health.severity];
  setAttribute(byId("health"), "data-severity", health.severity);
  setAttribute(byId("severity"), "class", `badge ${kind}`);
  setText(byId("severity"), word);
  setText(byId("headline-text"), health.headline);
  keyed(byId("findings"), withKeys(health.findings), (finding) => finding.key, createFinding, updateFinding);
}

// One code may have several findings, as for two classes of disks.
function withKeys(findings) {
  const seen = new Map();
  return findings.map((finding) => {
    const count = seen.get(finding.code) ?? 0;
    seen.set(finding.code, count + 1);
    return { ...finding, key: `${finding.code} ${count}` };
  });
}

function createFinding() {
  const parts = {
    severity: element("span"),
    what: element("span"),
    code: element("span", { class: "code" }),
    affects: element("p", { class: "affects" }),
    remedy: element("code"),
  };
  const what = element("p", { class: "what" }, parts.severity, " ", parts.what, " ", parts.code);
  const node = element("li", {}, what, parts.affects, element("p", { class: "remedy" }, "Next: ", parts.remedy));
  node.parts = parts;
  return node;
}

function updateFinding(node, finding) {
  const [kind, word] = SEVERITIES[finding.severity];
  setAttribute(node.parts.severity, "class", `badge ${kind}`);
  setText(node.parts.severity, word);
  setText(node.parts.what, finding.what);
  setText(node.parts.code, finding.code);
  setText(node.parts.affects, `Affects: ${finding.affects}`);
  setText(node.parts.remedy, finding.remedy);
}

export function showTotals(status) {
  const { totals, groups } = status;
  const percent = totals.capacity_bytes > 0 ? (100 * totals.used_bytes) / totals.capacity_bytes : 0;
  const disks = Object.values(totals.services).reduce((sum, count) => sum + count, 0);
  const led = groups.filter((group) => group.state === "ok" || group.state === "at_risk").length;
  const up = status.nodes.filter((node) => node.up).length;
  const tiles = [
    ["Capacity", bytes(totals.capacity_bytes), totals.classes.map((c) => `${c.class} ${bytes(c.capacity_bytes)}`).join(" · ")],
    ["Used by blocks", bytes(totals.used_bytes), `${percent.toFixed(percent < 10 ? 1 : 0)} % of capacity`],
    ["Free to write", bytes(totals.available_bytes), totals.classes.map((c) => `${c.class} ${bytes(c.available_bytes)}`).join(" · ")],
    ["Blocks", number(totals.blocks), ""],
    ["Disks active", `${totals.services.active} of ${disks}`, `in ${status.domains.length} failure domains`],
    ["Groups served", `${led} of ${groups.length}`, "256 shards, CDC, registry"],
    ["Processes up", `${up} of ${status.nodes.length}`, ""],
    ["Map epoch", number(status.epoch), "grows with every change"],
  ];
  keyed(byId("totals"), tiles, ([name]) => name, createTile, updateTile);
}

function createTile([name]) {
  const parts = { value: element("span"), note: element("small") };
  const node = element("div", {}, element("dt", {}, name), element("dd", {}, parts.value, parts.note));
  node.parts = parts;
  return node;
}

function updateTile(node, [, value, note]) {
  setText(node.parts.value, value);
  setText(node.parts.note, note);
}
