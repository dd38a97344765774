// Codes as dots in the colours of their classes, and the legend that names these.

import { h, ink } from "./dom.js";
import { order } from "./numbers.js";

const COLOURS = [
  "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f",
  "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#86898c",
];
const OTHERS = "ghost"; // in the style sheet

/** The classes that have a colour: all, or of more than there are colours the most frequent. */
function colouredClasses(study) {
  const counts = new Int32Array(study.classes.length);
  for (const k of study.labels) counts[k] += 1;
  return order(counts.map((count) => -count)).slice(0, COLOURS.length).sort((a, b) => a - b);
}

/** Which colour each class has, and what its dots are called. */
export function classLegend(study) {
  const coloured = colouredClasses(study);
  const item = (name, colour) => {
    const dot = h("i");
    dot.style.background = colour;
    return h("li", {}, dot, name);
  };
  const items = coloured.map((k, place) => item(study.classes[k], COLOURS[place]));
  const others = study.classes.length - coloured.length;
  if (others) items.push(item(`${others} ${others === 1 ? "other" : "others"}`, ink(OTHERS)));
  return h("ul", { class: "legend", "aria-label": "Colours of classes" }, items);
}

/** Draw the codes of two dimensions: grey ones below, the chosen one on top. */
export function drawDots(pen, app, model, { x, y, across, up, side }) {
  const { latents: J, count } = model;
  const { study } = app;
  const chosen = app.isOwn() ? -1 : app.place();
  const radius = side > 300 ? 3 : 2.5;
  const colours = study.labels ? dotColours(study) : Array(count).fill(ink("accent"));
  const others = ink(OTHERS);
  const layers = colours.map((colour, n) => (n === chosen ? 2 : +(colour !== others)));
  for (const n of order(layers)) {
    const left = across(model.codes[n * J + x]);
    const top = up(model.codes[n * J + y]);
    if (left < -5 || top < -5 || left > side + 5 || top > side + 5) continue;
    pen.beginPath();
    pen.arc(left, top, n === chosen ? 6 : radius, 0, 2 * Math.PI);
    pen.fillStyle = colours[n];
    pen.fill();
    if (n === chosen) {
      pen.strokeStyle = "#ffffff";
      pen.lineWidth = 2.5;
      pen.stroke();
    }
  }
}

/** The colour of every row. */
function dotColours(study) {
  const places = new Map(colouredClasses(study).map((k, place) => [k, place]));
  const others = ink(OTHERS);
  return Array.from(study.labels, (k) => COLOURS[places.get(k)] ?? others);
}
