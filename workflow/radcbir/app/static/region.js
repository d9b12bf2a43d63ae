// The region of a query image that is searched for, and the part of a file that is shown.

import { make, showPicture } from "./page.js";

// The part of a file that holds several: frames, or the slices of a volume, of one of several
// volumes. `again` shows the item with its new part.
export function parts(item, again) {
  const names = Object.keys(item.parts || {}).filter((each) => each !== "volume");
  if (!names.length) return [];
  const name = names.find((each) => each in item.part),
    volumes = item.parts.volume || 1;
  const number = (part, count, value) => {
    const field = make("input", {
      type: "number",
      min: 0,
      max: count - 1,
      step: 1,
      value,
      "aria-label": `${part} number`,
    });
    field.dataset.control = part === "volume" ? part : "part"; // whatever the plane is called
    return field;
  };
  const row = (...fields) => make("div", { className: "row" }, ...fields);
  const count = (total) =>
    make("span", { className: "note", title: "counted from 0", textContent: `of ${total}` });
  const options = names.map((each) =>
    make("option", { value: each, textContent: each, selected: each === name }),
  );
  const plane = make("select", { "aria-label": "Plane" }, ...options);
  const place = number(name, item.parts[name], item.part[name]);
  const volume = number("volume", volumes, item.part.volume || 0);
  const within = (field, total) =>
    Math.max(0, Math.min(total - 1, Math.round(Number(field.value)) || 0));
  const changed = () => {
    const total = item.parts[plane.value];
    const chosen = plane.value === name ? within(place, total) : Math.floor(total / 2);
    item.part = { [plane.value]: chosen };
    if (volumes > 1) item.part.volume = within(volume, volumes);
    again(item);
  };
  for (const each of [plane, place, volume]) each.addEventListener("change", changed);
  const rows = [row(plane, place, count(item.parts[name]))];
  const label = make("span", { className: "name", textContent: "volume" });
  if (volumes > 1) rows.push(row(label, volume, count(volumes)));
  return rows;
}

const EDGES = ["left", "top", "right", "bottom"];

function imageOf(item) {
  const image = make("img", { alt: `Query: ${item.name}`, draggable: false });
  if (item.kind === "image") showPicture(image, item.picture);
  else image.src = item.picture;
  return image;
}

const sizeOf = (item) =>
  item.size ? [make("div", { className: "note", textContent: item.size })] : [];

// Shows where a region is.
function outline(box, item) {
  const [left, top, right, bottom] = item.crop || [0, 0, 1, 1];
  box.hidden = !item.crop;
  Object.assign(box.style, {
    left: `${left * 100}%`,
    top: `${top * 100}%`,
    width: `${(right - left) * 100}%`,
    height: `${(bottom - top) * 100}%`,
  });
}

// A picture alone, with the region that was drawn on another.
export function pictured(item) {
  const box = make("div", { className: "box" });
  outline(box, item);
  return [make("div", { className: "canvas still" }, imageOf(item), box), ...sizeOf(item)];
}

// A picture on which a region is drawn; the same region as numbers, for the keyboard. `changed` is
// called with each new one.
export function cropping(item, changed) {
  const image = imageOf(item);
  const box = make("div", { className: "box", hidden: true });
  const area = make(
    "div",
    { className: "canvas", title: "Drag to search with a region" },
    image,
    box,
  );
  const fields = EDGES.map((name, place) => {
    const field = make("input", {
      type: "number",
      min: 0,
      max: 100,
      step: 1,
      "aria-label": `Region: ${name} in percent`,
    });
    field.addEventListener("change", () => {
      const crop = [...(item.crop || [0, 0, 1, 1])];
      crop[place] = Math.max(0, Math.min(100, Number(field.value))) / 100;
      item.crop = crop;
      show();
      changed();
    });
    return field;
  });
  const whole = make("button", { type: "button", textContent: "Whole image" });
  whole.addEventListener("click", () => {
    fields[0].focus(); // the button ends as one that cannot be pressed
    delete item.crop;
    show();
    changed();
  });
  const show = () => {
    const edges = item.crop || [0, 0, 1, 1];
    whole.disabled = !item.crop;
    outline(box, item);
    fields.forEach((field, place) => {
      field.value = Math.round(edges[place] * 100);
    });
  };
  drawing(area, item, show, changed);
  show();
  const labels = fields.map((field, place) => make("label", {}, `${EDGES[place]} %`, field));
  const numbers = make(
    "details",
    {},
    make("summary", { textContent: "Region (drag on the image)" }),
    make("div", { className: "numbers" }, ...labels),
    whole,
  );
  return [area, ...sizeOf(item), numbers];
}

// Draws a region with the pointer.
function drawing(area, item, show, changed) {
  let from = null,
    before;
  const where = (event) => {
    const frame = area.getBoundingClientRect();
    const place = [
      (event.clientX - frame.left) / frame.width,
      (event.clientY - frame.top) / frame.height,
    ];
    return place.map((each) => Math.max(0, Math.min(1, each)));
  };
  const undo = () => {
    item.crop = before;
    if (!before) delete item.crop;
    show();
  };
  area.addEventListener("pointerdown", (event) => {
    from = where(event);
    before = item.crop;
    area.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  area.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = where(event);
    item.crop = [
      Math.min(from[0], x),
      Math.min(from[1], y),
      Math.max(from[0], x),
      Math.max(from[1], y),
    ];
    show();
  });
  area.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    if (!item.crop || item.crop === before) return;
    const [left, top, right, bottom] = item.crop;
    if (right - left < 0.02 || bottom - top < 0.02) return undo();
    show();
    changed();
  });
  area.addEventListener("pointercancel", () => {
    from = null;
    undo();
  });
}
