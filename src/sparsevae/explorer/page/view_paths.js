// From one row to another: straight, and by switching one dimension at a time.

import { h } from "./dom.js";
import { brief } from "./numbers.js";
import { aThing, card, heading, thing, things } from "./card.js";
import { rowButton, thumbnail } from "./pictures.js";
import { joined, nameOf, rowAt, codeAt } from "./study.js";

const STRAIGHT_STEPS = 10;
const MOST_SWITCHES = 24; // further dimensions change together in a last step
const CHOICES = 14;

export function pathsView(app, models, current) {
  const { study } = app;
  const to = targetOf(app);
  const text =
    `From the chosen ${thing(study)} to another one, in a straight line and by changing one dimension at a time, ` +
    `the cheapest next. Below each step stands what it costs, in nats.`;
  const choices = choicesOf(app, to).map((n) => {
    const press = () => app.set({ to: String(n) }, true);
    const button = rowButton(study, rowAt(study, n), `To ${nameOf(study, n)}`, press, 46);
    button.setAttribute("aria-current", String(n === to));
    return button;
  });
  const ends = h(
    "div",
    { class: "ends" },
    h("div", {}, h("h4", {}, "From"), thumbnail(study, app.row(), 64)),
    h("span", { "aria-hidden": "true" }, "→"),
    h("div", {}, h("h4", {}, "To"), thumbnail(study, rowAt(study, to), 64)),
    h("div", { class: "choices" }, h("h4", {}, `Press ${aThing(study)} to go there`), h("div", { class: "strip", role: "group", "aria-label": `${things(study)} to go to` }, choices)),
  );
  const cards = h("div", { class: "cards wide" });
  const element = h("section", {}, heading("Paths", text), ends, cards);
  const mounted = async () => {
    const made = models.map((model) => pathCard(model));
    cards.append(...made.map((one) => one.element));
    for (const one of made) {
      if (!current()) return;
      await one.walk(app, to);
    }
  };
  return { element, mounted };
}

/** The row that the path leads to: the address's, or the next one of another class. */
function targetOf(app) {
  const { study } = app;
  const named = Number.parseInt(app.state.to, 10);
  if (named >= 0 && named < study.count) return named;
  const from = app.isOwn() ? -1 : app.place();
  for (let n = 1; n < study.count; n += 1) {
    const at = (Math.max(0, from) + n) % study.count;
    if (!study.labels || from < 0 || study.labels[at] !== study.labels[from]) return at;
  }
  return 0;
}

/** Some rows to go to: of every class in turn, the target among them. */
function choicesOf(app, to) {
  const { study } = app;
  const chosen = [];
  if (study.labels) {
    for (let k = 0; k < study.classes.length && chosen.length < CHOICES; k += 1) {
      const at = study.labels.indexOf(k);
      if (at >= 0) chosen.push(at);
    }
  }
  for (let n = 0; chosen.length < CHOICES && n < study.count; n += 1) {
    if (!chosen.includes(n)) chosen.push(n);
  }
  return chosen.includes(to) ? chosen : [to, ...chosen.slice(0, CHOICES - 1)];
}

function pathCard(model) {
  const straight = h("div", { class: "path" });
  const switched = h("div", { class: "path" });
  const way = model.gated ? "Gate by gate" : "One dimension at a time";
  const made = card(model, "…", h("h4", {}, "Straight"), straight, h("h4", {}, way), switched);
  async function walk(app, to) {
    const from = await app.code(model);
    const end = codeAt(model, to);
    const line = await straightPath(app, model, joined(from), joined(end));
    straight.append(frames(app, line, `Straight path of ${model.title}`));
    const steps = await switchedPath(app, model, from, end);
    switched.append(frames(app, steps, `${way}, ${model.title}`));
    made.line.textContent = `straight ${brief(line.total)} nats · ${way.toLowerCase()} ${brief(steps.total)} nats`;
  }
  return { element: made.element, walk };
}

async function straightPath(app, model, a, b) {
  const codes = [];
  for (let t = 0; t <= STRAIGHT_STEPS; t += 1) {
    codes.push(a.map((value, j) => value + ((b[j] - value) * t) / STRAIGHT_STEPS));
  }
  const costs = await Promise.all(
    codes.slice(1).map((code, t) => stepCosts(app, model, codes[t], [code])),
  );
  const names = codes.map((_, t) => `${Math.round((100 * t) / STRAIGHT_STEPS)} %`);
  return finished(app, model, codes, costs.map(([cost]) => cost), names);
}

/** Nats from one code to each of others. */
async function stepCosts(app, model, from, others) {
  const all = new Float32Array((others.length + 1) * model.latents);
  all.set(from);
  others.forEach((code, i) => all.set(code, (i + 1) * model.latents));
  const costs = await app.study.backend.costs(model.key, all);
  return Array.from(costs.subarray(1), (cost) => (cost > 0 ? cost : 0));
}

/** Change one dimension after another, the cheapest next; what is left over changes at the end. */
async function switchedPath(app, model, from, end) {
  const a = joined(from);
  const b = joined(end);
  const different = [...a.keys()].filter((j) => a[j] !== b[j]);
  const reach = (j) => Math.abs(a[j] - b[j]) / model.reach[j];
  different.sort((i, j) => reach(j) - reach(i));
  let left = different.slice(0, MOST_SWITCHES);
  const rest = different.slice(MOST_SWITCHES);
  const codes = [a];
  const costs = [];
  const names = ["start"];
  while (left.length) {
    const now = codes.at(-1);
    const next = left.map((j) => now.map((value, i) => (i === j ? b[j] : value)));
    const each = await stepCosts(app, model, now, next);
    const best = each.indexOf(Math.min(...each));
    codes.push(next[best]);
    costs.push(each[best]);
    names.push(`${sign(from, end, left[best])}${left[best]}`);
    left = left.filter((_, i) => i !== best);
  }
  if (rest.length) {
    costs.push((await stepCosts(app, model, codes.at(-1), [b]))[0]);
    codes.push(b);
    names.push(`${rest.length} more`);
  }
  return finished(app, model, codes, costs, names);
}

const sign = (from, end, j) => (from.on[j] === end.on[j] ? "±" : end.on[j] ? "+" : "−");

async function finished(app, model, codes, costs, names) {
  const all = new Float32Array(codes.length * model.latents);
  codes.forEach((code, i) => all.set(code, i * model.latents));
  const rows = await app.study.backend.decode(model.key, all);
  return { rows, costs: [0, ...costs], names, total: costs.reduce((a, b) => a + b, 0) };
}

function frames(app, path, label) {
  const { study } = app;
  const most = Math.max(...path.costs, 1e-9);
  const items = path.names.map((name, i) => {
    const row = path.rows.subarray(i * study.size, (i + 1) * study.size);
    const bar = h("i");
    bar.style.height = `${Math.round((28 * path.costs[i]) / most)}px`;
    const cost = i ? brief(path.costs[i]) : "";
    return h(
      "li",
      { title: i ? `${cost} nats` : "start" },
      thumbnail(study, row, 52),
      h("span", {}, name),
      h("span", { class: "cost" }, bar),
      h("small", {}, cost),
    );
  });
  return h("ol", { class: "frames", tabindex: "0", role: "list", "aria-label": `${label}, ${brief(path.total)} nats` }, items);
}
