// Rows as people see them: pictures of pixels, or tables of bars; and colours for numbers.

import { h, ink, sheet } from "./dom.js";
import { brief, clamp } from "./numbers.js";

const MOST_COLUMNS = 40;

/** Paint a row of pixels into a canvas of as many pixels. */
export function paintPixels(canvas, study, row) {
  const [channels, height, width] = study.shape;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const scale = 255 / (study.high - study.low || 1);
  const plane = width * height;
  for (let i = 0; i < plane; i += 1) {
    for (let c = 0; c < 3; c += 1) {
      const value = row[(channels === 3 ? c : 0) * plane + i];
      image.data[4 * i + c] = (value - study.low) * scale;
    }
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}

/** A small canvas of a row: its pixels, or one bar a column. */
export function thumbnail(study, row, side = 36) {
  const canvas = h("canvas", { class: "thumb", "aria-hidden": "true" });
  paintThumbnail(canvas, study, row, side);
  return canvas;
}

/** Paint a small picture of a row. */
export function paintThumbnail(canvas, study, row, side = 36) {
  if (study.pictures) {
    paintPixels(canvas, study, row);
    const [, height, width] = study.shape;
    canvas.style.width = `${Math.round((side * width) / Math.max(width, height))}px`;
    canvas.style.height = `${Math.round((side * height) / Math.max(width, height))}px`;
    return;
  }
  const wide = Math.round(side * 1.6);
  const pen = sheet(canvas, wide, side);
  const { mean, spread } = study.baseline;
  pen.fillStyle = ink("inset");
  pen.fillRect(0, 0, wide, side);
  for (let i = 0; i < row.length; i += 1) {
    const z = clamp((row[i] - mean[i]) / spread[i] / 3, -1, 1);
    pen.fillStyle = ink(z < 0 ? "below" : "above");
    const from = (i * wide) / row.length;
    const across = Math.max(0.5, wide / row.length - 1);
    pen.fillRect(from, z < 0 ? side / 2 : (side / 2) * (1 - z), across, (Math.abs(z) * side) / 2);
  }
}

/** A row at full size that can be shown anew: an element, and show(row, beside). */
export function picture(study, label) {
  return study.pictures ? pixelPicture(study, label) : tablePicture(study, label);
}

function pixelPicture(study, label) {
  const element = h("canvas", { class: "picture", role: "img", "aria-label": label });
  return {
    element,
    show: (row) => paintPixels(element, study, row),
    name: (text) => element.setAttribute("aria-label", text),
  };
}

function tablePicture(study, label) {
  const body = h("tbody");
  const caption = h("caption", { class: "unseen" }, label);
  const table = h("table", { class: "columns" }, caption, body);
  const scrolled = { class: "column-box", tabindex: "0", role: "region", "aria-label": label || "Columns" };
  const element = h("div", scrolled, table);
  const shown = Math.min(study.size, MOST_COLUMNS);
  const lines = Array.from({ length: shown }, (_, i) => {
    const bar = h("i");
    const mark = h("b");
    const value = h("td", { class: "value" });
    const name = study.columns[i] ?? `x${i}`;
    const meter = h("td", {}, h("span", { class: "meter", "aria-hidden": "true" }, bar, mark));
    body.append(h("tr", {}, h("th", { scope: "row", title: name }, name), meter, value));
    return { bar, mark, value };
  });
  if (shown < study.size) {
    const rest = `and ${study.size - shown} further columns`;
    body.append(h("tr", {}, h("td", { colspan: "3", class: "quiet" }, rest)));
  }
  return { element, show: (row, beside) => showColumns(study, lines, row, beside), name: () => {} };
}

function showColumns(study, lines, row, beside) {
  const { mean, spread } = study.baseline;
  const place = (value, i) => clamp(50 + ((value - mean[i]) / spread[i]) * (50 / 3), 0, 100);
  lines.forEach(({ bar, mark, value }, i) => {
    const at = place(row[i], i);
    bar.style.left = `${Math.min(50, at)}%`;
    bar.style.width = `${Math.abs(at - 50)}%`;
    bar.className = at < 50 ? "below" : "above";
    mark.hidden = !beside;
    if (beside) mark.style.left = `${place(beside[i], i)}%`;
    value.textContent = brief(row[i]);
  });
}

/** A button with a small picture of a row. */
export function rowButton(study, row, label, press, side) {
  const attributes = { type: "button", class: "tile", "aria-label": label, title: label };
  return h("button", { ...attributes, onclick: press }, thumbnail(study, row, side));
}

/** The colour of a number between −1 and 1, or between 0 and 1 where `single`. */
export function shade(value, single) {
  const amount = clamp(Math.abs(value), 0, 1);
  const end = rgb(ink(single ? "heat" : value < 0 ? "below" : "above"));
  const start = rgb(ink("inset"));
  const mixed = start.map((s, c) => Math.round(s + (end[c] - s) * amount));
  return `rgb(${mixed.join(",")})`;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
