// The frame around the views: header, menu, the chosen image, keys, address.

import { announce, complain, fill, h, labelled } from "./dom.js";
import { groups, encodeRow, codeAt, loadModel, nameOf, readStudy, rowAt } from "./study.js";
import { address, readState } from "./state.js";
import { rowText, textRow } from "./own_row.js";
import { sourcePanel } from "./source.js";
import { savePicture } from "./saving.js";
import { imageView } from "./view_image.js";
import { planeView } from "./view_plane.js";
import { dimensionsView } from "./view_dimensions.js";
import { classesView } from "./view_classes.js";
import { pathsView } from "./view_paths.js";
import { noiseView } from "./view_noise.js";
import { samplesView } from "./view_samples.js";

const VIEWS = {
  image: ["Code", imageView],
  plane: ["Plane", planeView],
  dimensions: ["Dimensions", dimensionsView],
  classes: ["Classes", classesView],
  paths: ["Paths", pathsView],
  noise: ["Noise", noiseView],
  samples: ["Samples", samplesView],
};
const NAMES = Object.keys(VIEWS);
const KEYS = [
  ["1 – 7", "go to a view"],
  ["j / k", "next or former test image"],
  ["r", "a random test image"],
  ["d", "draw an image"],
  ["Tab, arrow keys", "move among dimensions, pictures and cells"],
  ["Enter or Space", "open or close a gate, choose a picture"],
  ["↑ ↓ on a dimension", "move its value"],
  ["+ / − on the plane", "zoom; with Shift the arrow keys pan"],
  ["s", "save this view as a picture"],
  ["?", "these keys"],
];

/** Open the page on a backend: study, run, encode, decode, costs, upload. */
export async function start(backend) {
  try {
    const study = await readStudy(backend);
    await open(study);
  } catch (error) {
    const said = h("p", { role: "alert" }, error.message || String(error));
    fill(document.getElementById("app"), said);
  }
}

async function open(study) {
  const app = { study, state: readState(location.hash), own: null, groups: groups(study) };
  app.group = () => app.groups.find((g) => g.key === app.state.size) ?? app.groups.at(-1);
  app.row = () => (app.own && app.state.row === "own" ? app.own.row : rowAt(study, app.place()));
  app.place = () => Math.min(Math.max(0, Number.parseInt(app.state.row, 10) || 0), study.count - 1);
  app.isOwn = () => app.state.row === "own" && app.own !== null;
  app.rowName = () => (app.isOwn() ? app.own.name : nameOf(study, app.place()));
  app.code = (model) => rowCode(app, model);
  app.set = (changes, remember = false) => set(app, changes, remember);
  app.useOwn = (row, name, note = "") => useOwn(app, row, name, note);
  app.models = () => Promise.all(app.group().models.map((facts) => loadModel(study, facts)));
  frame(app);
  window.addEventListener("hashchange", async () => {
    app.state = readState(location.hash);
    await readOwn(app);
    refresh(app);
  });
  document.addEventListener("keydown", (event) => shortcut(app, event));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh(app));
  await readOwn(app);
  await refresh(app);
  document.documentElement.dataset.ready = "yes";
}

/** Take a row of one's own as the chosen one once the models have encoded it, so that one which
    they refuse never is; the address gets it as soon as it is packed. Whether it was taken. */
async function useOwn(app, row, name, note) {
  const own = { row, name, note, codes: new Map(), text: "" };
  app.wanted = own;
  try {
    await encodeOwn(app, own);
  } catch (error) {
    complain(error);
    return false;
  }
  if (app.wanted !== own) return false; // another row was chosen meanwhile
  app.own = own;
  app.set({ row: "own", own: "", edit: "" }, true);
  own.text = await rowText(app.study, row);
  if (app.isOwn() && app.own === own) {
    app.state.own = own.text;
    history.replaceState(null, "", address(app.state));
  }
  return true;
}

/** The row of one's own that the address holds, unless it is at hand. */
async function readOwn(app) {
  const { row, own: text } = app.state;
  if (row !== "own" || !text || app.own?.text === text) return;
  try {
    const name = app.study.pictures ? "The image of the link" : "The row of the link";
    const own = { row: await textRow(app.study, text), name, note: "", codes: new Map(), text };
    await encodeOwn(app, own);
    app.own = own;
  } catch (error) {
    app.state.row = "0";
    app.state.own = "";
    complain(error);
  }
}

/** Gates and slabs of the chosen row: kept for test rows, encoded once for a row of one's own. */
function rowCode(app, model) {
  if (!app.isOwn()) return Promise.resolve(codeAt(model, app.place()));
  return codeOfOwn(app, app.own, model).then(({ on, slabs }) => ({ on: on.slice(), slabs: slabs.slice() }));
}

function codeOfOwn(app, { codes, row }, model) {
  if (!codes.has(model.key)) codes.set(model.key, encodeRow(app.study, model, row));
  return codes.get(model.key);
}

async function encodeOwn(app, own) {
  await Promise.all((await app.models()).map((model) => codeOfOwn(app, own, model)));
}

function set(app, changes, remember) {
  Object.assign(app.state, changes);
  if ("row" in changes) app.wanted = null;
  if (app.state.row !== "own") app.state.own = "";
  const url = address(app.state);
  if (remember) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  if (remember && ("view" in changes || "d" in changes)) window.scrollTo(0, 0);
  return refresh(app, Object.keys(changes));
}

function frame(app) {
  const { study } = app;
  app.sizes = h("span");
  app.menu = h("nav", { class: "menu", "aria-label": "Views" });
  app.panel = h("aside", { class: "source", "aria-label": "The chosen row" });
  app.main = h("main", { id: "main-view", tabindex: "-1" });
  const root = document.getElementById("app");
  root.className = "";
  const tool = (label, sign, press) =>
    h("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick: press }, sign);
  const head = h(
    "header",
    {},
    h("p", { class: "brand" }, h("span", { class: "lamp", "aria-hidden": "true" }), "sparsevae ", h("b", {}, study.name)),
    app.sizes,
    h(
      "span",
      { class: "tools" },
      tool("Save this view as a picture", "Save picture", () => savePicture(app)),
      tool("Copy a link to this view", "Copy link", () => copyLink(app)),
      tool("Light or dark", "◐", () => turnTheme(app)),
      tool("Keys", "?", () => app.help.showModal()),
    ),
  );
  app.help = helpDialog();
  const stored = readTheme();
  if (stored) document.documentElement.dataset.theme = stored;
  const note = study.note ? h("p", { class: "notice" }, study.note) : null;
  fill(root, head, app.menu, note, h("div", { class: "columns-of-page" }, app.panel, app.main), app.help);
  document.title = `${study.name} · sparsevae explorer`;
}

function helpDialog() {
  const rows = KEYS.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, what)));
  const dialog = h("dialog", { "aria-label": "Keys" }, h("h2", {}, "Keys"), h("table", {}, h("tbody", {}, rows)));
  dialog.append(h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Close"));
  return dialog;
}

function readTheme() {
  try {
    return localStorage.getItem("sparsevae-explorer-theme");
  } catch {
    return null;
  }
}

function turnTheme(app) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("sparsevae-explorer-theme", next);
  } catch {
    // a file opened without storage keeps the choice only while it is open
  }
  announce(`${next} colours`);
  refresh(app);
}

async function copyLink(app) {
  if (app.isOwn() && !app.own.text) {
    complain(new Error("Your row is too long for a link: send the file itself, or choose a test row."));
    return;
  }
  try {
    await navigator.clipboard.writeText(location.href);
    announce("Link copied");
  } catch {
    complain(new Error("This browser lets no page copy here: copy the address by hand."));
  }
}

let latest = 0;

async function refresh(app, changed = null) {
  latest += 1;
  const mine = latest;
  if (!VIEWS[app.state.view]) app.state.view = "image";
  const small = changed && app.view && app.view.update && app.view.name === app.state.view;
  if (!changed || changed.includes("view")) drawMenu(app);
  drawSizes(app);
  try {
    const models = await app.models();
    if (mine !== latest) return;
    if (!app.source) app.source = sourcePanel(app);
    app.source.update();
    if (small && app.view.update(changed)) return;
    const [title, make] = VIEWS[app.state.view];
    const focused = keptFocus(app.main);
    app.view = { name: app.state.view, ...make(app, models, () => mine === latest) };
    fill(app.main, app.view.element);
    if (app.view.mounted) await app.view.mounted();
    restoreFocus(app.main, focused);
    app.main.dataset.shown = app.state.view;
    if (!changed || changed.includes("view")) announce(title);
  } catch (error) {
    complain(error);
  }
}

/** Where the focus is, so that a view drawn anew does not lose it. */
function keptFocus(main) {
  const at = document.activeElement;
  return main.contains(at) ? at.getAttribute("aria-label") || at.textContent : null;
}

function restoreFocus(main, label) {
  if (!label || main.contains(document.activeElement)) return;
  const same = [...main.querySelectorAll("button, select, input, [tabindex]")].find(
    (element) => (element.getAttribute("aria-label") || element.textContent) === label,
  );
  same?.focus({ preventScroll: true });
}

function drawMenu(app) {
  const links = NAMES.map((name) => {
    const current = name === app.state.view ? "page" : null;
    const go = (event) => {
      event.preventDefault();
      app.set({ view: name, d: "", cell: "" }, true);
    };
    const href = address({ ...app.state, view: name, d: "", cell: "" });
    return h("a", { href, "aria-current": current, onclick: go }, VIEWS[name][0]);
  });
  fill(app.menu, links);
  const current = app.menu.querySelector("[aria-current]");
  app.menu.scrollLeft = current.offsetLeft - 60;
}

function drawSizes(app) {
  const options = app.groups.map((group) => [group.key, group.title]);
  if (options.length === 1) {
    fill(app.sizes, h("span", { class: "quiet" }, options[0][1]));
    return;
  }
  if (app.sizes.shown === app.group().key) return;
  app.sizes.shown = app.group().key;
  const choose = (size) => app.set({ size, edit: "", model: "", d: "", x: "", y: "", cell: "" }, true);
  fill(app.sizes, labelled("Size", options, app.group().key, choose));
}

function shortcut(app, event) {
  const writing = event.target.closest("input, select, textarea, dialog");
  if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { j: 1, k: -1 }[event.key];
  if (step) {
    const row = (app.place() + step + app.study.count) % app.study.count;
    app.set({ row: String(row), edit: "" });
  } else if (event.key >= "1" && event.key <= String(NAMES.length)) {
    app.set({ view: NAMES[Number(event.key) - 1], d: "", cell: "" }, true);
  } else if (event.key === "r") app.source.random();
  else if (event.key === "d") app.source.draw();
  else if (event.key === "s") savePicture(app);
  else if (event.key === "?") app.help.showModal();
  else return;
  event.preventDefault();
}
