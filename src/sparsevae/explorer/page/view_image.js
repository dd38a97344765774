// A row, its code as bars with gates, and what the code decodes to, model beside model.

import { follower, h } from "./dom.js";
import { codeBars } from "./bars.js";
import { brief, meanSquaredError, nearest } from "./numbers.js";
import { card, gateWords, heading, rowStrip, thing, things } from "./card.js";
import { picture } from "./pictures.js";
import { readEdits, writeEdits } from "./state.js";
import { joined } from "./study.js";

const NEIGHBOURS = 5;

export function imageView(app, models) {
  const { study } = app;
  const cards = h("div", { class: "cards" });
  const text =
    `Every bar is one dimension of the code; a lit gate is open. Click a dimension to switch it ` +
    `off or on, drag it up or down: the ${thing(study)} follows.`;
  const element = h("section", {}, heading("Code", text), cards);
  const mounted = async () => {
    const made = await Promise.all(models.map((model) => modelCard(app, model)));
    cards.append(...made.map((one) => one.element));
    await Promise.all(made.map((one) => one.first));
  };
  const update = (changed) => changed.join() === "edit" && app.state.edit === app.lastEdit;
  return { element, mounted, update };
}

async function modelCard(app, model) {
  const { study } = app;
  const original = app.row();
  const first = await app.code(model);
  const code = { on: first.on.slice(), slabs: first.slabs.slice() };
  apply(readEdits(app.state.edit)[model.key] ?? {}, code, first);
  const shown = picture(study, "");
  const error = h("span", { class: "error" });
  const ghost = h("p", { class: "ghost" });
  const neighbours = h("div", { class: "neighbours" });
  const reset = h("button", { type: "button", class: "plain small" }, "Reset");
  let previewing = null;

  function show(row, question) {
    shown.show(row, original);
    shown.element.classList.toggle("previewed", question.preview !== null);
    if (question.preview !== null) return;
    error.textContent = `error ${brief(meanSquaredError(row, original, study.baseline.spread))}`;
    shown.name(`What ${model.title} decodes; ${error.textContent}`);
  }
  const ask = follower(({ codes }) => study.backend.decode(model.key, codes), show);
  const decode = (preview = null) => {
    const codes = joined(code);
    if (preview !== null) codes[preview] = code.slabs[preview];
    ask({ codes, preview });
  };

  function changed(j, dragging) {
    previewing = null;
    ghost.textContent = "";
    bars.update(j);
    decode();
    made.line.textContent = gateWords(model, code.on);
    if (dragging) return;
    keepEdits(app, model, code, first);
    settle();
  }

  function preview(j) {
    if (j === previewing) return;
    previewing = j;
    ghost.textContent = j === null ? "" : `if dimension ${j} were on`;
    decode(j);
  }

  function settle() {
    reset.hidden = !isChanged(code, first);
    const places = nearest(model, joined(code), NEIGHBOURS);
    neighbours.replaceChildren(
      h("h4", {}, `Nearest test ${things(study)}`),
      rowStrip(app, places, `Test ${things(study)} with the nearest codes`, () => "", 34),
    );
  }
  const bars = codeBars(model, code, changed, preview);
  reset.addEventListener("click", () => {
    code.on.set(first.on);
    code.slabs.set(first.slabs);
    for (let j = 0; j < model.latents; j += 1) bars.update(j);
    changed(0, false);
  });
  const rest = bars.hidden
    ? h("p", { class: "quiet" }, `and ${bars.hidden} dimensions that this code uses less`)
    : null;
  const made = card(
    model,
    gateWords(model, code.on),
    h("div", { class: "stage" }, shown.element, ghost),
    h("p", { class: "under" }, error, reset),
    bars.element,
    rest,
    neighbours,
  );
  settle();
  const row = await study.backend.decode(model.key, joined(code));
  show(row, { preview: null });
  return { element: made.element };
}

/** Carry out the changes that the address names. */
function apply(changes, code, first) {
  for (const [j, { flipped, value }] of Object.entries(changes)) {
    if (j >= code.on.length) continue;
    if (value !== null) code.slabs[j] = value;
    if (flipped) code.on[j] = 1 - first.on[j];
  }
}

function isChanged(code, first) {
  return code.on.some((on, j) => on !== first.on[j] || code.slabs[j] !== first.slabs[j]);
}

/** Keep the changes in the address. */
function keepEdits(app, model, code, first) {
  const edits = readEdits(app.state.edit);
  edits[model.key] = {};
  for (let j = 0; j < model.latents; j += 1) {
    const flipped = code.on[j] !== first.on[j];
    const value = code.slabs[j] === first.slabs[j] ? null : code.slabs[j];
    if (flipped || value !== null) edits[model.key][j] = { flipped, value };
  }
  app.lastEdit = writeEdits(edits);
  app.set({ edit: app.lastEdit });
}
