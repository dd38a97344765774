// New rows from the prior, or with the gates of the chosen row.

import { h, segmented } from "./dom.js";
import { drawCodes } from "./numbers.js";
import { card, gateWords, heading, thing, things } from "./card.js";
import { rowButton } from "./pictures.js";

const COUNT = 16;

export function samplesView(app, models) {
  const { study, state } = app;
  const given = state.gates === "row";
  const text =
    `Codes drawn at random from what a model expects before it sees any ${thing(study)}, decoded. ` +
    `With the gates of the chosen ${thing(study)} only the values are drawn. Press one to explore its code.`;
  const choose = segmented(
    "Gates",
    [["", "Gates drawn too"], ["row", `Gates of the chosen ${thing(study)}`]],
    given ? "row" : "",
    (gates) => app.set({ gates }),
  );
  const again = h(
    "button",
    { type: "button", class: "strong", onclick: () => app.set({ seed: String(Number(state.seed) + 1) }) },
    "Draw again",
  );
  const cards = h("div", { class: "cards" });
  const element = h("section", {}, heading("Samples", text, again, choose), cards);
  const mounted = async () => {
    const made = await Promise.all(models.map((model) => samplesCard(app, model, given)));
    cards.append(...made);
  };
  return { element, mounted };
}

async function samplesCard(app, model, given) {
  const { study, state } = app;
  if (!model.samples) {
    const why = `${model.title} has no distribution of codes to draw from.`;
    return card(model, why).element;
  }
  const gates = given && model.gated ? (await app.code(model)).on : null;
  const codes = drawCodes(model, COUNT, Number(state.seed) || 0, gates);
  const rows = await study.backend.decode(model.key, codes);
  const tiles = Array.from({ length: COUNT }, (_, n) => {
    const row = rows.slice(n * study.size, (n + 1) * study.size);
    const label = `Sample ${n + 1} of ${model.title}`;
    const explore = async () => {
      if (await app.useOwn(row, label)) app.set({ view: "image" }, true);
    };
    return rowButton(study, row, label, explore, 52);
  });
  let words = `drawn ${things(study)}`;
  if (given) words = gates ? gateWords(model, gates) : "no gates to keep: all always on";
  return card(model, words, h("div", { class: "samples", role: "group", "aria-label": `Samples of ${model.title}` }, tiles)).element;
}
