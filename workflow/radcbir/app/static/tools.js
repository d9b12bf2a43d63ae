// How the viewer is used: its tools, the pointer, the keyboard.

import { button, make } from "./page.js";
import { DIFFERENT, camera, clamp } from "./pane.js";

const KEYS = [
  ["← →", "results"],
  ["↑ ↓", "slices"],
  ["drag", "level and width"],
  ["Shift + drag", "move"],
  ["wheel, + −", "zoom"],
  ["I", "invert"],
  ["0", "as at first"],
];

let panes, shown, go, preset, numbers, invert;
let moving = false;

export function reset() {
  Object.assign(camera, { scale: 1, x: 0, y: 0, inverted: false });
}

const all = () => Object.values(panes);
const redraw = () => all().forEach((each) => each.draw());

// The elements of the tool bar, for the panes of this viewer.
export function tools(given, state, steps) {
  [panes, shown, go] = [given, state, steps];
  moving = false;
  for (const pane of all()) pane.forget();
  preset = make("select", { id: "preset" });
  preset.addEventListener("change", () => apply(preset.value));
  numbers = ["level", "width"].map((name) => {
    const field = make("input", { type: "number", step: "any" });
    field.addEventListener("change", () => type(name, Number(field.value)));
    return field;
  });
  invert = button("Invert", turn, { "aria-pressed": "false" });
  const hand = button(
    "Move",
    () => {
      moving = !moving;
      hand.setAttribute("aria-pressed", moving);
    },
    { "aria-pressed": "false", title: "Drag moves the images; else it changes level and width" },
  );
  const zoom = (text, label, factor) =>
    button(text, () => enlarge(factor), { "aria-label": label });
  const step = (text, label, by) => button(text, () => go.hit(by), { "aria-label": label });
  const keys = KEYS.flatMap(([name, what]) => [make("kbd", { textContent: name }), ` ${what}  `]);
  return [
    step("←", "Result before", -1),
    step("→", "Result after", 1),
    make("label", {}, "Window ", preset),
    make("label", {}, "level ", numbers[0]),
    make("label", {}, "width ", numbers[1]),
    invert,
    hand,
    zoom("+", "Zoom in", 1.25),
    zoom("−", "Zoom out", 0.8),
    button("As at first", restore),
    make(
      "details",
      { className: "keys" },
      make("summary", { textContent: "Keys" }),
      make("p", {}, ...keys),
    ),
  ];
}

// Shows what the active image's window is.
function refresh() {
  const { image, window } = panes[shown.active];
  if (!image || !preset) return;
  const names = image.presets.map((each) => each.name);
  const options = names.includes(window.name) ? names : [...names, DIFFERENT];
  if ([...preset.options].map((each) => each.value).join("|") !== options.join("|")) {
    preset.replaceChildren(
      ...options.map((each) => make("option", { value: each, textContent: each })),
    );
  }
  preset.value = names.includes(window.name) ? window.name : DIFFERENT;
  const rounded = (value) => Number(value.toPrecision(5));
  numbers[0].value = rounded(panes[shown.active].level);
  numbers[1].value = rounded(panes[shown.active].width);
}

function apply(name) {
  for (const pane of all()) pane.apply(name);
  refresh();
}

// Both images change alike: each by a factor and by a share of its own width.
function adjust(wider, share) {
  for (const pane of all()) pane.adjust(wider, share);
  refresh();
}

function type(name, value) {
  const { level, width } = panes[shown.active];
  if (!Number.isFinite(value) || (name === "width" && value <= 0)) return refresh();
  if (name === "level") adjust(1, (value - level) / width);
  else adjust(value / width, 0);
}

function turn() {
  camera.inverted = !camera.inverted;
  invert.setAttribute("aria-pressed", camera.inverted);
  for (const pane of all()) pane.paint();
}

function restore() {
  reset();
  invert.setAttribute("aria-pressed", false);
  for (const pane of all()) if (pane.image) pane.use(pane.image.presets[0]);
  refresh();
}

// Enlarges about a point of a pane, in shares of its smaller side from the center.
function enlarge(factor, x = 0, y = 0) {
  const scale = clamp(camera.scale * factor, 0.25, 40),
    real = scale / camera.scale;
  camera.x = x + (camera.x - x) * real;
  camera.y = y + (camera.y - y) * real;
  camera.scale = scale;
  redraw();
}

const share = (canvas, x, y) => {
  const frame = canvas.getBoundingClientRect(),
    side = Math.min(frame.width, frame.height);
  return [(x - frame.left - frame.width / 2) / side, (y - frame.top - frame.height / 2) / side];
};

function pointers(pane, name) {
  const canvas = pane.canvas,
    down = new Map();
  const spread = () => {
    const [one, other] = [...down.values()];
    return Math.hypot(one.x - other.x, one.y - other.y) || 1;
  };
  pane.element.addEventListener("focusin", () => activate(name));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const turned = event.deltaY * (event.deltaMode ? 33 : 1); // in lines or in pixels
      enlarge(Math.exp(-turned / 400), ...share(canvas, event.clientX, event.clientY));
    },
    { passive: false },
  );
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    activate(name);
  });
  canvas.addEventListener("pointermove", (event) => {
    const from = down.get(event.pointerId);
    if (!from) return;
    const before = down.size > 1 ? spread() : 0;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const side = Math.min(canvas.clientWidth, canvas.clientHeight);
    if (down.size > 1) {
      enlarge(spread() / before, ...share(canvas, event.clientX, event.clientY));
    } else if (moving || event.shiftKey || event.buttons & 6) {
      camera.x += x / side;
      camera.y += y / side;
      redraw();
    } else {
      adjust(Math.exp((2 * x) / side), y / side);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => down.delete(event.pointerId));
  }
}

function activate(name) {
  shown.active = name;
  for (const [each, pane] of Object.entries(panes)) {
    pane.element.classList.toggle("active", each === name);
  }
  refresh();
}

const STEPS = {
  ArrowLeft: ["hit", -1],
  ArrowRight: ["hit", 1],
  ArrowUp: ["slice", -1],
  ArrowDown: ["slice", 1],
};

// Listens once and for all to the dialog and its panes.
export function listen(dialog, given, state, steps) {
  [panes, shown, go] = [given, state, steps];
  for (const [name, pane] of Object.entries(panes)) {
    pointers(pane, name);
    pane.changed = refresh;
  }
  dialog.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select, summary");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !dialog.querySelector(".panes"))
      return;
    if (event.key in STEPS) {
      const [what, by] = STEPS[event.key];
      if (what === "hit") go.hit(by);
      else go.slice(shown.active, by);
    } else if (event.key === "i") turn();
    else if (event.key === "+" || event.key === "=") enlarge(1.25);
    else if (event.key === "-") enlarge(0.8);
    else if (event.key === "0") restore();
    else return;
    event.preventDefault();
  });
}
