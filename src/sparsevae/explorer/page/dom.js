// Making elements; text always goes in as text.

/** An element: attributes by name, handlers as onNAME, children as elements or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

/** Append one after another: there may be more of them than a call takes arguments. */
function add(element, children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child);
  }
}

let announcement = 0;

/** Say something to people who hear the page. */
export function announce(text) {
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    document.getElementById("live").textContent = text;
  }, 150);
}

/** Buttons of which one is chosen. */
export function segmented(label, options, chosen, choose) {
  const group = h("div", { class: "segmented", role: "group", "aria-label": label });
  for (const [value, text] of options) {
    const pressed = String(value === chosen);
    group.append(
      h("button", { type: "button", "aria-pressed": pressed, onclick: () => choose(value) }, text),
    );
  }
  return group;
}

/** A select with a visible label. */
export function labelled(label, options, chosen, choose) {
  const select = h("select", { onchange: (event) => choose(event.target.value) });
  for (const [value, text] of options) {
    const option = h("option", { value }, text);
    option.selected = String(value) === String(chosen);
    select.append(option);
  }
  return h("label", { class: "labelled" }, h("span", {}, label), select);
}

/** One tab stop for many: arrow keys, Home and End move among the elements. */
export function roving(container, selector, across = 1) {
  const items = () => [...container.querySelectorAll(selector)];
  const focus = (item) => {
    for (const other of items()) other.tabIndex = other === item ? 0 : -1;
    item.focus();
  };
  items().forEach((item, place) => {
    item.tabIndex = place === 0 ? 0 : -1;
  });
  const chosen = container.querySelector(`${selector}[aria-current="true"]`);
  if (chosen) {
    items()[0].tabIndex = -1;
    chosen.tabIndex = 0;
  }
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
    let next = at + (steps[event.key] ?? 0);
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = all.length - 1;
    if (at < 0 || next === at || !all[next]) return;
    event.preventDefault();
    focus(all[next]);
  });
}

/** The latest of many questions is asked, one at a time; those between are left out. */
export function follower(ask, answered) {
  let waiting = null;
  let busy = false;
  const go = async () => {
    busy = true;
    while (waiting) {
      const question = waiting;
      waiting = null;
      try {
        const answer = await ask(question);
        answered(answer, question);
      } catch (error) {
        complain(error);
      }
    }
    busy = false;
  };
  return (question) => {
    waiting = question;
    if (!busy) go();
  };
}

/** Show what went wrong, in one sentence. */
export function complain(error) {
  const box = document.getElementById("trouble");
  box.textContent = error.message || String(error);
  box.hidden = false;
  clearTimeout(box.timer);
  box.timer = setTimeout(() => {
    box.hidden = true;
  }, 8000);
}

/** A colour of the style sheet. */
export function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A canvas of so many CSS pixels, sharp on dense screens, and its pen. */
export function sheet(canvas, width, height) {
  const density = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  return pen;
}
