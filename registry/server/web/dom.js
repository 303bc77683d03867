// Building and updating the page. Text goes in as text, never as markup; what has not changed is not touched,
// so that nothing jumps, and selections and focus stay.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

// null removes it.
export function setAttribute(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

// One child per item, found again by its key; in the order of the items, after what was there before.
export function keyed(parent, items, keyOf, create, update) {
  const fixed = parent.keyedAfter ?? (parent.keyedAfter = { node: parent.lastElementChild });
  const known = parent.keyedChildren ?? (parent.keyedChildren = new Map());
  const seen = new Set();
  let before = fixed.node;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    let child = known.get(key);
    if (!child) {
      child = create(item);
      known.set(key, child);
    }
    const place = before ? before.nextSibling : parent.firstChild;
    if (child !== place) parent.insertBefore(child, place);
    update(child, item);
    before = child;
  }
  for (const [key, child] of known) {
    if (!seen.has(key)) {
      child.remove();
      known.delete(key);
    }
  }
}

// A row whose cells are remembered by name.
export function row(names, headName) {
  const node = element("tr");
  node.cells_ = {};
  for (const name of names) {
    const cell = name === headName ? element("th", { scope: "row", class: name }) : element("td", { class: name });
    node.cells_[name] = cell;
    node.append(cell);
  }
  return node;
}

export function badge(kind, text) {
  return element("span", { class: `badge ${kind}` }, text);
}

export function setBadge(cell, kind, text) {
  const node = cell.firstElementChild ?? cell.appendChild(badge(kind, text));
  setAttribute(node, "class", `badge ${kind}`);
  setText(node, text);
}
