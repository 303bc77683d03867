// Server processes.

import { keyed, row, setAttribute, setBadge, setText } from "./dom.js";
import { ago, moment } from "./words.js";

const byId = (id) => document.getElementById(id);
const CELLS = ["name", "kind", "state", "address", "started", "seen"];

export function showProcesses(nodes) {
  const body = document.querySelector("#processes tbody");
  keyed(body, nodes, (node) => node.node, () => row(CELLS, "name"), (line, node) => {
    const cells = line.cells_;
    setText(cells.name, node.node);
    setText(cells.kind, node.program);
    setBadge(cells.state, ...(node.up ? ["ok", "up"] : ["bad", "not heard from"]));
    setText(cells.address, node.address);
    setText(cells.started, moment(node.started_ms));
    setText(cells.seen, ago(node.seen_ago_ms));
    setAttribute(cells.seen, "title", moment(node.last_seen_ms));
  });
  setText(byId("processes-count"), `${nodes.length}`);
}
