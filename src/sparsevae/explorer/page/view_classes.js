import { h } from "./dom.js";
import { heading } from "./card.js";

export function classesView(app, models) {
  return { element: h("section", {}, heading("classes", "")) };
}
