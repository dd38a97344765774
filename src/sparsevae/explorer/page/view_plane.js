// The plane of two dimensions: point anywhere and see it decoded; test codes are dots.

import { announce, follower, h, ink, labelled, sheet } from "./dom.js";
import { brief, clamp } from "./numbers.js";
import { card, heading, thing, things } from "./card.js";
import { classLegend, drawDots } from "./class_dots.js";
import { paintPixels, picture } from "./pictures.js";
import { joined, nameOf, statistics } from "./study.js";

const TILES = 11;
const MARGIN = 0.06; // of a range, beyond its ends
const NEAR = 14; // pixels within which a press finds a dot
const TILE_DELAY = 120; // milliseconds after zooming until pictures are decoded again

export function planeView(app, models) {
  const { study } = app;
  const cards = h("div", { class: "cards roomy" });
  const text =
    `Move over a plane: the ${thing(study)} there is decoded, the other dimensions as in the chosen ` +
    `${thing(study)}. Dots are test ${things(study)}; press one to choose it. Wheel or pinch zooms, dragging moves.`;
  const legend = study.labels ? classLegend(study) : null;
  const element = h("section", {}, heading("Plane", text), legend, cards);
  const mounted = async () => {
    const wide = models.filter((model) => model.latents > 1);
    if (!wide.length) cards.append(h("p", {}, "A plane needs two dimensions; these models have one."));
    const made = await Promise.all(wide.map((model) => planeCard(app, model)));
    cards.append(...made.map((one) => one.element));
    await Promise.all(made.map((one) => one.begin()));
  };
  const update = (changed) => changed.join() === "zoom";
  return { element, mounted, update };
}

/** Parts of the address that hold one text a model: "r0:3;r1:7". */
function perModel(text) {
  return Object.fromEntries(text.split(";").filter(Boolean).map((part) => part.split(":")));
}

function withModel(text, key, value) {
  const all = { ...perModel(text), [key]: value };
  return Object.entries(all).map((pair) => pair.join(":")).join(";");
}

/** The two dimensions that the decoder needs most, or those that the address names. */
function chosenAxes(app, model) {
  const { cost, spread, known } = statistics(app.study, model);
  const need = known ? cost : spread;
  const ranked = [...Array(model.latents).keys()].sort((a, b) => need[b] - need[a]);
  const [first, second] = ranked.slice(0, 2).sort((a, b) => a - b);
  const named = (text, otherwise) => {
    const j = Number.parseInt(perModel(text)[model.key], 10);
    return j >= 0 && j < model.latents ? j : otherwise;
  };
  const x = named(app.state.x, first);
  const up = named(app.state.y, second);
  const y = up === x ? [first, second].find((j) => j !== x) : up; // a link may name one twice
  return { x, y, ranked };
}

async function planeCard(app, model) {
  const { study } = app;
  const { x, y, ranked } = chosenAxes(app, model);
  const base = joined(await app.code(model));
  const canvas = h("canvas", {
    class: "plane",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "plane",
    "aria-label": `Plane of dimensions ${x} and ${y} of ${model.title}; arrow keys move, plus and minus zoom, Enter chooses the nearest dot`,
  });
  const shown = picture(study, `Decoded at the pointer by ${model.title}`);
  const readout = h("p", { class: "quiet readout" });
  const options = ranked.map((j) => [j, `dimension ${j}`]);
  const named = (axis, j) => ({ [axis]: withModel(app.state[axis], model.key, j) });
  // the dimension of the other axis changes places with this one: a plane of one dimension is a line
  const choose = (axis, own, other, its) => (j) =>
    app.set({ ...named(axis, j), ...(Number(j) === its ? named(other, own) : {}), zoom: "" });
  const button = (label, sign, press) =>
    h("button", { type: "button", class: "tool", "aria-label": `${label}, ${model.title}`, title: label, onclick: press }, sign);
  const view = planeWindow(app, model, x, y);
  const state = { app, model, x, y, base, canvas, view, cursor: [base[x], base[y]], tiles: null };
  const tools = h(
    "span",
    { class: "zooms" },
    button("Zoom in", "+", () => zoomBy(0.7)),
    button("Zoom out", "−", () => zoomBy(1 / 0.7)),
    button("Whole plane", "⤢", () => {
      Object.assign(view, planeWindow({ state: { zoom: "" }, study }, model, x, y));
      moved();
    }),
  );
  const made = card(
    model,
    "",
    h(
      "div",
      { class: "beside" },
      shown.element,
      h(
        "div",
        {},
        h(
          "div",
          { class: "axes" },
          labelled("Across", options, x, choose("x", x, "y", y)),
          labelled("Up", options, y, choose("y", y, "x", x)),
        ),
        h("div", { class: "reading" }, readout, tools),
      ),
    ),
    canvas,
  );
  made.line.remove();

  const ask = follower((codes) => study.backend.decode(model.key, codes), (row) => shown.show(row, app.row()));
  function point(to) {
    state.cursor = to;
    const code = base.slice();
    [code[x], code[y]] = to;
    ask(code);
    readout.textContent = `${x}: ${brief(to[0])} · ${y}: ${brief(to[1])}`;
    redraw();
  }
  let asked = 0;
  function redraw() {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      drawPlane(state);
    });
  }
  let later = 0;
  function moved() {
    redraw();
    clearTimeout(later);
    later = setTimeout(async () => {
      if (!canvas.isConnected) return;
      const zoom = [view.x0, view.x1, view.y0, view.y1].map((v) => v.toFixed(3)).join(",");
      app.set({ zoom: withModel(app.state.zoom, model.key, zoom) });
      await decodeTiles(state);
      redraw();
    }, TILE_DELAY);
  }
  function zoomBy(factor, at = state.cursor) {
    view.x0 = at[0] + (view.x0 - at[0]) * factor;
    view.x1 = at[0] + (view.x1 - at[0]) * factor;
    view.y0 = at[1] + (view.y0 - at[1]) * factor;
    view.y1 = at[1] + (view.y1 - at[1]) * factor;
    moved();
  }
  function panBy(dx, dy) {
    view.x0 += dx;
    view.x1 += dx;
    view.y0 += dy;
    view.y1 += dy;
    moved();
  }
  const pick = (place) => place !== null && app.set({ row: String(place), edit: "" }, true);
  listen(state, { point, zoomBy, panBy, pick });
  const begin = async () => {
    state.side = Math.floor(Math.min(canvas.parentElement.clientWidth - 34, 420));
    point(state.cursor);
    if (study.pictures) await decodeTiles(state);
    drawPlane(state);
  };
  return { element: made.element, begin };
}

/** The part of the plane that is seen: the address's, or where test codes lie. */
function planeWindow(app, model, x, y) {
  const named = perModel(app.state.zoom)[model.key];
  if (named) {
    const [x0, x1, y0, y1] = named.split(",").map(Number);
    if ([x0, x1, y0, y1].every(Number.isFinite) && x1 > x0 && y1 > y0) return { x0, x1, y0, y1 };
  }
  const [x0, x1] = rangeOf(model, x);
  const [y0, y1] = rangeOf(model, y);
  return { x0, x1, y0, y1 };
}

function rangeOf(model, j) {
  let low = model.gated ? 0 : Infinity;
  let high = model.gated ? 0 : -Infinity;
  for (let n = 0; n < model.count; n += 1) {
    const value = model.codes[n * model.latents + j];
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high - low < 1e-6) [low, high] = [low - 1, high + 1];
  const extra = (high - low) * MARGIN;
  return [low - extra, high + extra];
}

/** Decode a grid of points of the plane, to be painted behind the dots. */
async function decodeTiles(state) {
  const { app, model, x, y, base, view } = state;
  if (!app.study.pictures) return;
  const codes = new Float32Array(TILES * TILES * model.latents);
  for (let row = 0; row < TILES; row += 1) {
    for (let column = 0; column < TILES; column += 1) {
      const at = (row * TILES + column) * model.latents;
      codes.set(base, at);
      codes[at + x] = view.x0 + ((column + 0.5) / TILES) * (view.x1 - view.x0);
      codes[at + y] = view.y1 - ((row + 0.5) / TILES) * (view.y1 - view.y0);
    }
  }
  const rows = await app.study.backend.decode(model.key, codes);
  const [, height, width] = app.study.shape;
  const whole = document.createElement("canvas");
  whole.width = TILES * width;
  whole.height = TILES * height;
  const pen = whole.getContext("2d");
  const tile = document.createElement("canvas");
  const { size } = app.study;
  for (let i = 0; i < TILES * TILES; i += 1) {
    paintPixels(tile, app.study, rows.subarray(i * size, (i + 1) * size));
    pen.drawImage(tile, (i % TILES) * width, Math.floor(i / TILES) * height);
  }
  state.tiles = { image: whole, ...view };
}

/** Paint what lies behind the pointer where it changed, then the pointer. */
function drawPlane(state) {
  const { canvas, side, tiles, cursor, view } = state;
  if (!side) return;
  const now = [...Object.values(view), tiles ? 1 : 0, tiles?.x0, tiles?.y0].join();
  if (state.painted !== now) {
    state.painted = now;
    drawBehind(state);
    sheet(canvas, side, side);
  }
  const { across, up } = places(state);
  const pen = canvas.getContext("2d");
  pen.drawImage(state.behind, 0, 0, side, side);
  pen.strokeStyle = tiles ? "#ffffff" : ink("ink");
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.arc(across(cursor[0]), up(cursor[1]), 9, 0, 2 * Math.PI);
  pen.moveTo(across(cursor[0]) - 14, up(cursor[1]));
  pen.lineTo(across(cursor[0]) + 14, up(cursor[1]));
  pen.moveTo(across(cursor[0]), up(cursor[1]) - 14);
  pen.lineTo(across(cursor[0]), up(cursor[1]) + 14);
  pen.stroke();
}

/** Where values of the two dimensions lie on the canvas. */
function places({ view, side }) {
  return {
    across: (value) => ((value - view.x0) / (view.x1 - view.x0)) * side,
    up: (value) => side - ((value - view.y0) / (view.y1 - view.y0)) * side,
  };
}

/** Decoded tiles, lines of closed gates and dots, which stay while only the pointer moves. */
function drawBehind(state) {
  const { app, model, side, tiles, x, y } = state;
  const { across, up } = places(state);
  state.behind ??= document.createElement("canvas");
  const pen = sheet(state.behind, side, side);
  pen.fillStyle = ink("inset");
  pen.fillRect(0, 0, side, side);
  if (tiles) {
    const [left, top] = [across(tiles.x0), up(tiles.y1)];
    pen.drawImage(tiles.image, left, top, across(tiles.x1) - left, up(tiles.y0) - top);
    pen.fillStyle = "rgb(0 0 0 / 35%)";
    pen.fillRect(0, 0, side, side);
  }
  const bright = tiles ? "#ffffff" : ink("ink");
  if (model.gated) drawOff(pen, across(0), up(0), side, bright);
  drawDots(pen, app, model, { x, y, across, up, side });
}

/** The row and the column of a closed gate. */
function drawOff(pen, column, row, side, bright) {
  pen.save();
  pen.setLineDash([5, 4]);
  pen.strokeStyle = ink("lit");
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(column, 0);
  pen.lineTo(column, side);
  pen.moveTo(0, row);
  pen.lineTo(side, row);
  pen.stroke();
  pen.font = "600 11px system-ui, sans-serif";
  pen.fillStyle = bright;
  pen.fillText("off", clamp(column + 4, 4, side - 24), 13);
  pen.fillText("off", side - 24, clamp(row - 5, 12, side - 4));
  pen.restore();
}

/** The test row whose dot is nearest to a place, within some pixels. */
function dotAt({ model, view, side, x, y }, to, within) {
  const J = model.latents;
  let best = null;
  let least = within;
  for (let n = 0; n < model.count; n += 1) {
    const dx = ((model.codes[n * J + x] - to[0]) / (view.x1 - view.x0)) * side;
    const dy = ((model.codes[n * J + y] - to[1]) / (view.y1 - view.y0)) * side;
    const distance = Math.hypot(dx, dy);
    if (distance < least) [best, least] = [n, distance];
  }
  return best;
}

function listen(state, { point, zoomBy, panBy, pick }) {
  const { canvas, view, app } = state;
  const fingers = new Map();
  let pressed = null;
  const value = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      view.x0 + ((event.clientX - box.left) / box.width) * (view.x1 - view.x0),
      view.y1 - ((event.clientY - box.top) / box.height) * (view.y1 - view.y0),
    ];
  };
  const perPixel = () => {
    const box = canvas.getBoundingClientRect();
    return [(view.x1 - view.x0) / box.width, (view.y1 - view.y0) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    pressed = { x: event.clientX, y: event.clientY, moved: false, fingers: fingers.size };
    if (event.pointerType === "touch") point(value(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before) {
      const step = [event.clientX - before[0], event.clientY - before[1]];
      if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > 4) pressed.moved = true;
      if (fingers.size === 2) pinch(event);
      else if (event.pointerType !== "touch" && pressed.moved) {
        const [px, py] = perPixel();
        panBy(-step[0] * px, step[1] * py);
      }
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (event.pointerType !== "touch" || fingers.size > 1) return;
    }
    point(value(event));
  });
  function pinch(event) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const before = fingers.get(event.pointerId);
    const apart = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
    const middle = { clientX: (event.clientX + other[0]) / 2, clientY: (event.clientY + other[1]) / 2 };
    zoomBy(clamp(apart(before) / apart([event.clientX, event.clientY]), 0.5, 2), value(middle));
    const [px, py] = perPixel();
    panBy(-((event.clientX - before[0]) / 2) * px, ((event.clientY - before[1]) / 2) * py);
  }
  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (event.type === "pointerup" && pressed && !pressed.moved && pressed.fingers === 1) {
      pick(dotAt(state, value(event), NEAR));
    }
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomBy(clamp(1.0015 ** event.deltaY, 0.5, 2), value(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const arrow = arrows[event.key];
    if (arrow) {
      const step = [arrow[0] * (view.x1 - view.x0), arrow[1] * (view.y1 - view.y0)];
      if (event.shiftKey) panBy(step[0] / 10, step[1] / 10);
      else point([state.cursor[0] + step[0] / 30, state.cursor[1] + step[1] / 30]);
      announce(`${brief(state.cursor[0])}, ${brief(state.cursor[1])}`);
    } else if (event.key === "+" || event.key === "=") zoomBy(0.7);
    else if (event.key === "-") zoomBy(1 / 0.7);
    else if (event.key === "Enter") {
      const place = dotAt(state, state.cursor, Infinity);
      if (place !== null) announce(nameOf(app.study, place));
      pick(place);
    } else return;
    event.preventDefault();
  });
}
