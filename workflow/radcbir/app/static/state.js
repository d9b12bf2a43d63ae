// What the page knows and what is chosen on it. Questions are whole (images, marks, filters), so
// that the server remembers nothing and two people never meet.

import { at } from "./page.js";

export const state = {
  experiments: [],
  limits: {},
  items: [],
  right: new Set(),
  wrong: new Set(),
  refined: false,
  filters: {},
  answer: null,
  place: null, // whether the order is by the best place; null: as fits the query
};

// What tells one part of the query from the others.
export const numberOf = (item) => (item.number ??= crypto.randomUUID());

export const experiment = () =>
  state.experiments.find((each) => each.name === at("experiment").value);

export const model = (slug) => experiment().models.find((each) => each.slug === slug);

// What is retrieved: `image`, or `series`, `study`, `patient`, which are shown by one of their slices.
export const unit = () => experiment()?.unit ?? "image";
export const ofUnits = () => unit() !== "image";

export const asked = () => [...new Set([at("model").value, at("other").value])].filter(Boolean);

const address = (kind, id) =>
  `/api/${kind}/${encodeURIComponent(at("experiment").value)}/${encodeURIComponent(id)}`;

export const picture = (id, side = 192) => `${address("image", id)}?side=${side}`;
export const original = (id) => address("original", id);
export const valuesAddress = (id) => address("values", id);
export const itemAddress = (id) => address("item", id);
export const namedAddress = (name) =>
  `/api/named/${encodeURIComponent(at("experiment").value)}?uid=${encodeURIComponent(name)}`;
export const archiveAddress = (uid, image) =>
  `/api/archive/${encodeURIComponent(at("experiment").value)}?${new URLSearchParams({ uid, image })}`;
export const readyAddress = (slug) => address("ready", slug);

// Other parts of the page listen to wishes: `search`, `like` (an image of the catalog), `archive` (a
// UID), `marks`.
export const wish = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

// What the slices of an upload are called, `frame` or a plane; nothing where it has no more than one.
export const sliced = (item) =>
  Object.keys(item.part ?? {}).find((each) => each !== "volume" && item.parts[each] > 1);

// How many slices an upload has in its plane, or a series, study or patient of the catalog; and which
// of them is shown.
export const countOf = (item) =>
  item.kind === "image" ? (item.images?.length ?? 0) : (item.parts?.[sliced(item)] ?? 1);
export const shownOf = (item) =>
  item.kind === "image" ? (item.place ?? 0) : (item.part?.[sliced(item)] ?? 0);

// The first and the last slice that is asked with, from 0: all of them, those that were chosen in this
// plane, or the one that is shown.
export function slabOf(item) {
  if (item.whole) return { first: 0, last: countOf(item) - 1 };
  const chosen = item.slab?.of === sliced(item) ? item.slab?.ends : null;
  const [first, last] = chosen ?? [shownOf(item), shownOf(item)];
  return { first, last };
}

// The parts of an upload that are asked with: the chosen one, or where series, studies or patients are
// retrieved some or all slices of the plane. Of more slices than a query may have, every second, third ...
export function partsAsked(item) {
  const kind = ofUnits() ? sliced(item) : null;
  if (!kind) return [item.part];
  const { first, last } = slabOf(item),
    step = stepOf(last - first + 1);
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, place) => ({
    ...item.part,
    [kind]: first + place * step,
  }));
}

// Whether a query is known to be a part: some slices of a volume, or a region of them. Of files that
// are dropped together nobody knows it.
export function asksWithPart() {
  const [first] = state.items;
  if (!first || !ofUnits()) return false;
  if (state.items.some((each) => each.crop)) return true;
  if (state.items.length > 1) return false;
  const { first: from, last: to } = slabOf(first);
  return countOf(first) < 2 ? first.kind === "upload" : to - from + 1 < countOf(first);
}

export const asksForPlace = () => ofUnits() && (state.place ?? asksWithPart());

export const stepOf = (count) => Math.ceil(count / state.limits.items);

// Of a series of the catalog the slices that are asked with, where these are not all.
function slicesAsked(item) {
  if (item.kind !== "image" || item.whole || !ofUnits() || !item.images) return undefined;
  const { first, last } = slabOf(item);
  return [first, last];
}

export function question() {
  const files = [];
  const items = state.items.flatMap((item) => {
    const { kind, id, text, file } = item;
    const { crop } = item;
    if (kind !== "upload") return [{ kind, id, text, crop, slices: slicesAsked(item) }];
    files.push(file);
    return partsAsked(item).map((part) => ({ kind, file: files.length - 1, crop, part }));
  });
  const marks = state.refined ? { right: [...state.right], wrong: [...state.wrong] } : {};
  const asking = {
    experiment: at("experiment").value,
    models: asked(),
    items,
    ...marks,
    filters: state.filters,
    k: Number(at("k").value),
    fold: at("fold").checked && !ofUnits() ? Number(at("threshold").value) : null,
    ...(asksForPlace() ? { place: true } : {}),
    per_patient: at("per-patient").checked && Boolean(experiment().patients),
    read_as: at("read-as").value,
  };
  return [asking, files];
}

// The labels of the query, where it is one image of the catalog.
export function knownLabels() {
  const known = state.items.length === 1 && state.items[0].known;
  return known ? known.labels : null;
}
