// Block services by failure domain: one table body per domain.

import { element, keyed, row, setAttribute, setBadge, setText } from "./dom.js";
import { SERVICE_STATES, ago, bytes, number } from "./words.js";

// A page of thousands of rows helps nobody; the rest is in the JSON.
const ROWS_MAX = 512;
const CELLS = ["domain", "id", "class", "state", "fill", "blocks", "process", "seen"];
const byId = (id) => document.getElementById(id);

function createRow() {
  const node = row(CELLS, "domain");
  node.cells_.blocks.classList.add("number");
  node.bar = element("div", { class: "bar", role: "img" }, element("span"));
  node.used = element("span", { class: "used" });
  node.free = element("span");
  node.cells_.fill.append(node.bar, element("div", { class: "figures" }, node.used, node.free));
  return node;
}

function showFill(node, disk) {
  const taken = disk.capacity_bytes - disk.available_bytes;
  const percent = disk.capacity_bytes > 0 ? (100 * taken) / disk.capacity_bytes : 0;
  node.bar.firstChild.style.setProperty("--filled", percent.toFixed(1));
  setAttribute(node.bar, "data-fill", disk.fill);
  setAttribute(node.bar, "aria-label", `${percent.toFixed(0)} % of the disk is taken`);
  const known = disk.capacity_bytes > 0;
  setText(node.used, known ? `${bytes(disk.used_bytes)} in blocks · ` : "");
  setText(node.free, known ? `${bytes(disk.available_bytes)} free of ${bytes(disk.capacity_bytes)}` : "no report yet");
}

function showState(cell, disk) {
  const [kind, words] = SERVICE_STATES[disk.state];
  const why = disk.set_by_hand ? ", by hand" : disk.fenced ? ", I/O errors" : disk.slow ? ", slow" : "";
  setBadge(cell, kind, words + why);
}

function updateRow(node, { disk, domain, isFirst }) {
  const cells = node.cells_;
  setText(cells.domain, isFirst ? domain : "");
  setText(cells.id, disk.service);
  setText(cells.class, disk.class);
  showState(cells.state, disk);
  showFill(node, disk);
  setText(cells.blocks, number(disk.blocks));
  setText(cells.process, disk.node);
  setText(cells.seen, ago(disk.seen_ago_ms));
}

export function showDisks(domains) {
  const total = domains.reduce((sum, domain) => sum + domain.services.length, 0);
  let room = ROWS_MAX;
  const shown = domains.filter((domain) => (room -= domain.services.length) >= 0);
  keyed(byId("disks"), shown, (d) => d.domain, (d) => element("tbody", { "data-domain": d.domain }), (body, domain) => {
    const rows = domain.services.map((disk, index) => ({ disk, domain: domain.domain, isFirst: index === 0 }));
    keyed(body, rows, (r) => r.disk.service, createRow, updateRow);
  });
  setText(byId("disks-count"), `${total} in ${domains.length} failure domains`);
  const more = byId("disks-more");
  more.hidden = shown.length === domains.length;
  setText(more, `${domains.length - shown.length} more failure domains are in /api/v1/status.`);
}
