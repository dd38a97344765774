// What is looked at, kept in the address so that a link or the Back button brings it back.

const START = {
  view: "image",
  row: "0",
  own: "",
  to: "",
  size: "",
  model: "",
  d: "",
  sort: "cost",
  find: "",
  show: "code",
  cell: "",
  sigma: "0.3",
  seed: "1",
  gates: "",
  class: "",
  x: "",
  y: "",
  zoom: "",
  edit: "",
};

/** The state that an address names. */
export function readState(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const state = { ...START };
  if (path) [state.view] = path.split("/");
  for (const [name, value] of new URLSearchParams(query ?? "")) {
    if (name in START && name !== "view") state[name] = value;
  }
  return state;
}

/** The address that names a state. */
export function address(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name !== "view" && String(value) !== START[name]) query.set(name, value);
  }
  const text = query.toString();
  return `#/${state.view}${text ? `?${text}` : ""}`;
}

/** Changes of codes as text: "r2:3=1.25,5!;r3:0!" moves dimension 3 and switches gate 5. */
export function readEdits(text) {
  const edits = {};
  for (const part of text.split(";")) {
    const [key, list] = part.split(":");
    if (!list) continue;
    edits[key] = {};
    for (const item of list.split(",")) {
      const found = /^(\d+)(!)?(?:=(-?[\d.]+))?$/.exec(item);
      if (!found) continue;
      edits[key][found[1]] = {
        flipped: found[2] === "!",
        value: found[3] === undefined ? null : Number(found[3]),
      };
    }
  }
  return edits;
}

export function writeEdits(edits) {
  const parts = [];
  for (const [key, changes] of Object.entries(edits)) {
    const list = Object.entries(changes)
      .filter(([, change]) => change.flipped || change.value !== null)
      .map(([j, { flipped, value }]) => `${j}${flipped ? "!" : ""}${moved(value)}`);
    if (list.length) parts.push(`${key}:${list.join(",")}`);
  }
  return parts.join(";");
}

const moved = (value) => (value === null ? "" : `=${Number(value.toFixed(3))}`);
