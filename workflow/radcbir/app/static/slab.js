// A part of a volume as the query: which slices are asked with, and whether series are ordered by the
// place where the part fits best.

import { at, button, make } from "./page.js";
import {
  asksForPlace,
  countOf,
  ofUnits,
  picture,
  shownOf,
  slabOf,
  sliced,
  state,
  stepOf,
  wish,
} from "./state.js";

// The slices of an upload or of a series of the catalog that are asked with; `again` shows the item
// anew. Uploads are counted from 0, as their slices are, those of the catalog from 1.
export function slab(item, again) {
  const count = ofUnits() ? countOf(item) : 0;
  if (count < 2) return [];
  const base = item.kind === "upload" ? 0 : 1;
  const { first, last } = slabOf(item);
  const shown = shownOf(item);
  const change = (from, to) => {
    const within = (value) => Math.max(0, Math.min(count - 1, Math.round(value) || 0));
    const ends = [within(from), within(to)].sort((one, other) => one - other);
    Object.assign(item, { whole: false, slab: { of: sliced(item), ends } });
    again(item);
    wish("search");
  };
  const box = make("input", { type: "checkbox", checked: item.whole });
  box.dataset.control = "all";
  box.addEventListener("change", () => {
    item.whole = box.checked;
    delete item.slab;
    again(item);
    wish("search");
  });
  const step = stepOf(count);
  const every = step > 1 ? `One in ${step} of ${count} slices` : `All ${count} slices`;
  const number = (label, value, changed) => {
    const field = make("input", {
      type: "number",
      min: base,
      max: count - 1 + base,
      step: 1,
      value: value + base,
      title: `counted from ${base}`,
      "aria-label": `${label} slice that is asked with`,
    });
    field.addEventListener("change", () => changed(Number(field.value) - base));
    return field;
  };
  const words = (text) => make("span", { className: "note", textContent: text });
  const here = (text, from, to) => button(text, () => change(from, to));
  const some = stepOf(last - first + 1);
  const thinned = !item.whole && some > 1 ? `One in ${some} of these slices is asked with.` : "";
  return [
    ...(item.kind === "image" ? [shownSlice(item, count, again)] : []),
    make("label", { className: "check" }, box, ` ${every}`),
    make(
      "div",
      { className: "row slab" },
      words("from"),
      number("First", first, (value) => change(value, Math.max(value, last))),
      words("to"),
      number("Last", last, (value) => change(Math.min(first, value), value)),
      here("From here", shown, Math.max(shown, last)),
      here("To here", Math.min(first, shown), shown),
    ),
    thinned && words(thinned),
  ];
}

// Which slice of a series of the catalog is shown.
function shownSlice(item, count, again) {
  const field = make("input", {
    type: "number",
    min: 1,
    max: count,
    step: 1,
    value: item.place + 1,
    "aria-label": "Slice that is shown",
  });
  field.addEventListener("change", () => {
    const wanted = Math.round(Number(field.value)) - 1 || 0;
    item.place = Math.max(0, Math.min(count - 1, wanted));
    item.picture = picture(item.images[item.place].id, 1024);
    again(item);
    if (!item.whole && !item.slab) wish("search"); // it is what is asked with
  });
  const words = (text) => make("span", { className: "note", textContent: text });
  return make("div", { className: "row slab" }, words("slice"), field, words(`of ${count}`));
}

// The switch beside the results; who has not touched it gets what fits the query.
export function showPlace() {
  at("place-row").hidden = !ofUnits() || !state.items.length;
  at("place").checked = asksForPlace();
}
