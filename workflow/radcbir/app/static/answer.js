// The results: a card for each, marks, what they have in common, the file to take along.

import { markButtons, showMarks } from "./marks.js";
import { at, button, make, problem, save, sentence, thumbnail } from "./page.js";
import {
  asksForPlace,
  countOf,
  knownLabels,
  ofUnits,
  partsAsked,
  picture,
  question,
  slabOf,
  state,
  unit,
  wish,
} from "./state.js";
import { offersWhere, view } from "./viewer.js";
import {
  counted,
  fitOf,
  labelsOf,
  millimeters,
  origin,
  patientOf,
  placeOf,
  several,
  sliceOf,
} from "./words.js";

export function showAnswer(answer) {
  if (answer) {
    const [asked] = question();
    Object.assign(answer, { perPatient: asked.per_patient, refined: state.refined });
  }
  state.answer = answer;
  const models = answer ? answer.models : [];
  const found = models.map((each) => new Set(each.hits.map((hit) => hit.id)));
  at("columns").replaceChildren(
    ...models.map((each, place) => column(each, found.length > 1 ? found[1 - place] : null)),
  );
  at("measured").replaceChildren(...(answer ? sentence(notMeasured()) : []));
  at("measured").hidden = !answer || !notMeasured();
  at("export").disabled = !models.some((each) => each.hits.length);
  showMarks();
}

// The benchmark asked with whole images of the query splits, among all images of the index.
function notMeasured() {
  const changed = [];
  if (state.items.some((each) => each.crop)) changed.push("a region");
  if (state.items.some((each) => each.kind === "text")) changed.push("words");
  if (state.items.length > 1 && !ofUnits()) changed.push("several parts in one query");
  const [first] = state.items;
  const alone = state.items.length === 1 && first.kind === "upload" && partsAsked(first).length === 1;
  if (ofUnits()) changed.push(...partial(first, alone));
  if (state.refined) changed.push("a refinement");
  if (Object.values(state.filters).some((each) => each.length)) changed.push("a filter");
  if (!changed.length) return "";
  const box = state.items.some((each) => each.crop)
    ? ` A region is compared with whole ${ofUnits() ? "slices" : "images"}, so that scores are lower.`
    : "";
  const listed = changed.join(", ").replace(/, ([^,]*)$/, " and $1");
  return `This search has ${listed}. The benchmark did not measure that: P@1 is about whole ${several()}
    that are searched among the whole index.${box}`.replace(/\s+/g, " ");
}

// What a query of series, studies or patients has of a volume, and how the answer is ordered.
function partial(first, alone) {
  const { first: from, last: to } = slabOf(first);
  const some = state.items.length === 1 && to - from + 1 < countOf(first);
  const said = alone || (some && from === to) ? ["a single slice"] : some ? ["some slices"] : [];
  if (asksForPlace()) said.push("an order by the best place");
  return said;
}

// Of a large index, what was not laid over the part.
function comparedLess(answer) {
  if (!answer.not_compared) return "";
  const left = answer.not_compared.toLocaleString("en");
  const textContent = `The places of ${left} other ${several()} were not compared: their vectors are less
    similar to the mean of the query's slices.`.replace(/\s+/g, " ");
  return make("p", { className: "note", textContent });
}

function column(answer, other) {
  const common = other ? answer.hits.filter((hit) => other.has(hit.id)).length : 0;
  const both = other && !answer.error ? ` · ${common} also found by the other` : "";
  const head = make("h2", {}, answer.name, make("small", { textContent: both }));
  const label = { "aria-label": answer.name };
  if (answer.error) return make("section", label, head, problem(answer.error));
  const cards = answer.hits.map((hit) => card(hit, answer, other && other.has(hit.id)));
  return make(
    "section",
    label,
    head,
    ...surety(answer),
    comparedLess(answer),
    tally(answer.hits),
    make("ol", { className: "hits" }, ...cards),
  );
}

// How far the results can be trusted; nothing where the analysis `confidence` says nothing.
function surety(answer) {
  const lines = [];
  if (answer.unlike) {
    lines.push(
      "Unlike the benchmark: the scores are lower than those of 99 of 100 of its queries.",
    );
  }
  if (answer.set_size) {
    const sure = Math.round(100 * answer.set_sure);
    lines.push(
      `At least one of the first ${answer.set_size} ${several()} is right for ${sure} of 100 queries of new patients.`,
    );
  }
  return lines.map((textContent) => make("p", { className: "note surety", textContent }));
}

// How often a hit like this one is right, as a number of ten cases.
function chance(hit, patients) {
  if (hit.chance === undefined) return "";
  const tenths = Math.round(10 * hit.chance);
  const often = { 0: "fewer than 1", 10: "more than 9" }[tenths] || `about ${tenths}`;
  const of = patients ? ` (of ${patients} patients)` : "";
  return make("div", {
    className: "chance",
    textContent: `right in ${often} of 10 such cases${of}`,
  });
}

// How many results have which labels, the most frequent ones first.
function tally(hits) {
  const counts = new Map();
  for (const label of hits.flatMap((hit) => hit.labels)) {
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const known = knownLabels();
  const ordered = [...counts].sort((one, other) => other[1] - one[1]);
  const listed = ordered.slice(0, 8).map(([label, count]) => {
    const own = known && known.includes(label);
    return make(
      "li",
      { className: own ? "own" : "" },
      make("b", { textContent: count }),
      ` ${label}`,
    );
  });
  if (ordered.length > 8) listed.push(make("li", {}, `and ${ordered.length - 8} other labels`));
  const same =
    known && hits.filter((hit) => hit.labels.some((each) => known.includes(each))).length;
  const said = known ? `${same} of ${hits.length} have a label of the query. ` : "";
  return make(
    "div",
    { className: "tally" },
    said && make("span", { textContent: said }),
    make("ul", { "aria-label": "Labels of the results" }, ...listed),
  );
}

function card(hit, answer, common) {
  const labels = labelsOf(hit);
  const open = make(
    "button",
    {
      type: "button",
      className: "picture",
      title: "Open beside the query",
      "aria-label": `Rank ${hit.rank}: ${labels}`,
    },
    thumbnail(picture(sliceOf(hit)), ""),
  );
  open.addEventListener("click", () => view(answer.hits, hit, answer.slug));
  const entry = make(
    "li",
    { className: "hit" },
    open,
    scores(hit),
    nearestSlice(hit),
    chance(hit, answer.of_patients),
    make("div", { className: "labels", textContent: labels }),
    make("div", { className: "from", textContent: origin(hit) }),
    common ? make("div", { className: "both", textContent: "◆ found by both" }) : "",
    more(hit, answer, hit.patient, otherImages(hit)),
    more(hit, answer, hit.folded, counted(hit.folded.length, "near duplicate")),
    actions(hit, answer),
  );
  entry.dataset.id = hit.id;
  return entry;
}

function otherImages(hit) {
  const shown = hit.patient.length < hit.patient_images ? `, the best ${hit.patient.length}` : "";
  return counted(hit.patient_images, unit(), several()) + " of this patient" + shown;
}

// How many slices a series, study or patient has, and which is shown.
function nearestSlice(hit) {
  if (!hit.slices) return "";
  const { nearest } = hit;
  const at = millimeters(nearest);
  if (hit.part) {
    return make("div", {
      className: "from place",
      textContent: [placeOf(hit), at && `at ${at}`, fitOf(hit.part)].filter(Boolean).join(", "),
      title: `number ${nearest.place + 1} is shown, the slice that the middle one of the query lies on`,
    });
  }
  const which = nearest ? `, number ${nearest.place + 1} is shown${at && ` (at ${at})`}` : "";
  return make("div", {
    className: "from",
    textContent: (hit.slices === 1 ? "1 slice" : `${hit.slices} slices`) + which,
    title: nearest
      ? `the slice that is most similar to one of the query: ${nearest.score.toFixed(3)}`
      : "",
  });
}

// After a refinement the order is by similarity to the refined query, and both are named.
function scores(hit) {
  const rank = make("b", { textContent: `#${hit.rank}` });
  const score = make("span", { textContent: hit.to_query.toFixed(3) });
  score.title = hit.part
    ? "mean cosine similarity of the slices of your query with those that they lie on"
    : "cosine similarity to your query";
  const line = make("div", { className: "line" }, rank, score);
  if (!state.answer.refined) return line;
  const refined = `refined query ${hit.score.toFixed(3)}`;
  return make(
    "div",
    {},
    line,
    make("div", {
      className: "from",
      textContent: refined,
      title: "cosine similarity to the refined query, which the order follows",
    }),
  );
}

function more(hit, answer, images, title) {
  if (!images.length) return "";
  const pictures = images.map((each) => {
    const small = make(
      "button",
      {
        type: "button",
        title: `${each.to_query.toFixed(3)} ${labelsOf(each)}`,
        "aria-label": `${labelsOf(each)}, similarity ${each.to_query.toFixed(3)}`,
      },
      thumbnail(picture(sliceOf(each)), ""),
    );
    small.addEventListener("click", () => view([hit, ...images], each, answer.slug));
    return small;
  });
  return make(
    "details",
    {},
    make("summary", { textContent: title }),
    make("div", { className: "twins" }, ...pictures),
  );
}

function actions(hit, answer) {
  const like = button("More like this", () => wish("like", hit.id));
  const where =
    offersWhere(answer.slug) &&
    button("Where?", () => view(answer.hits, hit, answer.slug, true), {
      title: "Show where the match lies",
    });
  return make(
    "div",
    { className: "acts" },
    ...(ofUnits() ? [] : markButtons(hit, `rank ${hit.rank}`)),
    like,
    where || "",
  );
}

const COLUMNS = [
  "experiment",
  "model",
  "rank",
  "folded",
  "score",
  "score_to_query",
  "chance_right",
  "id",
  "labels",
  "modality",
  "region",
  "dataset",
  "patient",
  "study",
  "source",
  "file",
];

const OF_UNITS = ["slices", "slice", "slice_score", "position_mm", "first_slice", "last_slice"];

// A cell that a spreadsheet would take for a formula is marked as text.
function cell(value) {
  const text = String(value ?? "").replace(/^(?=[=+@\t\r-])/, typeof value === "number" ? "" : "'");
  return `"${text.replaceAll('"', '""')}"`;
}

const ofSlices = ({ slices, nearest, part }) => [
  slices,
  nearest?.file,
  nearest?.score,
  nearest?.position,
  part?.first_file,
  part?.last_file,
];

export function exportCsv() {
  const rows = [ofUnits() ? [...COLUMNS, ...OF_UNITS] : COLUMNS];
  for (const { slug, hits } of state.answer.models) {
    for (const hit of hits) {
      for (const one of [hit, ...hit.folded, ...hit.patient]) {
        const why = one === hit ? "" : hit.folded.includes(one) ? "near duplicate" : "same patient";
        rows.push([
          state.answer.experiment,
          slug,
          hit.rank,
          why,
          one.score,
          one.to_query,
          one.chance,
          one.id,
          one.labels.join("|"),
          one.modality,
          one.region,
          one.dataset,
          patientOf(one),
          one.study_id,
          one.source,
          one.file,
          ...(ofUnits() ? ofSlices(one) : []),
        ]);
      }
    }
  }
  const text = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  save(URL.createObjectURL(new Blob([text], { type: "text/csv" })), "neighbors.csv");
}
