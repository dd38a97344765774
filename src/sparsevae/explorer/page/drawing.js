// Drawing an image with finger, pen, mouse or keys.

import { h } from "./dom.js";

const SIDE = 280;

/** A dialog with a sheet to draw on; what is drawn becomes the chosen row as it grows. */
export function drawingDialog(app) {
  const { study } = app;
  const [channels, height, width] = study.shape;
  const canvas = h("canvas", {
    class: "drawing",
    width: SIDE,
    height: Math.round((SIDE * height) / width),
    tabindex: "0",
    role: "img",
    "aria-label": "Draw here; with keys: arrows move the pen, Space puts it down or lifts it",
  });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const thick = h("input", { type: "range", min: "8", max: "48", value: "24", "aria-label": "Width of the pen" });
  let at = [SIDE / 2, canvas.height / 2];
  let down = false;

  function clear() {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }

  function stroke(to) {
    pen.strokeStyle = "#fff";
    pen.lineWidth = Number(thick.value);
    pen.lineCap = "round";
    pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...at);
    pen.lineTo(...to);
    pen.stroke();
    at = to;
  }

  function use() {
    const small = document.createElement("canvas");
    small.width = width;
    small.height = height;
    const little = small.getContext("2d", { willReadFrequently: true });
    little.imageSmoothingQuality = "high";
    little.drawImage(canvas, 0, 0, width, height);
    const { data } = little.getImageData(0, 0, width, height);
    const row = new Float32Array(study.size);
    const plane = width * height;
    for (let i = 0; i < study.size; i += 1) {
      const grey = data[4 * (i % plane) + Math.min(channels - 1, Math.floor(i / plane))] / 255;
      row[i] = study.low + grey * (study.high - study.low);
    }
    app.useOwn(row, "Your drawing");
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    at = place(event);
    down = true;
    stroke([at[0] + 0.1, at[1]]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (down && event.buttons) stroke(place(event));
  });
  canvas.addEventListener("pointerup", () => {
    down = false;
    use();
  });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: [10, 0], ArrowLeft: [-10, 0], ArrowDown: [0, 10], ArrowUp: [0, -10] };
    if (event.key === " ") {
      down = !down;
      if (down) stroke([at[0] + 0.1, at[1]]);
      else use();
    } else if (steps[event.key]) {
      const to = [at[0] + steps[event.key][0], at[1] + steps[event.key][1]];
      if (down) stroke(to);
      else at = to;
    } else return;
    event.preventDefault();
  });
  const button = (text, press, kind = "plain") => h("button", { type: "button", class: kind, onclick: press }, text);
  const element = h(
    "dialog",
    { "aria-label": "Draw an image" },
    h("h2", {}, "Draw an image"),
    canvas,
    h("label", { class: "labelled" }, h("span", {}, "Pen"), thick),
    h(
      "div",
      { class: "buttons" },
      button("Done", () => { use(); element.close(); }, "strong"),
      button("Clear", clear),
      button("Cancel", () => element.close()),
    ),
  );
  const open = () => {
    clear();
    element.showModal();
    canvas.focus();
  };
  return { element, open };
}
