// The chosen row: test rows to pick from, a file, a drawing, or numbers of one's own.

import { announce, complain, fill, h, labelled, roving } from "./dom.js";
import { picture, rowButton } from "./pictures.js";
import { drawingDialog } from "./drawing.js";
import { nameOf, rowAt } from "./study.js";

const A_PAGE = 40;
const ENDINGS = ["csv", "tsv", "npy"];

/** The panel beside the views: update(), random(), draw(). */
export function sourcePanel(app) {
  const { study, panel } = app;
  const big = picture(study, "The chosen row");
  const name = h("p", { class: "row-name" });
  const note = h("p", { class: "quiet row-note" });
  const tiles = h("div", { class: study.pictures ? "tiles" : "tiles rows", role: "group", "aria-label": "Test rows" });
  const pages = h("div", { class: "pages" });
  const dialog = study.pictures ? drawingDialog(app) : numbersDialog(app);
  const file = fileInput(app);
  const random = () => {
    const places = chosenPlaces(app);
    app.set({ row: String(places[Math.floor(Math.random() * places.length)]), edit: "" });
  };
  const draw = () => dialog.open();
  const button = (text, press) => h("button", { type: "button", class: "plain", onclick: press }, text);
  const buttons = h(
    "div",
    { class: "buttons" },
    button("Random", random),
    button(study.pictures ? "Draw" : "Edit", draw),
    button("File", () => file.click()),
  );
  const filter = h("span");
  fill(panel, h("div", { class: "chosen" }, big.element, h("div", { class: "named" }, name, note, buttons)), filter, tiles, pages);
  panel.append(dialog.element, file);
  acceptDrops(app);
  let page = Math.floor(app.place() / A_PAGE);
  let listed = "";
  let drawn = "";

  function drawTiles() {
    const places = chosenPlaces(app);
    const last = Math.max(0, Math.ceil(places.length / A_PAGE) - 1);
    page = Math.min(page, last);
    const shown = places.slice(page * A_PAGE, (page + 1) * A_PAGE);
    const choose = (place) => app.set({ row: String(place), edit: "" });
    fill(tiles, shown.map((n) => tile(study, n, () => choose(n))));
    roving(tiles, "button", study.pictures ? 5 : 3);
    const turn = (step, label, sign) => {
      const off = page + step < 0 || page + step > last;
      const press = () => {
        page += step;
        drawTiles();
        markChosen();
      };
      const attributes = { type: "button", class: "tool", "aria-label": label, disabled: off };
      return h("button", { ...attributes, onclick: press }, sign);
    };
    const where = `${page * A_PAGE + 1} – ${page * A_PAGE + shown.length} of ${places.length}`;
    fill(pages, turn(-1, "Former test rows", "‹"), h("span", {}, where), turn(1, "Further test rows", "›"));
  }

  function markChosen() {
    for (const button of tiles.children) {
      const current = !app.isOwn() && button.dataset.row === String(app.place());
      button.setAttribute("aria-current", String(current));
    }
  }

  function update() {
    const kind = `${app.state.class}|${document.documentElement.dataset.theme ?? ""}`;
    if (listed !== kind) {
      listed = kind;
      if (study.labels) {
        const options = [["", "All classes"], ...study.classes.map((text, k) => [k, text])];
        const choose = (value) => {
          page = 0;
          app.set({ class: value });
        };
        fill(filter, labelled("Show", options, app.state.class, choose));
      }
      drawTiles();
    }
    const now = app.isOwn() ? `own ${app.own.name}` : String(app.place());
    if (drawn !== now || app.isOwn()) {
      drawn = now;
      big.show(app.row());
      big.name(app.rowName());
      name.textContent = app.rowName();
      note.textContent = app.isOwn() ? app.own.note : "";
      announce(`${app.rowName()} ${note.textContent}`);
    }
    markChosen();
  }
  return { update, random, draw };
}

function tile(study, place, press) {
  const button = rowButton(study, rowAt(study, place), nameOf(study, place), press, 40);
  button.dataset.row = place;
  return button;
}

function chosenPlaces(app) {
  const { study } = app;
  const all = [...Array(study.count).keys()];
  const wanted = Number.parseInt(app.state.class, 10);
  return Number.isNaN(wanted) || !study.labels ? all : all.filter((n) => study.labels[n] === wanted);
}

function fileInput(app) {
  const accept = app.study.pictures ? "image/*,.npy" : ".csv,.tsv,.npy";
  const input = h("input", { type: "file", accept, hidden: true, "aria-label": "Open a file" });
  input.addEventListener("change", () => {
    if (input.files[0]) take(app, input.files[0]);
    input.value = "";
  });
  return input;
}

function acceptDrops(app) {
  const { body } = document;
  const over = (on) => (event) => {
    event.preventDefault();
    body.classList.toggle("dropping", on);
  };
  body.addEventListener("dragover", over(true));
  body.addEventListener("dragleave", over(false));
  body.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files[0]) take(app, event.dataTransfer.files[0]);
  });
}

/** Read a file: its first row becomes the chosen one. */
async function take(app, file) {
  const ending = file.name.split(".").at(-1).toLowerCase();
  const kind = ENDINGS.includes(ending) ? ending : "image";
  try {
    const { rows, notes } = await app.study.backend.upload(kind, await file.arrayBuffer());
    const text = file.name.length > 40 ? `${file.name.slice(0, 38)}…` : file.name;
    await app.useOwn(rows.slice(0, app.study.size), text, notes.join(" "));
  } catch (error) {
    complain(error);
  }
}

/** A table's row with every number to edit. */
function numbersDialog(app) {
  const { study } = app;
  const list = h("div", { class: "numbers" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const nameAt = (i) => study.columns[i] ?? `x${i}`;
  let row = null;
  const done = () => {
    // a field shows fewer digits than its number has: one that was not touched keeps them all
    const inputs = [...list.querySelectorAll("input")];
    const edited = row.map((value, i) => (inputs[i].value === inputs[i].defaultValue ? value : numberOf(inputs[i])));
    const bad = edited.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      fill(wrong, `The column '${nameAt(bad)}' holds no finite number; give it one.`);
      inputs[bad].focus();
      return;
    }
    element.close();
    app.useOwn(edited, "A row of your own");
  };
  const element = h(
    "dialog",
    { "aria-label": "Edit the row" },
    h("h2", {}, "Edit the row"),
    list,
    wrong,
    h("button", { type: "button", class: "strong", onclick: done }, "Use it"),
    h("button", { type: "button", class: "plain", onclick: () => element.close() }, "Cancel"),
  );
  const open = () => {
    row = app.row();
    fill(wrong);
    fill(
      list,
      Array.from(row, (value, i) => {
        const input = h("input", { type: "number", step: "any", value: Number(value.toPrecision(5)) });
        return h("label", {}, h("span", {}, nameAt(i)), input);
      }),
    );
    element.showModal();
  };
  return { element, open };
}

const numberOf = (input) => (input.value.trim() ? Number(input.value) : NaN);
