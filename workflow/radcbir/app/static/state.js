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
};

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

// The parts of an upload that are asked with: the chosen one, or where series, studies or patients are
// retrieved all slices of the plane. Of more slices than a query may have, every second, third ...
export function partsAsked(item) {
  const kind = ofUnits() && item.whole ? sliced(item) : null;
  if (!kind) return [item.part];
  const count = item.parts[kind],
    step = stepOf(count);
  return Array.from({ length: Math.ceil(count / step) }, (_, place) => ({
    ...item.part,
    [kind]: place * step,
  }));
}

export const stepOf = (count) => Math.ceil(count / state.limits.items);

export function question() {
  const files = [];
  const items = state.items.flatMap((item) => {
    const { kind, id, text, file } = item;
    const crop = ofUnits() ? undefined : item.crop;
    if (kind !== "upload") return [{ kind, id, text, crop }];
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
