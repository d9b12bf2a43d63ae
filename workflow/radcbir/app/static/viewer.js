// The viewer: the query and a result side by side on black.

import { markButtons } from "./marks.js";
import { ask, at, button, get, loaded, make, problem, redraw, save, values } from "./page.js";
import { Pane } from "./pane.js";
import {
  experiment,
  itemAddress,
  model,
  numberOf,
  ofUnits,
  original,
  partsAsked,
  question,
  slabOf,
  sliced,
  state,
  valuesAddress,
  wish,
} from "./state.js";
import { facts } from "./facts.js";
import { byPosition } from "./lying.js";
import { listen, reset, tools } from "./tools.js";
import { maps } from "./where.js";
import { labelsOf, sliceOf } from "./words.js";

const KEPT_BYTES = 256 * 1048576;

const panes = { query: new Pane("Query"), hit: new Pane("Result") };
const shown = { hits: [], place: 0, slug: "", active: "hit", series: {}, known: {} };
const kept = new Map();

// "Where?" means something for one image as the query, and an encoder that has learned.
export function offersWhere(slug) {
  return state.items.length === 1 && state.items[0].kind !== "text" && model(slug).patches;
}

// Shows a hit of a list beside the query.
export function view(hits, hit, slug, where = false) {
  Object.assign(shown, { hits, place: hits.indexOf(hit), slug, active: "hit", series: {}, known: {} });
  reset();
  at("detail-body").replaceChildren(
    make("div", { className: "panes" }, panes.query.element, panes.hit.element),
  );
  panes.query.element.hidden = !images().length;
  at("detail-body").classList.toggle("alone", !images().length);
  at("detail-tools").replaceChildren(...tools(panes, shown, { hit: showHit, slice }));
  if (!at("detail").open) at("detail").showModal();
  if (!ofUnits()) showQuery();
  showHit(0);
  panes.hit.canvas.focus({ preventScroll: true });
  if (where) showWhere();
}

const images = () => state.items.filter((each) => each.kind !== "text");

// What is said below an image. The image takes the focus of a control that is there no longer, so
// that keys go on.
const describe = (which, ...elements) =>
  redraw(panes[which].caption, elements, () => panes[which].canvas);

// The values of an image, kept for a while: one goes back and forth.
function valuesOf(name, fetch) {
  if (!kept.has(name)) {
    const promise = fetch();
    kept.set(name, promise);
    promise.then(
      (image) => {
        promise.bytes = image.codes.byteLength;
        shrink();
      },
      () => kept.delete(name),
    );
  }
  return kept.get(name);
}

function shrink() {
  let bytes = [...kept.values()].reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  for (const [name, each] of kept) {
    if (bytes <= KEPT_BYTES) return;
    bytes -= each.bytes ?? 0;
    kept.delete(name);
  }
}

function catalogValues(id) {
  const path = valuesAddress(id);
  return valuesOf(path, () => values(path));
}

function uploadValues(item, part = item.part) {
  const asked = {
    experiment: at("experiment").value,
    part,
    read_as: at("read-as").value,
  };
  const name = [numberOf(item), JSON.stringify(asked)].join();
  return valuesOf(name, () => values("/api/values", asked, [item.file]));
}

function showQuery() {
  const [item] = images();
  if (!item) return;
  if (ofUnits()) return showQuerySlice(item);
  const several = state.items.length > 1 ? ` (1 of ${state.items.length} parts)` : "";
  const upload = item.kind === "upload";
  panes.query.show(upload ? uploadValues(item) : catalogValues(item.id), item.name, item.crop);
  shown.known.query = item.known;
  describe("query", head(`Query${several}`, place("query")), known());
  if (upload) showParts(item);
  else findSeries("query", { id: item.id, path: item.name, file: item.known?.file });
}

// Of slices, the one that is nearest to the slice of the result.
function showQuerySlice(first) {
  const nearest = shown.hits[shown.place].nearest?.query;
  shown.known.query = first.known;
  describe("query", head("Query", place("query")), known());
  if (first.kind === "image") {
    const id = nearest ?? first.id;
    panes.query.show(catalogValues(id), first.name, first.crop);
    const slice = first.images?.find((each) => each.id === id);
    return findSeries("query", slice ?? { id, path: first.name });
  }
  const asked = state.items.flatMap((item) => partsAsked(item).map((part) => uploadedSlice(item, part)));
  const chosen = asked[Number(nearest ?? 0)];
  // Of one file all its slices can be gone through, else what was dropped.
  const slices = state.items.length > 1 ? asked : allSlices(first);
  const own =
    slices === asked
      ? asked.indexOf(chosen)
      : slices.findIndex((each) => each.path === chosen.path);
  panes.query.show(chosen.fetch(), chosen.path, first.crop);
  const kind = byPosition(state.items) ? "placed" : "uploads";
  shown.series.query = { kind, images: slices, place: own, own };
  showSlice("query");
}

function uploadedSlice(item, part) {
  const kind = sliced(item);
  return {
    path: kind ? `${item.name}, ${kind} ${part[kind]}` : item.name,
    fetch: () => uploadValues(item, part),
  };
}

function allSlices(item) {
  const kind = sliced(item);
  if (!kind) return [uploadedSlice(item, item.part)];
  return Array.from({ length: item.parts[kind] }, (_, number) =>
    uploadedSlice(item, { ...item.part, [kind]: number }),
  );
}

// Goes `step` results on.
function showHit(step) {
  const before = shown.place;
  shown.place = Math.max(0, Math.min(shown.hits.length - 1, shown.place + step));
  if (step && shown.place === before) return;
  const hit = shown.hits[shown.place];
  if (ofUnits()) showQuery();
  at("detail-title").textContent = labelsOf(hit);
  at("detail-place").textContent = `${shown.place + 1} of ${shown.hits.length}`;
  const rank = hit.rank ? `Result ${hit.rank}` : "Result";
  panes.hit.show(catalogValues(sliceOf(hit)), labelsOf(hit));
  const row = make("div", { className: "row" }, ...actions(hit));
  shown.known.hit = hit;
  describe("hit", head(rank, place("hit"), row), known());
  const { file, position } = hit.nearest ?? hit;
  findSeries("hit", { id: sliceOf(hit), path: file, file, position });
  const next = shown.hits[shown.place + (step || 1)];
  if (next) catalogValues(sliceOf(next)).catch(() => {}); // so that it is there at the next key
}

const head = (title, ...beside) =>
  make("div", { className: "head" }, make("h3", { textContent: title }), ...beside);

// What a side shows of its series: the slice that it has come to, or as long as the series is not
// known the one that it began with.
function current(which) {
  const { images, place, began } = shown.series[which] ?? {};
  return images?.[place] ?? began;
}

// Whether a side is at the image that it began with.
const atOwn = (which) => (shown.series[which]?.place ?? 0) === (shown.series[which]?.own ?? 0);

// What is known of the image of a side, of the slice that it shows.
function showFacts(which) {
  const line = panes[which].caption.querySelector(".known"),
    slice = current(which);
  if (!line) return;
  const image = shown.known[which];
  const pair = atOwn("query") && atOwn("hit");
  line.replaceChildren(
    image ? facts(image, slice, pair, !atOwn(which)) : make("p", { textContent: slice?.path ?? "" }),
  );
}

function actions(hit) {
  const copy = button("Copy path", async () => {
    await navigator.clipboard.writeText(current("hit").file);
    copy.textContent = "Copied";
  });
  copy.dataset.control = "copy";
  const file = button("Original file", () => download(file));
  const like = button("More like this", () => wish("like", hit.id));
  const marks = ofUnits() ? [] : markButtons(hit, "this result");
  const found = [...marks, like, copy];
  if (experiment().originals) found.push(file);
  if (offersWhere(shown.slug)) found.push(button("Where?", showWhere));
  return found;
}

async function download(pressed) {
  const { id, file } = current("hit");
  try {
    save(await loaded(original(id)), file.split("/").pop().split("#")[0]);
  } catch (error) {
    pressed.after(problem(error));
  }
}

// --- neighboring slices ----------------------------------------------------

// What a series is ordered by; else its images are frames, or slices of a plane.
const ORDERS = {
  file: "by file name",
  position: "by position",
  instance: "by instance number",
  series: "of the series",
  study: "of the study",
  patient: "of the patient",
  uploads: "uploaded",
  placed: "uploaded, by position",
};

const known = () => make("div", { className: "known" });
const place = (which) => make("div", { className: "slices", "data-of": which });

async function findSeries(which, began) {
  const mine = (shown.series[which] = { began, images: [] });
  showFacts(which);
  try {
    const { series } = await get(itemAddress(began.id));
    if (shown.series[which] !== mine) return;
    Object.assign(mine, series, { own: series.place });
    showSlice(which);
  } catch {
    // The image itself says what is wrong.
  }
}

// The slices or frames of an upload, in the plane that is asked with. Each is fetched when it is shown.
function showParts(item) {
  shown.series.query = { began: { path: item.name }, images: [] };
  showFacts("query");
  const kind = Object.keys(item.part ?? {}).find((each) => each !== "volume");
  if (!kind) return;
  const images = Array.from({ length: item.parts[kind] }, (_, number) => ({
    path: `${item.name}, ${kind} ${number}`,
    fetch: () => uploadValues(item, { ...item.part, [kind]: number }),
  }));
  shown.series.query = { kind, images, place: item.part[kind], own: item.part[kind] };
  showSlice("query");
}

function showSlice(which) {
  showFacts("query");
  showFacts("hit"); // what is said of both together
  const series = shown.series[which],
    line = panes[which].caption.querySelector(".slices");
  if (!line || series.images.length < 2) return;
  const off = series.place - series.own,
    count = series.images.length;
  const own = which === "hit" ? "the result" : "the query";
  const middle = shown.hits[shown.place].part
    ? { hit: "the middle of the place", query: "the middle of the query" }[which]
    : `the nearest slice of ${own}`;
  const what = ofUnits() ? middle : own;
  const away = off ? `${Math.abs(off)} ${off > 0 ? "after" : "before"} ${what}` : what;
  const order = ORDERS[series.kind] ?? series.kind;
  const title = series.images[series.place].path.split("/").pop();
  const move = (step, sign, label) =>
    button(sign, () => slice(which, step), { "aria-label": `${label}: ${own}` });
  const said = `${series.place + 1} of ${count} (${order}), ${away}`;
  redraw(line, [
    move(-1, "▲", "Slice before"),
    move(1, "▼", "Slice after"),
    make("span", { textContent: said, title }),
  ]);
}

// Whether the slice of the query that is shown is one of those that are asked with.
function isAsked(series, item) {
  if (!ofUnits()) return series.place === series.own;
  const { first, last } = slabOf(item);
  return state.items.length > 1 || (first <= series.place && series.place <= last);
}

// Goes `step` images on in the series of one side.
function slice(which, step) {
  const series = shown.series[which];
  if (!series || series.images.length < 2) return;
  const next = Math.max(0, Math.min(series.images.length - 1, series.place + step));
  if (next === series.place) return;
  series.place = next;
  const { id, path, fetch } = series.images[next];
  const [item] = images();
  const crop = which === "query" && isAsked(series, item) ? item.crop : null;
  panes[which].show(fetch ? fetch() : catalogValues(id), path, crop);
  const beyond = series.images[next + step];
  if (beyond?.id) catalogValues(beyond.id).catch(() => {});
  for (const copy of panes.hit.caption.querySelectorAll("[data-control=copy]")) {
    copy.textContent = "Copy path"; // of another slice than the one that was copied
  }
  showSlice(which);
}

// --- where a match is ------------------------------------------------------

async function showWhere() {
  const hit = shown.hits[shown.place],
    body = at("detail-body");
  const back = button("Back to the images", () => view(shown.hits, hit, shown.slug));
  const waiting = make("p", { role: "status", textContent: "Comparing patches …" });
  at("detail-tools").replaceChildren(back);
  body.replaceChildren(waiting);
  back.focus();
  try {
    const [asking, files] = question();
    const found = await ask("/api/match", { ...asking, models: [shown.slug], id: hit.id }, files);
    waiting.replaceWith(maps(found));
  } catch (error) {
    waiting.replaceWith(problem(error));
  }
}

listen(at("detail"), panes, shown, { hit: showHit, slice });
