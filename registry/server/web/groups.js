// The 256 shards as a grid, the CDC and the registry as a list, and the details of one group.

import { element, keyed, row, setAttribute, setBadge, setText } from "./dom.js";
import { GROUP_STATES } from "./words.js";

const COLUMNS = 16;
const SHARDS = 256;
const byId = (id) => document.getElementById(id);
const buttons = [];
let groups = [];
let chosen = 0;

const indexOf = (node) => node.replace(/^\D+/, "");

// What a cell says: who leads, or what is wrong.
function sign(group) {
  switch (group.state) {
    case "ok": return indexOf(group.leader);
    case "at_risk": return `${indexOf(group.leader)}!`;
    case "no_leader": return "–";
    case "no_quorum": return "✕";
    default: return "?";
  }
}

function describe(group) {
  const words = GROUP_STATES[group.state][1];
  const leader = group.leader ?? "nobody";
  return `${group.group}: ${words}, led by ${leader}`;
}

function build() {
  const head = element("tr", {}, element("td"));
  for (let column = 0; column < COLUMNS; column += 1) head.append(element("th", { scope: "col" }, `+${column}`));
  document.querySelector("#shards thead").append(head);
  for (let first = 0; first < SHARDS; first += COLUMNS) {
    const line = element("tr", {}, element("th", { scope: "row" }, String(first)));
    for (let shard = first; shard < first + COLUMNS; shard += 1) {
      const button = element("button", { type: "button", tabindex: shard === chosen ? 0 : -1 }, "?");
      button.addEventListener("click", () => choose(shard));
      button.addEventListener("focus", () => choose(shard));
      button.addEventListener("mouseenter", () => showDetail(shard));
      button.addEventListener("mouseleave", () => showDetail(chosen));
      buttons.push(button);
      line.append(element("td", {}, button));
    }
    document.querySelector("#shards tbody").append(line);
  }
  byId("shards").addEventListener("keydown", move);
}

function move(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
  const target = chosen + (step ?? 0);
  if (step === undefined || target < 0 || target >= SHARDS) return;
  event.preventDefault();
  buttons[target].focus();
}

function choose(shard) {
  buttons[chosen].tabIndex = -1;
  chosen = shard;
  buttons[chosen].tabIndex = 0;
  buttons.forEach((button, index) => setAttribute(button, "aria-pressed", String(index === chosen)));
  showDetail(shard);
}

function showDetail(shard) {
  const group = groups[shard];
  const box = byId("detail");
  if (!group) return;
  if (!box.firstChild) box.append(element("h3"), element("p"), element("ul"));
  const [title, state, list] = box.children;
  setText(title, group.group);
  setText(state, `State: ${GROUP_STATES[group.state][1]}. Leader: ${group.leader ?? "none known"}.`);
  keyed(list, group.replicas, (replica) => replica.node, () => element("li"), (item, replica) => {
    const role = replica.node === group.leader ? ", leads" : "";
    setText(item, `${replica.node}: ${replica.up ? "up" : "not heard from"}${role}`);
  });
}

function showLegend() {
  const counts = new Map();
  for (const group of groups.slice(0, SHARDS)) {
    const led = group.state === "ok" || group.state === "at_risk";
    const key = led ? group.leader : group.state;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const troubles = { no_leader: "–", no_quorum: "✕", missing: "?" };
  const entries = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => ({
    key,
    sign: troubles[key] ?? indexOf(key),
    state: troubles[key] ? key : null,
    words: troubles[key] ? `${GROUP_STATES[key][1]}: ${count}` : `${key} leads ${count}`,
  }));
  if (groups.some((group) => group.state === "at_risk")) {
    entries.push({ key: "at_risk", sign: "!", state: "at_risk", words: "one more failure costs the majority" });
  }
  keyed(byId("legend"), entries, (entry) => entry.key, createEntry, updateEntry);
}

function createEntry() {
  return element("li", {}, element("span", { class: "swatch" }), element("span"));
}

function updateEntry(node, entry) {
  const [swatch, words] = node.children;
  setText(swatch, entry.sign);
  setAttribute(swatch, "data-leader", entry.state ? null : Number(entry.sign) % 5);
  setAttribute(swatch, "data-state", entry.state);
  setText(words, entry.words);
}

function showSingles() {
  const body = document.querySelector("#singles tbody");
  const create = () => row(["group", "state", "leader", "replicas"], "group");
  keyed(body, groups.slice(SHARDS), (group) => group.group, create, (node, group) => {
    setText(node.cells_.group, group.group === "cdc" ? "CDC" : group.group);
    setBadge(node.cells_.state, ...GROUP_STATES[group.state]);
    setText(node.cells_.leader, group.leader ?? "none");
    setText(node.cells_.replicas, group.replicas.map((r) => (r.up ? r.node : `${r.node} (silent)`)).join(", ") || "none");
  });
}

export function showGroups(all) {
  if (buttons.length === 0) build();
  groups = all;
  groups.slice(0, SHARDS).forEach((group, shard) => {
    const button = buttons[shard];
    setText(button, sign(group));
    const led = group.state === "ok" || group.state === "at_risk";
    setAttribute(button, "data-leader", led ? Number(indexOf(group.leader)) % 5 : null);
    setAttribute(button, "data-state", group.state);
    setAttribute(button, "aria-label", describe(group));
    setAttribute(button, "title", describe(group));
  });
  showLegend();
  showSingles();
  if (!document.querySelector("#shards button:hover")) showDetail(chosen);
}
