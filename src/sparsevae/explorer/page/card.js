// What every view shares: a card a model, and rows of small pictures.

import { h } from "./dom.js";
import { rowButton } from "./pictures.js";
import { nameOf, rowAt } from "./study.js";

/** A model's card: its title, a quiet line, and what a view puts inside. */
export function card(model, quiet, ...children) {
  const line = h("p", { class: "quiet" }, quiet);
  const element = h(
    "article",
    { class: "card", "aria-label": model.title },
    h("h3", {}, model.title),
    line,
    ...children,
  );
  return { element, line };
}

/** The top of a view: a heading and what one can do there. */
export function heading(title, text, ...controls) {
  const bar = controls.length ? h("div", { class: "controls" }, ...controls) : null;
  return h("div", { class: "heading" }, h("h2", {}, title), h("p", {}, text), bar);
}

/** Small pictures of test rows; pressing one chooses it. */
export function rowStrip(app, places, label, extra = () => "", side = 40) {
  const { study } = app;
  const buttons = places.map((n) => {
    const text = `${nameOf(study, n)}${extra(n)}`;
    const press = () => app.set({ row: String(n), edit: "" }, true);
    return rowButton(study, rowAt(study, n), text, press, side);
  });
  return h("div", { class: "strip", role: "group", "aria-label": label }, buttons);
}

/** In plain words, what gates of a model do. */
export function gateWords(model, on) {
  const open = on.reduce((sum, gate) => sum + gate, 0);
  if (!model.gated) return `${model.latents} dimensions, all always on`;
  return `${open} of ${model.latents} gates open`;
}

/** Words of a study: images or rows. */
export const things = (study) => (study.pictures ? "images" : "rows");
export const thing = (study) => (study.pictures ? "image" : "row");
export const aThing = (study) => (study.pictures ? "an image" : "a row");
