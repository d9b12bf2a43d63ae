// The page of queries. All that comes from files or labels is put into the page as text, never as markup; questions are
// whole (images, marks, filters), so that the server remembers nothing and two people never meet.
"use strict";

const at = id => document.getElementById(id);
const state = { experiments: [], limits: {}, items: [], right: new Set(), wrong: new Set(), applied: false, filters: {}, answer: null };
let asking = null;

// The key of the printed link. It goes to the server in a header; this tab alone keeps it, for a reload.
const key = (() => {
  const given = new URLSearchParams(location.search).get("key");
  if (given) {
    sessionStorage.setItem("key", given);
    history.replaceState(null, "", "/");
  }
  return sessionStorage.getItem("key") || "";
})();

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(each => each !== null && each !== ""));
  return element;
}

// Text with `commands` in it.
function sentence(text) {
  return text.split("`").map((part, place) => (place % 2 ? make("code", { textContent: part }) : part));
}

function fail(text) {
  at("error").replaceChildren(...sentence(text));
  at("error").hidden = !text;
}

// The server's response; an error says what it said.
async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "X-Radcbir-Key": key }, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: is it still running in its terminal?");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({ error: "the answer could not be read: reload the page with the printed link" }));
  throw new Error(answer.error);
}

async function ask(path, question, files, signal) {
  const form = new FormData();
  form.append("question", JSON.stringify(question));
  for (const file of files) form.append("file", file, file.name);
  return (await request(path, { method: "POST", body: form, signal })).json();
}

const experiment = () => state.experiments.find(each => each.name === at("experiment").value);
const model = slug => experiment().models.find(each => each.slug === slug);
const asked = () => [at("model").value, at("other").value].filter((each, place, all) => each && all.indexOf(each) === place);
const picture = (id, side = 192) => `/api/image/${encodeURIComponent(at("experiment").value)}/${id}?side=${side}`;
const original = id => `/api/original/${encodeURIComponent(at("experiment").value)}/${id}`;
const capital = text => text[0].toUpperCase() + text.slice(1);

// An address that needs the key, as one that an element can load.
async function loaded(path) {
  return URL.createObjectURL(await (await request(path)).blob());
}

// Shows what an address gives; what cannot be shown is said.
async function showPicture(image, path) {
  const gone = () => image.replaceWith(make("span", { className: "gone", textContent: "no picture" }));
  try {
    const address = await loaded(path);
    image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    image.addEventListener("error", () => { URL.revokeObjectURL(address); gone(); }, { once: true });
    image.src = address;
  } catch {
    gone();
  }
}

// Pictures are fetched when they come near the window.
const near = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    showPicture(entry.target, entry.target.dataset.path);
  }
}, { rootMargin: "200px" });

function thumbnail(id, alt) {
  const image = make("img", { alt, draggable: false });
  image.dataset.path = picture(id);
  near.observe(image);
  return image;
}

// --- what can be chosen ---------------------------------------------------------------------------------------------

async function start() {
  let setup;
  try {
    setup = await (await request("/api/setup")).json();
  } catch (error) {
    at("query").hidden = at("tools").hidden = true;
    return fail(capital(error.message) + ".");
  }
  state.experiments = setup.experiments;
  state.limits = setup.limits;
  at("experiment").replaceChildren(...setup.experiments.map(each => make("option", { value: each.name, textContent: each.name + (each.missing ? " (not run)" : "") })));
  const first = setup.experiments.find(each => !each.missing && each.models.some(one => !one.missing));
  if (first) at("experiment").value = first.name;
  chooseExperiment();
}

function chooseExperiment() {
  const chosen = experiment();
  state.filters = {};
  state.items = state.items.filter(each => each.kind !== "image");
  clearMarks();
  showAnswer(null);
  const option = each => make("option", { value: each.slug, textContent: each.name + (each.missing ? " (unavailable)" : each.control ? " (control)" : ""), disabled: Boolean(each.missing) });
  at("model").replaceChildren(...chosen.models.map(option));
  at("other").replaceChildren(make("option", { value: "", textContent: "no other model" }), ...chosen.models.map(option));
  const first = chosen.models.find(each => !each.missing);
  at("model").value = first ? first.slug : "";
  at("read-as").replaceChildren(...chosen.datasets.map(each => make("option", { value: each, textContent: each })));
  at("read-as-row").hidden = !chosen.several_intensities;
  at("samples").replaceChildren(...(chosen.samples || []).map(id => {
    const button = make("button", { type: "button", title: "Use this image as the query", "aria-label": `Sample image ${id}` }, thumbnail(id, ""));
    button.addEventListener("click", () => moreLikeThis(id, "sample"));
    return button;
  }));
  at("samples-row").hidden = !(chosen.samples || []).length;
  showFacets();
  showNotes();
  showItems();
  fail(chosen.missing ? capital(chosen.missing) : first ? "" : "No model of this experiment can be asked yet: see the notes beside the models.");
}

function showNotes() {
  const chosen = experiment();
  const lines = [chosen.note];
  for (const slug of asked()) {
    const each = model(slug);
    if (each.no_encoder) lines.push(`${each.name} cannot embed uploads: ${each.no_encoder}.`);
    if (each.note) lines.push(each.note);
  }
  for (const each of chosen.models) if (each.missing) lines.push(`${each.name}: ${each.missing}.`);
  at("notes").replaceChildren(...lines.filter(Boolean).map(each => make("p", {}, ...sentence(each))));
  at("text-row").hidden = !asked().some(slug => model(slug).text);
}

function showFacets() {
  const chosen = experiment();
  at("filtered").textContent = chosen.images === undefined ? "" : `${chosen.images.toLocaleString("en")} images`;
  at("facets").replaceChildren(...Object.entries(chosen.facets || {}).filter(([, counts]) => Object.keys(counts).length).map(([facet, counts]) => {
    const summary = make("summary", { textContent: capital(facet) }, make("b"));
    const values = make("div", { className: "values" }, ...Object.entries(counts).map(([value, count]) => {
      const box = make("input", { type: "checkbox", value });
      box.addEventListener("change", () => {
        state.filters[facet] = [...values.querySelectorAll("input:checked")].map(each => each.value);
        summary.lastChild.textContent = state.filters[facet].length ? ` (${state.filters[facet].length})` : "";
        search();
      });
      return make("label", {}, box, make("span", { textContent: value }), " ", make("i", { textContent: count.toLocaleString("en") }));
    }));
    const details = make("details", {}, summary);
    if (Object.keys(counts).length > 12) {
      const find = make("input", { type: "search", placeholder: `find a ${facet}`, "aria-label": `Find a ${facet}` });
      find.addEventListener("input", () => values.childNodes.forEach(each => { each.hidden = !each.textContent.toLowerCase().includes(find.value.toLowerCase()); }));
      find.addEventListener("keydown", event => { if (event.key === "Enter") event.preventDefault(); });
      details.append(find);
    }
    details.append(values);
    return details;
  }));
}

// --- the query ------------------------------------------------------------------------------------------------------

async function addFiles(files) {
  await ready; // a file may come before the page knows what there is
  const limit = state.limits.upload_megabytes * 1048576, wrong = [];
  for (const file of files) {
    const taken = state.items.reduce((sum, each) => sum + (each.file ? each.file.size : 0), 0);
    if (file.size + taken > limit) {
      wrong.push(`The image '${file.name}' has ${Math.ceil(file.size / 1048576)} MB; those of one query may have ${state.limits.upload_megabytes} MB together: take smaller or fewer ones.`);
      continue;
    }
    if (state.items.length >= state.limits.items) { wrong.push(`A query has ${state.limits.items} items at most.`); break; }
    const item = { kind: "upload", file, name: file.name };
    try {
      await preview(item);
      state.items.push(item);
      clearMarks();
    } catch (error) {
      wrong.push(capital(error.message) + ".");
    }
  }
  showItems();
  if (wrong.length < files.length) await search();
  idle();
  if (wrong.length) fail(wrong.join(" "));
}

// What a file shows, and the parts that it has.
async function preview(item) {
  busy(`Reading ${item.name} …`);
  const found = await ask("/api/preview", { experiment: at("experiment").value, part: item.part, read_as: at("read-as").value }, [item.file]);
  Object.assign(item, { picture: found.picture, size: `${found.width} × ${found.height}`, parts: found.parts, part: Object.keys(found.part).length ? found.part : undefined });
}

async function previewAgain(items) {
  try {
    for (const item of items) await preview(item);
  } catch (error) {
    idle();
    return fail(capital(error.message) + ".");
  }
  showItems();
  search();
}

function moreLikeThis(id, name) {
  state.items = [{ kind: "image", id, name: name || "image of the catalog", picture: picture(id, 1024) }];
  clearMarks();
  if (at("detail").open) at("detail").close();
  showItems();
  search();
  window.scrollTo({ top: 0 });
}

function addText() {
  const text = at("text").value.trim();
  if (!text) return fail("The text is empty: type what to look for.");
  state.items.push({ kind: "text", text, name: `“${text}”` });
  at("text").value = "";
  clearMarks();
  showItems();
  search();
}

function showItems() {
  at("items").replaceChildren(...state.items.map(item => {
    const remove = make("button", { type: "button", textContent: "Remove", "aria-label": `Remove ${item.name}` });
    remove.addEventListener("click", () => { state.items = state.items.filter(each => each !== item); clearMarks(); showItems(); search(); });
    const entry = make("li", {}, make("div", { className: "head" }, make("span", { textContent: item.name, title: item.name }), remove));
    if (item.picture) entry.append(...cropping(item), ...parts(item));
    return entry;
  }));
}

// The part of a file that holds several: frames, or the slices of a volume, of one of several volumes.
function parts(item) {
  const names = Object.keys(item.parts || {}).filter(each => each !== "volume");
  if (!names.length) return [];
  const name = names.find(each => each in item.part), volumes = item.parts.volume || 1;
  const number = (part, count, value) => make("input", { type: "number", min: 0, max: count - 1, step: 1, value, "aria-label": `${part} number` });
  const row = (...fields) => make("div", { className: "row" }, ...fields);
  const count = total => make("span", { className: "note", title: "counted from 0", textContent: `of ${total}` });
  const plane = make("select", { "aria-label": "Plane" }, ...names.map(each => make("option", { value: each, textContent: each, selected: each === name })));
  const place = number(name, item.parts[name], item.part[name]), volume = number("volume", volumes, item.part.volume || 0);
  const within = (field, total) => Math.max(0, Math.min(total - 1, Math.round(Number(field.value)) || 0));
  const changed = () => {
    const total = item.parts[plane.value];
    item.part = { [plane.value]: plane.value === name ? within(place, total) : Math.floor(total / 2) };
    if (volumes > 1) item.part.volume = within(volume, volumes);
    previewAgain([item]);
  };
  for (const each of [plane, place, volume]) each.addEventListener("change", changed);
  const rows = [row(plane, place, count(item.parts[name]))];
  if (volumes > 1) rows.push(row(make("span", { className: "name", textContent: "volume" }), volume, count(volumes)));
  return rows;
}

// A picture on which a region is drawn; the same region as numbers, for the keyboard.
function cropping(item) {
  const image = make("img", { alt: `Query: ${item.name}`, draggable: false });
  if (item.kind === "image") showPicture(image, item.picture); else image.src = item.picture;
  const box = make("div", { className: "box", hidden: true });
  const area = make("div", { className: "canvas", title: "Drag to search with a region" }, image, box);
  const fields = ["left", "top", "right", "bottom"].map((name, place) => {
    const field = make("input", { type: "number", min: 0, max: 100, step: 1, "aria-label": `Region: ${name} in percent` });
    field.addEventListener("change", () => {
      const crop = [...(item.crop || [0, 0, 1, 1])];
      crop[place] = Math.max(0, Math.min(100, Number(field.value))) / 100;
      item.crop = crop;
      show();
      search();
    });
    return field;
  });
  const whole = make("button", { type: "button", textContent: "Whole image" });
  whole.addEventListener("click", () => { delete item.crop; show(); search(); });
  const show = () => {
    const crop = item.crop || [0, 0, 1, 1];
    box.hidden = !item.crop;
    whole.disabled = !item.crop;
    Object.assign(box.style, { left: `${crop[0] * 100}%`, top: `${crop[1] * 100}%`, width: `${(crop[2] - crop[0]) * 100}%`, height: `${(crop[3] - crop[1]) * 100}%` });
    fields.forEach((field, place) => { field.value = Math.round(crop[place] * 100); });
  };
  const where = event => {
    const frame = area.getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height].map(each => Math.max(0, Math.min(1, each)));
  };
  let from = null, before;
  area.addEventListener("pointerdown", event => { from = where(event); before = item.crop; area.setPointerCapture(event.pointerId); event.preventDefault(); });
  area.addEventListener("pointermove", event => {
    if (!from) return;
    const to = where(event);
    item.crop = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
    show();
  });
  area.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    if (!item.crop || item.crop === before) return;
    if (item.crop[2] - item.crop[0] < 0.02 || item.crop[3] - item.crop[1] < 0.02) { item.crop = before; if (!before) delete item.crop; show(); return; }
    show();
    search();
  });
  area.addEventListener("pointercancel", () => { from = null; item.crop = before; show(); });
  show();
  const numbers = make("details", {}, make("summary", { textContent: "Region (drag on the image)" }),
    make("div", { className: "numbers" }, ...fields.map((field, place) => make("label", {}, ["left %", "top %", "right %", "bottom %"][place], field))), whole);
  return [area, item.size ? make("div", { className: "note", textContent: item.size }) : "", numbers].filter(Boolean);
}

function question() {
  const files = [];
  const items = state.items.map(item => {
    const { kind, id, text, crop, part } = item;
    if (kind === "upload") files.push(item.file);
    return kind === "upload" ? { kind, file: files.length - 1, crop, part } : { kind, id, text, crop };
  });
  const marks = state.applied ? { right: [...state.right], wrong: [...state.wrong] } : {};
  return [{ experiment: at("experiment").value, models: asked(), items, ...marks, filters: state.filters, k: Number(at("k").value),
    fold: at("fold").checked ? Number(at("threshold").value) : null, read_as: at("read-as").value }, files];
}

async function search(explicit = false) {
  if (!state.items.length) {
    showAnswer(null);
    if (explicit) fail("The query is empty: drop an image, or start from one of the catalog.");
    return;
  }
  if (!asked().length) return fail("No model of this experiment can be asked yet: see the notes beside the models.");
  if (asking) asking.abort();
  const mine = asking = new AbortController();
  busy("Searching … a model's first query loads its weights.");
  try {
    const answer = await ask("/api/search", ...question(), mine.signal);
    fail("");
    showAnswer(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    showAnswer(null);
    fail(capital(error.message) + ".");
  }
  if (asking === mine) { asking = null; idle(); }
}

function busy(text) { document.body.classList.add("busy"); at("status").textContent = text; }

function idle() {
  if (asking) return;
  document.body.classList.remove("busy");
  const answer = state.answer;
  at("filtered").textContent = `${(answer ? answer.searched : experiment().images || 0).toLocaleString("en")} images`;
  at("status").textContent = !answer ? (state.items.length ? "" : "Drop an image to begin.")
    : answer.models.map(each => each.error ? `${each.name}: no answer` : `${each.name}: ${each.hits.length} results in ${each.seconds.toFixed(2)} s`).join(" · ") + (state.applied ? " · refined" : "");
}

// --- the answer -----------------------------------------------------------------------------------------------------

function showAnswer(answer) {
  state.answer = answer;
  const models = answer ? answer.models : [];
  const found = models.map(each => new Set(each.hits.map(hit => hit.id)));
  at("columns").replaceChildren(...models.map((each, place) => {
    const other = found.length > 1 ? found[1 - place] : null;
    const common = other ? each.hits.filter(hit => other.has(hit.id)).length : 0;
    const head = make("h2", {}, each.name, make("small", { textContent: other && !each.error ? ` · ${common} also found by the other` : "" }));
    return make("section", { "aria-label": each.name }, head, ...surety(each), each.error ? make("p", { className: "problem" }, ...sentence(capital(each.error) + "."))
      : make("ol", { className: "hits" }, ...each.hits.map(hit => card(hit, each.slug, other && other.has(hit.id), each.of_patients))));
  }));
  at("export").disabled = !models.some(each => each.hits.length);
  showMarks();
  if (!asking) idle();
}

// A chance as a number of ten cases.
const inTen = chance => ({ 0: "fewer than 1", 10: "more than 9" })[Math.round(10 * chance)] || `about ${Math.round(10 * chance)}`;

// How sure the hits of a model are; nothing where the analysis `confidence` says nothing.
function surety(each) {
  const lines = [];
  if (each.unlike) lines.push("Unlike the benchmark: the scores are lower than those of 99 of 100 of its queries.");
  if (each.set_size) lines.push(`At least one of the first ${each.set_size} is right for ${Math.round(100 * each.set_sure)} of 100 queries of new patients.`);
  return lines.map(textContent => make("p", { className: "note surety", textContent }));
}

function card(hit, slug, common, patients) {
  const labels = hit.labels.join(" + ");
  const open = make("button", { type: "button", className: "picture", title: "Show it larger", "aria-label": `Rank ${hit.rank}: ${labels}` }, thumbnail(hit.id, labels));
  open.addEventListener("click", () => detail(hit, slug));
  const mark = (set, className, sign, name) => {
    const button = make("button", { type: "button", className, textContent: sign, title: name, "aria-label": `${name}: rank ${hit.rank}`, "aria-pressed": "false" });
    button.addEventListener("click", () => {
      const others = set === state.right ? state.wrong : state.right;
      others.delete(hit.id);
      set.has(hit.id) ? set.delete(hit.id) : set.add(hit.id);
      showMarks();
    });
    return button;
  };
  const more = make("button", { type: "button", textContent: "More like this" });
  more.addEventListener("click", () => moreLikeThis(hit.id, labels));
  const where = make("button", { type: "button", textContent: "Where?", title: "Show where the match lies" });
  where.addEventListener("click", () => detail(hit, slug, true));
  const entry = make("li", { className: "hit" }, open,
    make("div", { className: "line" }, make("b", { textContent: `#${hit.rank}` }), make("span", { textContent: hit.score.toFixed(3), title: "cosine similarity" })),
    hit.chance === undefined ? "" : make("div", { className: "chance", textContent: `right in ${inTen(hit.chance)} of 10 such cases${patients ? ` (of ${patients} patients)` : ""}` }),
    make("div", { className: "labels", textContent: labels }), make("div", { className: "from", textContent: hit.dataset }),
    common ? make("div", { className: "both", textContent: "◆ found by both" }) : "");
  if (hit.folded.length) {
    const twins = make("div", { className: "twins" }, ...hit.folded.map(each => {
      const button = make("button", { type: "button", title: `${each.score.toFixed(3)} ${each.labels.join(" + ")}` }, thumbnail(each.id, each.labels.join(" + ")));
      button.addEventListener("click", () => detail(each, slug));
      return button;
    }));
    entry.append(make("details", {}, make("summary", { textContent: `+ ${hit.folded.length} near duplicate${hit.folded.length > 1 ? "s" : ""}` }), twins));
  }
  entry.append(make("div", { className: "acts" }, mark(state.right, "yes", "✓", "Mark as right"), mark(state.wrong, "no", "✗", "Mark as wrong"), more, where));
  entry.dataset.id = hit.id;
  return entry;
}

function showMarks() {
  for (const entry of document.querySelectorAll(".hit")) {
    for (const [set, name, button] of [[state.right, "right", ".yes"], [state.wrong, "wrong", ".no"]]) {
      entry.classList.toggle(name, set.has(entry.dataset.id));
      entry.querySelector(button).setAttribute("aria-pressed", set.has(entry.dataset.id));
    }
  }
  const marks = state.right.size + state.wrong.size;
  at("refine").disabled = at("clear").disabled = !marks;
  at("refine").textContent = marks ? `Refine (${state.right.size} right, ${state.wrong.size} wrong)` : "Refine";
}

function clearMarks() {
  state.right.clear();
  state.wrong.clear();
  state.applied = false;
  showMarks();
}

async function detail(hit, slug, map = false) {
  at("detail-title").textContent = hit.labels.join(" + ");
  const facts = make("dl");
  for (const [name, value] of [["similarity", hit.score.toFixed(4)], ["modality", hit.modality], ["region", hit.region], ["dataset", hit.dataset], ["split", hit.split], ["view", hit.view], ["sex", hit.sex], ["age", hit.age], ["file", hit.file]]) {
    if (value !== null && value !== undefined && value !== "") facts.append(make("dt", { textContent: name }), make("dd", { textContent: String(value) }));
  }
  const copy = make("button", { type: "button", textContent: "Copy path" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(hit.file);
    copy.textContent = "Copied";
  });
  const file = make("button", { type: "button", textContent: "Original file" });
  file.addEventListener("click", () => download(file, original(hit.id), hit.file.split("/").pop().split("#")[0]));
  const more = make("button", { type: "button", textContent: "More like this" });
  more.addEventListener("click", () => moreLikeThis(hit.id, hit.labels.join(" + ")));
  const row = make("div", { className: "row" }, more, copy, experiment().originals ? file : "");
  const image = make("img", { alt: hit.labels.join(" + ") });
  showPicture(image, picture(hit.id, 1024));
  at("detail-body").replaceChildren(image, facts, row);
  if (!at("detail").open) at("detail").showModal();
  if (!map) return;
  const place = make("div", { role: "status", textContent: "Comparing patches …" });
  image.replaceWith(place);
  try {
    const [asking, files] = question();
    const found = await ask("/api/match", { ...asking, models: [slug], id: hit.id }, files);
    place.replaceChildren(...maps(found));
  } catch (error) {
    place.replaceChildren(image, make("p", { className: "problem", textContent: capital(error.message) + "." }));
  }
}

async function download(button, path, name) {
  button.disabled = true;
  try {
    save(await loaded(path), name);
  } catch (error) {
    button.replaceWith(make("span", { className: "problem", textContent: capital(error.message) + "." }));
  }
  button.disabled = false;
}

// Has the browser save what an address holds, which is given up afterwards.
function save(address, name) {
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Viridis in five stops: even in lightness, for all kinds of color vision.
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function color(share) {
  const place = Math.max(0, Math.min(0.9999, share)) * (VIRIDIS.length - 1), low = Math.floor(place);
  return VIRIDIS[low].map((each, channel) => Math.round(each + (VIRIDIS[low + 1][channel] - each) * (place - low)));
}

function maps(found) {
  const values = [...found.query.grid.flat(), ...found.hit.grid.flat()], low = Math.min(...values), high = Math.max(...values);
  const figure = (part, caption) => {
    const canvas = make("canvas", { width: 448, height: 448, role: "img", "aria-label": caption }), context = canvas.getContext("2d"), image = new Image();
    image.addEventListener("load", () => {
      context.drawImage(image, 0, 0, 448, 448);
      const rows = part.grid.length, columns = part.grid[0].length, small = make("canvas", { width: columns, height: rows }), pixels = new ImageData(columns, rows);
      part.grid.flat().forEach((value, place) => pixels.data.set([...color(high > low ? (value - low) / (high - low) : 0.5), 255], 4 * place));
      small.getContext("2d").putImageData(pixels, 0, 0);
      context.globalAlpha = 0.5;
      context.drawImage(small, 0, 0, 448, 448);
    });
    image.src = part.picture;
    return make("figure", {}, canvas, make("figcaption", { textContent: caption }));
  };
  return [make("div", { className: "maps" }, figure(found.query, "Query, as the model sees it"), figure(found.hit, "Result, as the model sees it")),
    make("div", { className: "scale" }), make("div", { className: "ends" }, make("span", { textContent: `${low.toFixed(2)} least alike` }), make("span", { textContent: `${high.toFixed(2)} most alike` })),
    make("p", { className: "note", textContent: "Each patch has the cosine similarity of its features to the most similar patch of the other image. It shows what the model finds alike, not where a finding is." })];
}

function exportCsv() {
  // A cell that a spreadsheet would take for a formula is marked as text.
  const cell = value => `"${String(value ?? "").replace(/^(?=[=+@\t\r-])/, typeof value === "number" ? "" : "'").replaceAll('"', '""')}"`;
  const rows = [["experiment", "model", "rank", "folded", "score", "id", "labels", "modality", "region", "dataset", "file"]];
  for (const each of state.answer.models) {
    for (const hit of each.hits) {
      for (const one of [hit, ...hit.folded]) {
        rows.push([state.answer.experiment, each.slug, hit.rank, one === hit ? 0 : 1, one.score, one.id, one.labels.join("|"), one.modality, one.region, one.dataset, one.file]);
      }
    }
  }
  const text = rows.map(row => row.map(cell).join(",")).join("\n") + "\n";
  save(URL.createObjectURL(new Blob([text], { type: "text/csv" })), "neighbors.csv");
}

// --- what the page listens to ---------------------------------------------------------------------------------------

at("experiment").addEventListener("change", () => { chooseExperiment(); search(); });
for (const id of ["model", "other"]) at(id).addEventListener("change", () => { showNotes(); search(); });
at("read-as").addEventListener("change", () => previewAgain(state.items.filter(each => each.file)));
at("files").addEventListener("change", event => { const files = [...event.target.files]; event.target.value = ""; addFiles(files); });
at("add-text").addEventListener("click", addText);
at("text").addEventListener("keydown", event => { if (event.key === "Enter") { event.preventDefault(); addText(); } });
at("query").addEventListener("submit", event => { event.preventDefault(); if (at("text").value.trim() && !at("text-row").hidden) addText(); else search(true); });
for (const id of ["k", "threshold", "fold"]) at(id).addEventListener("change", () => { at("threshold-row").hidden = !at("fold").checked; search(); });
at("refine").addEventListener("click", () => { state.applied = true; search(); });
at("clear").addEventListener("click", () => { const again = state.applied; clearMarks(); if (again) search(); });
at("export").addEventListener("click", exportCsv);
window.addEventListener("dragover", event => { event.preventDefault(); at("drop").classList.add("over"); });
window.addEventListener("dragleave", event => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
window.addEventListener("drop", event => { event.preventDefault(); at("drop").classList.remove("over"); addFiles([...event.dataTransfer.files]); });
window.addEventListener("paste", event => { const files = [...event.clipboardData.files]; if (files.length) addFiles(files); });
const ready = start();
