// The heat map of classes and dimensions; press a cell for the rows behind it.

import { announce, fill, h, segmented, sheet } from "./dom.js";
import { brief, clamp, largest } from "./numbers.js";
import { card, heading, rowStrip, thing, things } from "./card.js";
import { shade } from "./pictures.js";
import { byDimension } from "./study.js";

const MEASURES = {
  code: ["Code", "class_code", "mean code"],
  gamma: ["Gate", "class_gamma", "mean probability that the gate is open"],
  mean: ["Gate × value", "class_mean", "mean of gate times value"],
};
const LABEL = 46;
const CELL = 22;
const LEAST = 5;
const BEHIND = 24;

export function classesView(app, models) {
  const { study, state } = app;
  const measure = MEASURES[state.show] ? state.show : "code";
  const text =
    `How strongly each dimension (across) is used by each class (down). Press a cell to see the ` +
    `${things(study)} behind it.`;
  const options = Object.entries(MEASURES).map(([key, [title]]) => [key, title]);
  const choose = segmented("What is shown", options, measure, (show) => app.set({ show }));
  const cards = h("div", { class: "cards maps" });
  const behind = h("div", { class: "behind", "aria-live": "polite" });
  const element = h("section", {}, heading("Classes", text, choose), cards, behind);
  const mounted = () => {
    if (!study.labels) {
      fill(cards, h("p", {}, `These ${things(study)} have no classes.`));
      return;
    }
    const maps = models.map((model) => heatMap(app, model, measure));
    cards.append(...maps.map((map) => map.element));
    maps.forEach((map) => map.draw());
    showBehind(app, models, behind);
  };
  const update = (changed) => {
    if (changed.length !== 1 || changed[0] !== "cell") return false;
    showBehind(app, models, behind);
    return true;
  };
  return { element, mounted, update };
}

/** The means of every class: the run's own over all test rows, or those of the rows shown. */
function classMeans(study, model, measure) {
  const kept = model.arrays[MEASURES[measure][1]];
  if (kept) return kept.data;
  const J = model.latents;
  const sums = new Float32Array(study.classes.length * J);
  const counts = new Float32Array(study.classes.length);
  for (let n = 0; n < model.count; n += 1) {
    const k = study.labels[n];
    counts[k] += 1;
    for (let j = 0; j < J; j += 1) {
      const i = n * J + j;
      const gate = model.gates[i] / 255;
      sums[k * J + j] += { gamma: gate, code: model.codes[i], mean: gate * model.slabs[i] }[measure];
    }
  }
  return sums.map((sum, i) => sum / (counts[Math.floor(i / J)] || 1));
}

function heatMap(app, model, measure) {
  const { study } = app;
  const K = study.classes.length;
  const J = model.latents;
  const means = classMeans(study, model, measure);
  const single = measure === "gamma";
  const most = single ? 1 : largest(means.map(Math.abs)) || 1;
  const words = MEASURES[measure][2];
  const canvas = h("canvas", {
    class: "map",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "heat map",
    "aria-label": `${model.title}, ${words}, ${K} classes by ${J} dimensions; arrow keys move, Enter shows what is behind a cell`,
  });
  const readout = h("p", { class: "quiet readout" }, "Point at a cell to read it.");
  const box = h("div", { class: "scroll" }, canvas);
  const scale = single ? "0 to 1" : `−${brief(most)} to ${brief(most)}`;
  const made = card(model, `${words}, ${scale}`, box, readout);
  let cell = null;
  let wide = CELL;

  function draw() {
    const room = box.clientWidth - LABEL - 2;
    wide = clamp(room / J, LEAST, 34);
    const pen = sheet(canvas, LABEL + wide * J, CELL * K + 18);
    const style = getComputedStyle(canvas);
    pen.font = `12px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    for (let k = 0; k < K; k += 1) {
      pen.fillStyle = style.color;
      pen.fillText(study.classes[k].slice(0, 7), 0, CELL * (k + 0.5), LABEL - 6);
      for (let j = 0; j < J; j += 1) {
        pen.fillStyle = shade(means[k * J + j] / most, single);
        pen.fillRect(LABEL + j * wide, CELL * k, wide - (wide > 8 ? 1 : 0.3), CELL - 1);
      }
    }
    const every = Math.ceil(26 / wide);
    pen.fillStyle = style.color;
    pen.textAlign = "center";
    for (let j = 0; j < J; j += every) pen.fillText(String(j), LABEL + (j + 0.5) * wide, CELL * K + 10);
    if (cell) {
      pen.strokeStyle = style.color;
      pen.lineWidth = 2;
      pen.strokeRect(LABEL + cell.j * wide - 1, CELL * cell.k - 1, wide + 1, CELL + 1);
    }
  }
  function point(k, j) {
    cell = { k: clamp(k, 0, K - 1), j: clamp(j, 0, J - 1) };
    const value = brief(means[cell.k * J + cell.j]);
    readout.textContent = `Class ${study.classes[cell.k]}, dimension ${cell.j}: ${value}`;
    draw();
  }
  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [
      Math.floor((event.clientY - frame.top) / CELL),
      Math.floor((event.clientX - frame.left - LABEL) / wide),
    ];
  };
  const open = () => cell && app.set({ cell: `${model.key}.${cell.k}.${cell.j}` });
  canvas.addEventListener("pointermove", (event) => point(...at(event)));
  canvas.addEventListener("click", (event) => {
    point(...at(event));
    open();
  });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const step = steps[event.key];
    if (step) point((cell?.k ?? 0) + (cell ? step[0] : 0), (cell?.j ?? 0) + (cell ? step[1] : 0));
    else if (event.key === "Enter" || event.key === " ") open();
    else return;
    if (step) announce(readout.textContent);
    event.preventDefault();
  });
  return { element: made.element, draw };
}

/** The rows of a class that use a dimension most, and those that do not. */
function showBehind(app, models, place) {
  const { study } = app;
  const [key, k, j] = app.state.cell.split(".");
  const model = models.find((one) => one.key === key);
  if (!model || !(k < study.classes.length) || !(j < model.latents)) {
    fill(place);
    return;
  }
  const inClass = (n) => study.labels[n] === Number(k);
  const on = byDimension(model, Number(j), inClass);
  const total = study.labels.reduce((sum, label) => sum + +(label === Number(k)), 0);
  const value = (n) => `, ${brief(model.codes[n * model.latents + Number(j)])}`;
  const open = h(
    "button",
    { type: "button", class: "plain", onclick: () => app.set({ view: "dimensions", model: key, d: j }, true) },
    `Open dimension ${j}`,
  );
  fill(
    place,
    h("h3", {}, `Class ${study.classes[k]}, dimension ${j} of ${model.title}`),
    h("p", { class: "quiet" }, `On in ${on.length} of ${total} test ${things(study)}; the ${thing(study)} with the largest value first.`),
    rowStrip(app, on.slice(0, BEHIND), "Rows behind the cell", value, 48),
    open,
  );
  place.scrollIntoView({ block: "nearest" });
}
