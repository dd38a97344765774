import { h } from "./dom.js";
import { heading } from "./card.js";

export function noiseView(app, models) {
  return { element: h("section", {}, heading("noise", "")) };
}
