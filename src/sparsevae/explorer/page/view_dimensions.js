// All dimensions as lists beside each other, and a page for each.

import { fill, h, labelled } from "./dom.js";
import { brief, largest } from "./numbers.js";
import { heading, thing, things } from "./card.js";
import { thumbnail } from "./pictures.js";
import { byDimension, rowAt, statistics } from "./study.js";
import { dimensionPage } from "./dimension_page.js";

const LINE = 46; // pixels of a line of the list
const SEEN = 12; // lines that are seen at once
const EXTRA = 4;
const SORTS = {
  cost: ["Most needed", ({ cost, known, spread }, j) => -(known ? cost[j] : spread[j])],
  share: ["On most often", ({ share }, j) => -share[j]],
  select: ["Most selective", (stats, j) => -selectivity(stats, j)],
  number: ["Number", (_, j) => j],
};

export function dimensionsView(app, models) {
  const { state } = app;
  const model = models.find((one) => one.key === state.model);
  if (model && state.d !== "" && Number(state.d) < model.latents) {
    return dimensionPage(app, model, models, Math.floor(Number(state.d)));
  }
  return dimensionLists(app, models);
}

function dimensionLists(app, models) {
  const { study, state } = app;
  const text =
    `Every dimension, with the ${things(study)} that use it most. Press one for its page: what it does, for whom, ` +
    `and with what it turns on. Greyed ones do nothing.`;
  const options = Object.entries(SORTS).filter(([key]) => key !== "select" || study.labels);
  const sort = labelled("Order", options.map(([key, [title]]) => [key, title]), state.sort, (value) => app.set({ sort: value }));
  const find = h("input", {
    type: "search", placeholder: study.labels ? "number or class" : "number", value: state.find, "aria-label": "Find a dimension by its number or its class",
  });
  const lists = models.map((model) => dimensionList(app, model));
  find.addEventListener("input", () => {
    app.set({ find: find.value });
    lists.forEach((list) => list.update());
  });
  const cards = h("div", { class: "cards" }, lists.map((list) => list.element));
  const element = h("section", {}, heading("Dimensions", text, sort, find), cards);
  const update = (changed) => {
    if (changed.join() === "find") return find.value === app.state.find;
    return changed.every((name) => ["row", "edit", "class"].includes(name));
  };
  return { element, mounted: () => lists.forEach((list) => list.update()), update };
}

/** How far the class that uses a dimension most stands above the mean class, 0 to 1. */
export function selectivity({ perClass, share }, j) {
  const J = share.length;
  const values = [];
  for (let i = j; i < perClass.length; i += J) values.push(Math.abs(perClass[i]));
  const most = largest(values);
  const rest = (values.reduce((a, b) => a + b, 0) - most) / Math.max(1, values.length - 1);
  return most > 0 ? (most - rest) / (most + rest) : 0;
}

function chosen(app, model) {
  const { state, study } = app;
  const stats = statistics(study, model);
  const key = (SORTS[state.sort] ?? SORTS.cost)[1];
  const rank = Float32Array.from({ length: model.latents }, (_, j) => key(stats, j));
  const all = [...rank.keys()].sort((a, b) => rank[a] - rank[b]);
  const wanted = state.find.trim().toLowerCase();
  if (!wanted) return all;
  return all.filter((j) => String(j).startsWith(wanted) || topClass(study, stats, j).toLowerCase().startsWith(wanted.replace(/^class /, "")));
}

/** The class that uses a dimension most. */
export function topClass(study, { perClass, share }, j) {
  if (!study.labels) return "";
  let best = 0;
  for (let k = 1; k < study.classes.length; k += 1) {
    if (Math.abs(perClass[k * share.length + j]) > Math.abs(perClass[best * share.length + j])) best = k;
  }
  return study.classes[best];
}

function dimensionList(app, model) {
  const { study } = app;
  const stats = statistics(study, model);
  const most = largest(stats.known ? stats.cost : stats.spread, 1e-9);
  const inside = h("ul", { class: "lines" });
  const box = h("div", { class: "list", tabindex: "-1" }, inside);
  const count = h("p", { class: "quiet" });
  const element = h("article", { class: "card", "aria-label": model.title }, h("h3", {}, model.title), count, box);
  const made = new Map();
  let list = [];
  let from = -1;

  function line(j, place) {
    const need = (stats.known ? stats.cost[j] : stats.spread[j]) / most;
    const bar = h("i", { class: "above" });
    bar.style.width = `${100 * Math.max(0, need)}%`;
    const places = byDimension(model, j).slice(0, 3);
    const dead = stats.dead[j];
    const value = stats.known ? `${brief(stats.cost[j])} nats` : "";
    const label = `Dimension ${j}, ${dead ? "does nothing" : `${value}, on in ${Math.round(100 * stats.share[j])} %`}`;
    const open = (event) => {
      event.preventDefault();
      app.set({ model: model.key, d: String(j) }, true);
    };
    const link = h(
      "a",
      { href: `#/dimensions?model=${model.key}&d=${j}&size=${app.group().key}`, class: dead ? "dead" : "", "aria-label": label, onclick: open },
      h("b", {}, String(j)),
      h("span", { class: "heads" }, places.map((n) => thumbnail(study, rowAt(study, n), 26))),
      h("span", { class: "need" }, h("span", { class: "length" }, bar), h("small", {}, dead ? "unused" : value)),
    );
    const item = h("li", { "aria-setsize": list.length, "aria-posinset": place + 1 }, link);
    item.style.top = `${place * LINE}px`;
    return item;
  }
  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / LINE) - EXTRA);
    if (first === from) return;
    from = first;
    const wanted = list.slice(first, first + SEEN + 2 * EXTRA);
    for (const [j, item] of made) {
      if (!wanted.includes(j)) {
        item.remove();
        made.delete(j);
      }
    }
    wanted.forEach((j, i) => {
      if (made.has(j)) return;
      const item = line(j, first + i);
      made.set(j, item);
      const after = [...inside.children].find((other) => Number.parseInt(other.style.top, 10) > (first + i) * LINE);
      inside.insertBefore(item, after ?? null);
    });
  }
  box.addEventListener("scroll", draw, { passive: true });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = [...made.values()].sort((a, b) => Number.parseInt(a.style.top, 10) - Number.parseInt(b.style.top, 10));
    const now = at.findIndex((item) => item.contains(document.activeElement));
    if (!step || now < 0 || !at[now + step]) return;
    event.preventDefault();
    at[now + step].firstChild.focus();
    draw();
  });
  function update() {
    list = chosen(app, model);
    made.clear();
    from = -1;
    fill(inside);
    inside.style.height = `${list.length * LINE}px`;
    box.style.height = `${Math.min(SEEN, Math.max(1, list.length)) * LINE}px`;
    box.scrollTop = 0;
    const alive = list.filter((j) => !stats.dead[j]).length;
    count.textContent = list.length ? `${alive} in use of ${list.length} listed` : `no such dimension; try another ${thing(study) && "number"}`;
    draw();
  }
  return { element, update };
}
