import { h } from "./dom.js";
import { heading } from "./card.js";

export function pathsView(app, models) {
  return { element: h("section", {}, heading("paths", "")) };
}
