// Numbers as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

export function bytes(count) {
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function number(count) {
  return count.toLocaleString("en-GB").replaceAll(",", "\u202f");
}

export function ago(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 3) return "just now";
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

export function moment(milliseconds) {
  const date = new Date(milliseconds);
  const two = (value) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// [kind of badge, words]
export const SEVERITIES = { ok: ["ok", "OK"], degraded: ["warn", "Degraded"], down: ["bad", "Down"] };

export const SERVICE_STATES = {
  active: ["ok", "active"],
  no_read: ["warn", "no reads"],
  no_write: ["warn", "no writes"],
  stale: ["bad", "stale"],
  decommissioned: ["", "decommissioned"],
};

export const GROUP_STATES = {
  ok: ["ok", "ok"],
  at_risk: ["warn", "at risk"],
  no_leader: ["bad", "no leader"],
  no_quorum: ["bad", "no quorum"],
  missing: ["bad", "not registered"],
};
