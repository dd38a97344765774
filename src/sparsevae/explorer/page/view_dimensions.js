import { h } from "./dom.js";
import { heading } from "./card.js";

export function dimensionsView(app, models) {
  return { element: h("section", {}, heading("dimensions", "")) };
}
