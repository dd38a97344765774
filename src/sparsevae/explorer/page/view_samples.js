import { h } from "./dom.js";
import { heading } from "./card.js";

export function samplesView(app, models) {
  return { element: h("section", {}, heading("samples", "")) };
}
