// Noise on the chosen row, and what every model makes of it.

import { follower, h } from "./dom.js";
import { brief, meanSquaredError, noisy, principal } from "./numbers.js";
import { card, heading, thing, things } from "./card.js";
import { picture } from "./pictures.js";

const LOUDEST = 1;

export function noiseView(app, models) {
  const { study, state } = app;
  const clean = app.row();
  const { spread } = study.baseline;
  const text =
    `Noise is added to the chosen ${thing(study)}; each model encodes and decodes the noisy one. ` +
    `The error is to the clean ${thing(study)}: lower is better.`;
  const output = h("output", {});
  const slider = h("input", {
    type: "range", min: "0", max: String(LOUDEST), step: "0.02", value: state.sigma, "aria-label": "Strength of the noise",
  });
  const again = h(
    "button",
    { type: "button", class: "plain", onclick: () => app.set({ seed: String(Number(state.seed) + 1) }) },
    "Other noise",
  );
  const controls = h("label", { class: "labelled" }, h("span", {}, "Noise"), slider, output);
  const cards = h("div", { class: study.pictures ? "cards paired" : "cards" });
  const ranking = h("div", { class: "ranking", role: "img" });
  const element = h("section", {}, heading("Noise", text, controls, again), cards, ranking);
  const entries = [noisyEntry(app), ...baselineEntries(app, models), ...models.flatMap((model) => modelEntries(app, model))];
  cards.append(...entries.map((entry) => entry.element));
  const errors = new Map();

  function rank() {
    const sorted = [...errors].sort((a, b) => a[1] - b[1]);
    const most = sorted.at(-1)?.[1] || 1;
    const lines = sorted.map(([name, error]) => {
      const bar = h("i", { class: "above" });
      bar.style.width = `${(100 * error) / most}%`;
      return h("div", {}, h("span", {}, name), h("span", { class: "length" }, bar), h("span", {}, brief(error)));
    });
    ranking.replaceChildren(h("h3", {}, "Error, smallest first"), ...lines);
    ranking.setAttribute("aria-label", sorted.map(([name, error]) => `${name} ${brief(error)}`).join(", "));
  }
  async function restore(sigma) {
    const row = noisy(clean, spread, sigma, Number(state.seed) || 0);
    const rows = await Promise.all(entries.map((entry) => entry.restore(row, sigma)));
    return rows;
  }
  const ask = follower(restore, (rows) => {
    rows.forEach((row, i) => {
      const error = meanSquaredError(row, clean, spread);
      entries[i].show(row, error);
      errors.set(entries[i].title, error);
    });
    rank();
  });
  const apply = () => {
    output.textContent = `σ = ${Number(slider.value).toFixed(2)}`;
    ask(Number(slider.value));
  };
  slider.addEventListener("input", () => {
    app.set({ sigma: slider.value });
    apply();
  });
  const mounted = apply;
  const update = (changed) => changed.join() === "sigma" && slider.value === app.state.sigma;
  return { element, mounted, update };
}

function entry(app, title, quiet, restore) {
  const shown = picture(app.study, title);
  const error = h("p", { class: "under" });
  const made = card({ title }, quiet, h("div", { class: "stage" }, shown.element), error);
  const show = (row, amount) => {
    shown.show(row, app.row());
    error.textContent = `error ${brief(amount)}`;
    shown.name(`${title}; error ${brief(amount)}`);
  };
  return { title, element: made.element, restore, show };
}

const noisyEntry = (app) => entry(app, `Noisy ${thing(app.study)}`, "nothing done", (row) => row);

/** Principal components, as many as the models have dimensions. */
function baselineEntries(app, models) {
  const { baseline } = app.study;
  const count = Math.min(baseline.count, models[0].latents);
  if (!count) return [];
  const quiet = `${count} principal components of training ${things(app.study)}`;
  return [entry(app, "PCA", quiet, (row) => principal(row, baseline, count))];
}

function modelEntries(app, model) {
  const { backend } = app.study;
  const J = model.latents;
  const rebuild = async (row) => {
    const both = await backend.encode(model.key, row);
    const code = Float32Array.from(both.subarray(J), (slab, j) => (both[j] > 0.5 ? slab : 0));
    return backend.decode(model.key, code);
  };
  const entries = [entry(app, model.title, "encoded and decoded", rebuild)];
  if (model.denoises && backend.denoise) {
    const { spread } = app.study.baseline;
    const denoise = (row, sigma) => backend.denoise(model.key, row, spread.map((one) => sigma * one));
    entries.push(entry(app, `${model.title}, denoised`, "decoded, and what the code leaves over filtered", denoise));
  }
  return entries;
}
