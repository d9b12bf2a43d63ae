// What can be chosen: experiment, models, filters, samples; and whether a model is loaded.

import { choose, remembered } from "./address.js";
import { showAnswer } from "./answer.js";
import { clearMarks } from "./marks.js";
import { at, capital, fail, get, make, sentence, thumbnail } from "./page.js";
import { find, showItems, showNamed } from "./query.js";
import { idle } from "./search.js";
import { showPlace } from "./slab.js";
import {
  asked,
  experiment,
  model,
  ofUnits,
  picture,
  readyAddress,
  state,
  unit,
  wish,
} from "./state.js";

const NOTHING_TO_ASK =
  "No model of this experiment can be asked yet: see the notes beside the models.";

const PASSING_BY = 300;

export async function start() {
  let setup;
  try {
    setup = await get("/api/setup");
  } catch (error) {
    at("query").hidden = at("tools").hidden = true;
    return fail(capital(error.message) + ".");
  }
  state.experiments = setup.experiments;
  state.limits = setup.limits;
  const options = setup.experiments.map((each) =>
    make("option", {
      value: each.name,
      textContent: each.name + (each.missing ? " (unavailable)" : ""),
    }),
  );
  at("experiment").replaceChildren(...options);
  const first = setup.experiments.find((each) => each.default) ?? setup.experiments[0];
  state.first = at("experiment").value = first.name;
  const before = remembered();
  choose(at("experiment"), before.experiment ?? (before.uid && ofNamed()));
  chooseExperiment(before);
  if (/^-?\d{1,19}$/.test(before.image ?? "")) wish("like", before.image);
  else if (before.uid) find(before.uid, before.instance);
}

// The first experiment in which a UID means something.
const ofNamed = () =>
  state.experiments.find((each) => each.default && (each.unit !== "image" || each.archive))?.name ??
  "";

// Shows an experiment, with what an address had chosen.
export function chooseExperiment(before = { filters: {} }) {
  const chosen = experiment();
  state.items = state.items.filter(
    (each) => each.kind === "upload" || (each.kind === "text" && !ofUnits()),
  );
  state.place = null;
  showPlace();
  clearMarks();
  showAnswer(null);
  const ranked = [...chosen.models].sort((one, other) => (other.p_at_1 ?? 0) - (one.p_at_1 ?? 0));
  at("model").replaceChildren(...ranked.map(option));
  const none = make("option", { value: "", textContent: "no other model" });
  at("other").replaceChildren(none, ...ranked.map(option));
  at("model").value = chosen.default ?? "";
  choose(at("model"), before.model);
  choose(at("other"), before.with);
  if (/^\d{1,3}$/.test(before.k ?? "")) at("k").value = before.k;
  if (before.alike === "off") at("fold").checked = false;
  else if (Number(before.alike) > 0) at("threshold").value = before.alike;
  showFolding();
  at("named-row").hidden = !ofUnits() && !chosen.archive;
  at("archive-note").hidden = !chosen.archive;
  showNamed();
  for (const id of ["refine", "clear"]) at(id).hidden = ofUnits();
  at("several").textContent = ofUnits()
    ? "Several are slices of one query."
    : "Several are averaged.";
  at("sample-of").textContent = `${unit() === "image" ? "an" : "a"} ${unit()}`;
  if (before.patients === "all") at("per-patient").checked = false;
  at("patients-row").hidden = !chosen.patients;
  at("read-as").replaceChildren(
    ...chosen.datasets.map((each) => make("option", { value: each, textContent: each })),
  );
  at("read-as-row").hidden = !chosen.several_intensities;
  at("samples").replaceChildren(...(chosen.samples || []).map(sample));
  at("samples-row").hidden = !(chosen.samples || []).length;
  showFacets(before.filters);
  showNotes();
  showItems();
  idle();
  fail(chosen.missing ? capital(chosen.missing) : chosen.default ? "" : NOTHING_TO_ASK);
}

// Near duplicates are known of images alone.
export function showFolding() {
  at("fold-row").hidden = ofUnits();
  at("threshold-row").hidden = ofUnits() || !at("fold").checked;
}

function option(each) {
  const share = each.p_at_1 === null ? "" : ` · P@1 ${each.p_at_1.toFixed(2)}`;
  const why = each.missing ? " (unavailable)" : each.control ? " (control)" : "";
  return make("option", {
    value: each.slug,
    textContent: each.name + why + share,
    disabled: Boolean(each.missing),
  });
}

function sample(id) {
  const button = make(
    "button",
    {
      type: "button",
      title: `Use this ${unit()} as the query`,
      "aria-label": `Sample ${unit()} ${id}`,
    },
    thumbnail(picture(id), ""),
  );
  button.addEventListener("click", () => wish("like", id));
  return button;
}

export function showNotes() {
  const chosen = experiment();
  const lines = [...asked().flatMap(measured), chosen.note];
  for (const slug of asked()) {
    const each = model(slug);
    if (each.no_encoder) lines.push(`${each.name} cannot embed uploads: ${each.no_encoder}.`);
    if (each.note) lines.push(each.note);
  }
  for (const each of chosen.models) if (each.missing) lines.push(`${each.name}: ${each.missing}.`);
  at("notes").replaceChildren(
    ...lines.filter(Boolean).map((each) => make("p", {}, ...sentence(each))),
  );
  at("text-row").hidden = !asked().some((slug) => model(slug).text);
  showReady();
}

// What the benchmark found of a model.
function measured(slug) {
  const { benchmark, models } = experiment(),
    each = model(slug);
  if (each.p_at_1 === null) return [`The benchmark has not measured ${each.name} here yet.`];
  const best = models.reduce((one, other) =>
    (other.p_at_1 ?? 0) > (one.p_at_1 ?? 0) ? other : one,
  );
  const count = benchmark.queries.toLocaleString("en");
  const said = `${each.name}: P@1 ${each.p_at_1.toFixed(2)}, the share of ${count} queries (split
    ${benchmark.split}) whose most similar ${unit()} has the right label.`;
  const more =
    best.p_at_1 > each.p_at_1
      ? ` ${best.name}${best.control ? ", a control," : ""} reaches ${best.p_at_1.toFixed(2)}.`
      : "";
  return [said.replace(/\s+/g, " ") + more];
}

// Has the chosen models loaded, and says when they are. Who goes through the list with the arrow
// keys passes by models that are not meant.
async function showReady() {
  const mine = (state.loading = {});
  const wanted = asked().filter((slug) => !model(slug).missing && !model(slug).no_encoder);
  const names = wanted.map((slug) => model(slug).name).join(" and ");
  const say = (text) => (at("ready").textContent = text);
  say("");
  await new Promise((resolve) => setTimeout(resolve, PASSING_BY));
  for (const slug of wanted) {
    if (state.loading !== mine) return;
    say(`Loading ${names} …`);
    try {
      await get(readyAddress(slug));
    } catch (error) {
      if (state.loading === mine) say(capital(error.message) + ".");
      return;
    }
  }
  if (state.loading !== mine || !wanted.length) return;
  say(`${names} ${wanted.length > 1 ? "are" : "is"} ready.`);
}

function showFacets(before) {
  state.filters = {};
  const facets = Object.entries(experiment().facets || {});
  const known = facets.filter(([, counts]) => Object.keys(counts).length);
  at("facets").replaceChildren(
    ...known.map(([name, counts]) => facet(name, counts, before[name] ?? [])),
  );
}

function facet(name, counts, before) {
  const summary = make("summary", { textContent: capital(name) }, make("b"));
  const values = make(
    "div",
    { className: "values" },
    ...Object.entries(counts).map(([value, count]) => {
      const box = make("input", { type: "checkbox", value, checked: before.includes(value) });
      box.addEventListener("change", () => {
        take();
        wish("search");
      });
      return make(
        "label",
        {},
        box,
        make("span", { textContent: value }),
        " ",
        make("i", { textContent: count.toLocaleString("en") }),
      );
    }),
  );
  const take = () => {
    const checked = [...values.querySelectorAll("input:checked")].map((each) => each.value);
    state.filters[name] = checked;
    summary.lastChild.textContent = checked.length ? ` (${checked.length})` : "";
  };
  take();
  const details = make("details", { open: before.length > 0 }, summary);
  if (Object.keys(counts).length > 12) {
    const find = make("input", {
      type: "search",
      placeholder: `find a ${name}`,
      "aria-label": `Find a ${name}`,
    });
    find.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const each of values.children)
        each.hidden = !each.textContent.toLowerCase().includes(wanted);
    });
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    details.append(find);
  }
  details.append(values);
  return details;
}
