import { h } from "./dom.js";
import { heading } from "./card.js";

export function planeView(app, models) {
  return { element: h("section", {}, heading("plane", "")) };
}
