// The code of a row as bars with gates: click to open or close, drag to move, keys for both.

import { h, roving } from "./dom.js";
import { brief, clamp, order } from "./numbers.js";

const MOST_BARS = 64;
const A_LINE = 16;
const FEWEST_ACROSS = 6; // so that two bars are not as wide as the card
const DRAG_FROM = 4; // pixels that a pointer moves before a click is a drag
const KEY_STEPS = 20;

/** Bars of a code. `code` is {on, slabs}; `changed(j, dragging)` after each change;
    `preview(j or null)` where a closed gate is pointed at. */
export function codeBars(model, code, changed, preview) {
  const shown = chosenDimensions(model, code);
  const element = h("div", { class: "bars", role: "group", "aria-label": `Code of ${model.title}` });
  element.classList.toggle("many", shown.length > A_LINE);
  const across = Math.min(A_LINE, Math.max(shown.length, FEWEST_ACROSS));
  element.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
  const bars = new Map(shown.map((j) => [j, bar(model, code, j, changed, preview)]));
  element.append(...[...bars.values()].map((b) => b.element));
  roving(element, ".bar", 0);
  element.addEventListener("keydown", (event) => keys(event, model, code, changed));
  const update = (j) => bars.get(j)?.update();
  return { element, update, hidden: model.latents - shown.length };
}

/** All dimensions, or of many those that this code uses most. */
function chosenDimensions(model, code) {
  const J = model.latents;
  if (J <= MOST_BARS) return [...Array(J).keys()];
  const size = Float32Array.from(code.slabs, (slab, j) => -(code.on[j] ? 1e6 : 0) - Math.abs(slab));
  return order(size).slice(0, MOST_BARS).sort((a, b) => a - b);
}

function bar(model, code, j, changed, preview) {
  const fillBar = h("i");
  const lamp = h("b");
  const element = h(
    "div",
    { class: "bar", role: "slider", "aria-orientation": "vertical", "data-dimension": j },
    h("span", { class: "track" }, fillBar),
    lamp,
    h("small", { "aria-hidden": "true" }, String(j)),
  );
  const reach = model.reach[j];
  element.setAttribute("aria-valuemin", (-reach).toFixed(2));
  element.setAttribute("aria-valuemax", reach.toFixed(2));

  function update() {
    const open = code.on[j] === 1;
    const value = clamp(code.slabs[j] / reach, -1, 1);
    fillBar.style.height = `${Math.abs(value) * 50}%`;
    fillBar.style.bottom = value < 0 ? `${50 + value * 50}%` : "50%";
    element.classList.toggle("open", open);
    const state = open ? `on, ${brief(code.slabs[j])}` : "off";
    element.setAttribute("aria-label", `Dimension ${j}`);
    element.setAttribute("aria-valuenow", (open ? code.slabs[j] : 0).toFixed(2));
    element.setAttribute("aria-valuetext", state);
    element.title = `Dimension ${j}: ${state}`;
  }

  let start = null;
  let moved = false;
  const track = element.firstChild;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { y: event.clientY, value: code.slabs[j] };
    moved = false;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!start) return;
    const distance = start.y - event.clientY;
    if (!moved && Math.abs(distance) < DRAG_FROM) return;
    moved = true;
    const perPixel = (2 * reach) / track.clientHeight;
    code.slabs[j] = clamp(start.value + distance * perPixel, -1.5 * reach, 1.5 * reach);
    code.on[j] = 1;
    update();
    changed(j, true);
  });
  const end = () => {
    if (!start) return;
    start = null;
    if (!moved) {
      code.on[j] = 1 - code.on[j];
      update();
    }
    preview(null);
    changed(j, false);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "touch" && !start && !code.on[j]) preview(j);
  });
  element.addEventListener("pointerleave", () => preview(null));
  element.addEventListener("focus", () => {
    if (element.matches(":focus-visible") && !code.on[j]) preview(j);
  });
  element.addEventListener("blur", () => preview(null));
  update();
  return { element, update };
}

function keys(event, model, code, changed) {
  const element = event.target.closest(".bar");
  if (!element) return;
  const j = Number(element.dataset.dimension);
  const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
  if (event.key === " " || event.key === "Enter") code.on[j] = 1 - code.on[j];
  else if (steps[event.key]) {
    const step = (steps[event.key] * model.reach[j]) / KEY_STEPS;
    code.slabs[j] = clamp(code.slabs[j] + step, -1.5 * model.reach[j], 1.5 * model.reach[j]);
    code.on[j] = 1;
  } else return;
  event.preventDefault();
  changed(j, false);
}
