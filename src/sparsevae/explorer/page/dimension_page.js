// The page of one dimension: what it does, who uses it, and with what it turns on.

import { h, ink, labelled, sheet } from "./dom.js";
import { brief, largest } from "./numbers.js";
import { heading, rowStrip, thing, things } from "./card.js";
import { rowButton } from "./pictures.js";
import { byDimension, joined, statistics } from "./study.js";

const STRIP = 9;
const TOP = 18;
const BINS = 30;
const TOGETHER = 8;
const COLUMNS = 12;

export function dimensionPage(app, model, models, j) {
  const { study } = app;
  const stats = statistics(study, model);
  const go = (changes) => app.set(changes, true);
  const link = (text, changes, off) =>
    h("button", { type: "button", class: "plain", disabled: off, onclick: () => go(changes) }, text);
  const others = labelled("Model", models.map((one) => [one.key, one.title]), model.key, (key) => {
    const other = models.find((one) => one.key === key);
    go({ model: key, d: String(Math.min(j, other.latents - 1)) });
  });
  const share = Math.round(100 * stats.share[j]);
  const need = stats.known ? ` Without it the reconstruction loses ${brief(stats.cost[j])} nats.` : "";
  const words = stats.dead[j]
    ? "This dimension does nothing: no picture changes with it."
    : `${model.gated ? `On in ${share} % of the test ${things(study)}.` : "Always on."}${need}`;
  const head = heading(
    `Dimension ${j} of ${model.title}`,
    words,
    link("All dimensions", { d: "", model: "" }),
    link("‹ Former", { d: String(j - 1) }, j === 0),
    link("Next ›", { d: String(j + 1) }, j === model.latents - 1),
    others,
  );
  const effect = h("div", { class: "card" });
  const parts = [effect, topRows(app, model, j), histogram(study, model, j)];
  if (study.labels) parts.push(classProfile(study, model, stats, j));
  parts.push(together(app, model, stats, j));
  const element = h("section", { class: "dimension" }, head, h("div", { class: "parts" }, parts.map((part) => part.element ?? part)));
  const mounted = async () => {
    parts.forEach((part) => part.draw?.());
    await showEffect(app, model, j, effect);
  };
  return { element, mounted };
}

/** The chosen row with this dimension at other values; of tables, what it does to columns. */
async function showEffect(app, model, j, place) {
  const { study } = app;
  const code = joined(await app.code(model));
  const [low, high] = model.arrays.ends.data.subarray(2 * j, 2 * j + 2);
  const values = Array.from({ length: STRIP }, (_, i) => low + ((high - low) * i) / (STRIP - 1));
  if (model.gated) values.unshift(0);
  const codes = new Float32Array(values.length * model.latents);
  values.forEach((value, i) => {
    codes.set(code, i * model.latents);
    codes[i * model.latents + j] = value;
  });
  const rows = await study.backend.decode(model.key, codes);
  const at = (i) => rows.slice(i * study.size, (i + 1) * study.size);
  const name = (value, i) => (model.gated && i === 0 ? "off" : brief(value));
  const items = values.map((value, i) => {
    const label = `Dimension ${j} ${name(value, i)}`;
    const press = () => app.useOwn(at(i), label);
    return h("li", {}, rowButton(study, at(i), label, press, 60), h("span", {}, name(value, i)));
  });
  place.append(
    h("h3", {}, "What it does"),
    h("p", { class: "quiet" }, `The chosen ${thing(study)}, decoded with this dimension from low to high.`),
    h("ol", { class: "frames", role: "list" }, items),
  );
  if (!study.pictures) place.append(columnEffects(study, at(model.gated ? 1 : 0), at(values.length - 1)));
}

/** The columns that change most from the low end to the high end, in standard deviations. */
function columnEffects(study, low, high) {
  const { spread } = study.baseline;
  const change = Array.from(high, (value, i) => (value - low[i]) / spread[i]);
  const order = [...change.keys()].sort((a, b) => Math.abs(change[b]) - Math.abs(change[a])).slice(0, COLUMNS);
  const most = Math.abs(change[order[0]]) || 1;
  const lines = order.map((i) => {
    const bar = h("i", { class: change[i] < 0 ? "below" : "above" });
    const long = (50 * Math.abs(change[i])) / most;
    bar.style.width = `${long}%`;
    bar.style.left = change[i] < 0 ? `${50 - long}%` : "50%";
    const value = `${change[i] > 0 ? "+" : ""}${brief(change[i])}`;
    return h("tr", {}, h("th", { scope: "row" }, study.columns[i] ?? `x${i}`), h("td", {}, h("span", { class: "meter" }, bar)), h("td", { class: "value" }, value));
  });
  const caption = h("caption", { class: "quiet" }, "Change of each column from low to high, in standard deviations");
  return h("table", { class: "columns effects" }, caption, h("tbody", {}, lines));
}

function topRows(app, model, j) {
  const { study } = app;
  const value = (n) => `, ${brief(model.codes[n * model.latents + j])}`;
  const places = byDimension(model, j);
  const positive = places.filter((n) => model.codes[n * model.latents + j] > 0).slice(0, TOP);
  const negative = places.filter((n) => model.codes[n * model.latents + j] < 0).reverse().slice(0, TOP);
  const strips = [];
  const side = study.pictures ? 46 : 40;
  if (positive.length) strips.push(h("h4", {}, "Highest"), rowStrip(app, positive, "Rows with the highest values", value, side));
  if (negative.length) strips.push(h("h4", {}, "Lowest"), rowStrip(app, negative, "Rows with the lowest values", value, side));
  if (!strips.length) strips.push(h("p", { class: "quiet" }, `It is off in every test ${thing(study)}.`));
  return h("div", { class: "card" }, h("h3", {}, `Test ${things(study)} that use it most`), ...strips);
}

function histogram(study, model, j) {
  const values = byDimension(model, j).map((n) => model.codes[n * model.latents + j]);
  const canvas = h("canvas", { role: "img" });
  const element = h("div", { class: "card" }, h("h3", {}, "How strongly"), h("p", { class: "quiet" }, `Values where it is on, ${values.length} of ${model.count} test ${things(study)}.`), canvas);
  function draw() {
    const width = element.clientWidth - 34;
    const pen = sheet(canvas, width, 130);
    if (!values.length) return;
    const [low, high] = [Math.min(...values, 0), Math.max(...values, 0)];
    const counts = new Array(BINS).fill(0);
    for (const value of values) counts[Math.min(BINS - 1, Math.floor(((value - low) / (high - low || 1)) * BINS))] += 1;
    const most = Math.max(...counts);
    pen.fillStyle = ink("accent");
    counts.forEach((count, i) => {
      const tall = (104 * count) / most;
      pen.fillRect((i * width) / BINS, 108 - tall, width / BINS - 1.5, tall);
    });
    const zero = ((0 - low) / (high - low || 1)) * width;
    pen.fillStyle = ink("muted");
    pen.fillRect(0, 109, width, 1);
    pen.font = `11px ${getComputedStyle(canvas).fontFamily}`;
    pen.fillText(brief(low), 0, 124);
    pen.textAlign = "right";
    pen.fillText(brief(high), width, 124);
    pen.textAlign = "center";
    if (zero > 48 && zero < width - 48) pen.fillText("0", zero, 124);
    canvas.setAttribute("aria-label", `Histogram of ${values.length} values from ${brief(low)} to ${brief(high)}`);
  }
  return { element, draw };
}

function classProfile(study, model, stats, j) {
  const values = study.classes.map((_, k) => stats.perClass[k * model.latents + j]);
  const most = model.gated ? 1 : largest(values.map(Math.abs), 1e-9);
  const lines = values.map((value, k) => {
    const bar = h("i", { class: value < 0 ? "below" : "above" });
    bar.style.width = `${(100 * Math.abs(value)) / most}%`;
    const text = model.gated ? `${Math.round(100 * value)} %` : brief(value);
    return h("div", {}, h("span", {}, study.classes[k]), h("span", { class: "length" }, bar), h("span", {}, text));
  });
  const quiet = model.gated ? `Share of each class's ${things(study)} in which it is on.` : "Mean value of each class.";
  return h("div", { class: "card ranking" }, h("h3", {}, "For which classes"), h("p", { class: "quiet" }, quiet), lines);
}

/** Dimensions that are on when this one is, more often than otherwise; without gates, those
    whose values go together. */
function together(app, model, stats, j) {
  const scores = model.gated ? lifts(model, stats, j) : correlations(model, j);
  const strength = (k) => (model.gated ? scores[k] : Math.abs(scores[k]));
  const order = [...scores.keys()]
    .filter((k) => k !== j && Number.isFinite(scores[k]) && !stats.dead[k] && strength(k) > (model.gated ? 1 : 0))
    .sort((a, b) => strength(b) - strength(a))
    .slice(0, TOGETHER);
  const items = order.map((k) => {
    const text = model.gated ? `${brief(scores[k])} times as often` : `correlation ${brief(scores[k])}`;
    const press = () => app.set({ d: String(k) }, true);
    return h("li", {}, h("button", { type: "button", class: "plain small", onclick: press }, `Dimension ${k}`), h("span", { class: "quiet" }, text));
  });
  const quiet = model.gated ? "Which others are on when this one is, compared with otherwise." : "Which others change with it.";
  const none = items.length ? null : h("p", {}, "None more than by chance.");
  return h("div", { class: "card" }, h("h3", {}, "What it turns on with"), h("p", { class: "quiet" }, quiet), h("ul", { class: "together" }, items), none);
}

/** P(k is on | j is on) / P(k is on). */
function lifts(model, { share }, j) {
  const J = model.latents;
  const both = new Float32Array(J);
  let on = 0;
  for (let n = 0; n < model.count; n += 1) {
    if (model.gates[n * J + j] <= 127) continue;
    on += 1;
    for (let k = 0; k < J; k += 1) both[k] += +(model.gates[n * J + k] > 127);
  }
  return both.map((count, k) => count / on / share[k]);
}

function correlations(model, j) {
  const J = model.latents;
  const N = model.count;
  const mean = new Float32Array(J);
  for (let i = 0; i < model.codes.length; i += 1) mean[i % J] += model.codes[i] / N;
  const cross = new Float32Array(J);
  const square = new Float32Array(J);
  for (let n = 0; n < N; n += 1) {
    const own = model.codes[n * J + j] - mean[j];
    for (let k = 0; k < J; k += 1) {
      const other = model.codes[n * J + k] - mean[k];
      cross[k] += own * other;
      square[k] += other * other;
    }
  }
  return cross.map((sum, k) => sum / (Math.sqrt(square[k] * square[j]) || 1));
}
