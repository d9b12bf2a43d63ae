// The parts of a query: uploads, images of the catalog, words.

import { isUid } from "./archive.js";
import { byPosition } from "./lying.js";
import { clearMarks } from "./marks.js";
import { ask, at, button, capital, fail, get, make, redraw } from "./page.js";
import { cropping, parts, pictured } from "./region.js";
import { busy, idle, refuse, search } from "./search.js";
import { slab } from "./slab.js";
import {
  experiment,
  itemAddress,
  namedAddress,
  numberOf,
  ofUnits,
  picture,
  sliced,
  state,
  stepOf,
  unit,
  wish,
} from "./state.js";
import { labelsOf, millimeters, origin, several } from "./words.js";

const MEGABYTE = 1048576;

// Slice 9 comes before slice 10.
const byNumber = new Intl.Collator("en", { numeric: true });

// Adds files to the query; `more` is what else is known of them.
export async function addFiles(files, more = {}) {
  const wrong = [];
  if (ofUnits()) files.sort((one, other) => byNumber.compare(one.name, other.name));
  for (const file of files) {
    if (tooMany(file, wrong)) continue;
    const item = { kind: "upload", file, name: file.name, whole: true, ...more };
    try {
      await preview(item);
      state.items.push(item);
      clearMarks();
    } catch (error) {
      wrong.push(capital(error.message) + ".");
    }
  }
  if (ofUnits()) state.items = byPosition(state.items) ?? state.items;
  showItems();
  if (wrong.length < files.length) await search();
  idle(); // without a new part the query is as it was, and so are its results
  if (wrong.length) fail(wrong.join(" "));
}

function tooMany(file, wrong) {
  const most = state.limits.upload_megabytes;
  const taken = state.items.reduce((sum, each) => sum + (each.file ? each.file.size : 0), 0);
  if (file.size + taken > most * MEGABYTE) {
    const size = Math.ceil(file.size / MEGABYTE);
    wrong.push(
      `The image '${file.name}' has ${size} MB; those of one query may have ${most} MB` +
        " together: take smaller or fewer ones.",
    );
    return true;
  }
  if (state.items.length < state.limits.items) return false;
  const said = `A query has ${state.limits.items} items at most.`;
  if (!wrong.includes(said)) wrong.push(said);
  return true;
}

// What a file shows, and the parts that it has.
async function preview(item) {
  busy(`Reading ${item.name} …`);
  const asked = {
    experiment: at("experiment").value,
    part: item.part,
    read_as: at("read-as").value,
  };
  const found = await ask("/api/preview", asked, [item.file]);
  const part = Object.keys(found.part).length ? found.part : undefined;
  const size = `${found.width} × ${found.height}`;
  Object.assign(item, { picture: found.picture, size, parts: found.parts, part, lies: found.place });
}

export async function previewAgain(items) {
  try {
    for (const item of items) await preview(item);
  } catch (error) {
    return refuse(capital(error.message) + ".");
  }
  showItems();
  search();
}

// Asks with an image of the catalog. What is known of it is shown, since it is no secret then.
export async function moreLikeThis(id) {
  const name = `${unit()} of the catalog`;
  const item = { kind: "image", id, name, picture: picture(id, 1024), whole: true };
  state.items = [item];
  state.place = null;
  showNamed();
  clearMarks();
  if (at("detail").open) at("detail").close();
  showItems();
  window.scrollTo({ top: 0 });
  try {
    const { image, series } = await get(itemAddress(id));
    if (ofUnits()) {
      image.slices = series.images.length;
      Object.assign(item, { images: series.images, place: series.place });
    }
    Object.assign(item, { known: image, name: labelsOf(image) });
  } catch {
    // The search says what is wrong.
  }
  if (!state.items.includes(item)) return;
  showItems();
  search();
}

// Asks with what a UID belongs to. Where that is several, for instance all series of a study, one of
// them is chosen. What the catalog does not have may be in an archive, as may one `instance` of it.
export async function find(uid = at("uid").value, instance = "") {
  at("uid").value = uid;
  showNamed();
  if (!uid.trim()) return fail("The UID is empty: type or paste that of a study or series.");
  fail("");
  let found;
  try {
    found = await get(namedAddress(uid));
  } catch (error) {
    if (experiment().archive && isUid(uid)) return wish("archive", { uid, image: instance });
    return refuse(capital(error.message) + ".");
  }
  const { units, count } = found;
  if (count === 1) return wish("like", units[0].id);
  const more = count > units.length ? `, the first ${units.length}` : "";
  const said = `It belongs to ${count} ${several()}${more}: choose one.`;
  const named = units.map((each) => {
    const own = ofUnits() ? [`${each.slices} slices`] : [whichOf(each), each.path];
    const words = [labelsOf(each), origin(each), ...own].filter(Boolean).join(" · ");
    return [words, () => wish("like", each.id)];
  });
  offer(said, named);
}

// What tells images of one series apart.
const whichOf = (image) =>
  millimeters(image) || (typeof image.instance === "number" ? `number ${image.instance}` : "");

// Says what a UID belongs to, and offers what can be chosen of it: words and what follows.
export function offer(said, named) {
  at("named-row").hidden = false; // a link may ask for a UID where the page has no field for one
  const listed = named.map(([words, action]) => make("li", {}, button(words, action)));
  showNamed(
    make("p", { className: "note", role: "status", textContent: said }),
    ...(listed.length ? [make("ul", {}, ...listed)] : []),
  );
}

export function addText() {
  const text = at("text").value.trim();
  if (!text) return fail("The text is empty: type what to look for.");
  state.items.push({ kind: "text", text, name: `“${text}”` });
  at("text").value = "";
  clearMarks();
  showItems();
  search();
}

// What is listed of a UID; the field of the UID takes the focus of what is listed no longer.
export const showNamed = (...elements) => redraw(at("named"), elements, () => at("uid"));

// A change is told while the focus is still on its way to the next control: it arrives, then the
// cards are drawn.
let drawing = 0;

export function showItems() {
  clearTimeout(drawing);
  drawing = setTimeout(() => {
    const next = () => at("items").querySelector("[data-control=remove]") ?? at("files");
    redraw(at("items"), state.items.map(card), next);
  });
  if (!state.items.length) state.place = null;
  at("items").classList.toggle("many", ofUnits() && state.items.length > 1);
  document.body.classList.toggle("asked", state.items.length > 0);
}

function card(item) {
  const remove = button(
    "Remove",
    () => {
      state.items = state.items.filter((each) => each !== item);
      clearMarks();
      showItems();
      search();
    },
    { "aria-label": `Remove ${item.name}` },
  );
  remove.dataset.control = "remove";
  const name = make("span", { textContent: item.name, title: item.name });
  const entry = make("li", {}, make("div", { className: "head" }, name, remove));
  entry.dataset.card = numberOf(item);
  if (item.known) entry.append(make("p", { className: "note", textContent: known(item.known) }));
  if (!item.picture) return entry;
  const own = item === state.items[0] || !ofUnits();
  const shown = own ? cropping(item, () => boxed(item)) : pictured(item);
  const again = (each) => previewAgain([each]);
  const rows = [...parts(item, again), ...slab(item, showItems)];
  entry.append(...shown, ...rows);
  entry.classList.toggle("wide", own || rows.length > 0);
  return entry;
}

// One box is for all slices.
function boxed(item) {
  if (ofUnits() && state.items.length > 1) {
    for (const each of state.items) each.crop = item.crop;
    showItems();
  }
  wish("search");
}

const known = (image) =>
  [
    `known labels: ${labelsOf(image)}`,
    `split ${image.split}`,
    origin(image),
    image.slices ? `${image.slices} slices` : "",
  ]
    .filter(Boolean)
    .join(" · ");
