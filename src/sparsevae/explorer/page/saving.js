// A picture of the view: its boxes, canvases and words painted one after another.

import { announce, complain, ink } from "./dom.js";

const MARGIN = 24;
const DENSITY = 2;
const MOST_SIDE = 8000;

/** Save what the main part shows as a PNG file. */
export async function savePicture(app) {
  try {
    const canvas = painted(app.main.firstElementChild);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `explorer-${app.state.view}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    announce("Picture saved");
  } catch (error) {
    complain(error);
  }
}

/** An element as a canvas. */
export function painted(root) {
  const frame = root.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  const width = frame.width + 2 * MARGIN;
  const height = Math.min(MOST_SIDE / DENSITY, frame.height + 2 * MARGIN);
  canvas.width = Math.round(width * DENSITY);
  canvas.height = Math.round(height * DENSITY);
  const pen = canvas.getContext("2d");
  pen.scale(DENSITY, DENSITY);
  pen.fillStyle = ink("ground");
  pen.fillRect(0, 0, width, height);
  pen.translate(MARGIN - frame.left, MARGIN - frame.top);
  paint(pen, root);
  return canvas;
}

function paint(pen, element) {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden") return;
  if (element.classList.contains("unseen")) return;
  const box = element.getBoundingClientRect();
  pen.save();
  pen.globalAlpha *= Number(style.opacity);
  paintBox(pen, box, style);
  if (style.overflowX !== "visible") {
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
  }
  if (element.tagName === "CANVAS" && element.width && element.height) {
    pen.imageSmoothingEnabled = style.imageRendering !== "pixelated";
    pen.drawImage(element, box.left, box.top, box.width, box.height);
  }
  if (element.tagName === "SELECT") paintWords(pen, element.selectedOptions[0]?.text ?? "", box, style);
  if (element.tagName === "INPUT") paintInput(pen, element, box, style);
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) paintText(pen, child, style);
    else if (child.nodeType === Node.ELEMENT_NODE && element.tagName !== "SELECT") paint(pen, child);
  }
  pen.restore();
}

function paintBox(pen, box, style) {
  const radius = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, box.width, box.height);
  const round = style.borderTopLeftRadius.endsWith("%") ? Math.min(box.width, box.height) / 2 : radius;
  const width = Number.parseFloat(style.borderTopWidth) || 0;
  pen.beginPath();
  pen.roundRect(box.left, box.top, box.width, box.height, Math.min(round, box.height / 2, box.width / 2));
  pen.fillStyle = style.backgroundColor;
  pen.fill();
  if (width && style.borderTopStyle !== "none") {
    pen.strokeStyle = style.borderTopColor;
    pen.lineWidth = width;
    pen.stroke();
  }
}

/** A text node, a line at a time, where the browser put it. */
function paintText(pen, node, style) {
  const text = node.data;
  if (!text.trim()) return;
  const range = document.createRange();
  let from = 0;
  let top = null;
  const write = (to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    const box = range.getBoundingClientRect();
    if (box.width) paintWords(pen, text.slice(from, to).trim(), box, style, 0);
    from = to;
  };
  for (let i = 0; i < text.length; i += 1) {
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    const box = range.getClientRects()[0];
    if (!box || !box.width) continue;
    if (top !== null && Math.abs(box.top - top) > box.height / 2) write(i);
    top = box.top;
  }
  write(text.length);
}

function paintWords(pen, text, box, style, indent = 10) {
  pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.textBaseline = "middle";
  pen.fillText(text, box.left + indent, box.top + box.height / 2);
}

function paintInput(pen, element, box, style) {
  if (element.type !== "range") {
    paintWords(pen, element.value, box, style);
    return;
  }
  const share = (element.value - element.min) / (element.max - element.min);
  const middle = box.top + box.height / 2;
  pen.fillStyle = ink("rule");
  pen.fillRect(box.left, middle - 2, box.width, 4);
  pen.fillStyle = ink("accent");
  pen.beginPath();
  pen.arc(box.left + 8 + share * (box.width - 16), middle, 8, 0, 2 * Math.PI);
  pen.fill();
}
