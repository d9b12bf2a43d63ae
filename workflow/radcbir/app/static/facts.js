// What is known of an image, below it in the viewer.

import { make } from "./page.js";
import { experiment, ofUnits, state } from "./state.js";
import { fitOf, labelsOf, millimeters, patientOf, placeOf } from "./words.js";

// Of an image of the catalog, or of the series, study or patient that it stands for. `slice` is what
// is shown of it; `pair` says whether that and the other image are the two that were compared, `moved`
// whether it is another slice than the one that it was shown by at first.
export function facts(image, slice, pair, moved) {
  const list = make("dl");
  const similar = image.to_query === undefined ? null : image.to_query.toFixed(4);
  const refined =
    state.answer?.refined && image.score !== undefined ? image.score.toFixed(4) : null;
  const known = {
    labels: labelsOf(image),
    [image.part ? "mean similarity at this place" : "similarity to the query"]: similar,
    "similarity to the refined query": refined,
    place: image.part ? [placeOf(image), fitOf(image.part)].filter(Boolean).join(", ") : "",
    "position of the slice that is shown": ofUnits() ? millimeters(slice) : "",
    "similarity of these two slices": pair ? image.nearest?.score.toFixed(4) : "",
    slices: image.slices,
    patient: patientOf(image),
    study: inArchive(image.study_id) ?? image.study_id,
    series: ofUnits() ? image.series_id : "",
    source: image.source,
    dataset: image.dataset,
    split: image.split,
    view: image.view,
    sex: image.sex,
    age: image.age,
    [moved ? "file of the slice that is shown" : "file"]: slice?.file,
  };
  for (const [name, value] of Object.entries(known)) {
    if (value === null || value === undefined || value === "") continue;
    const said = value instanceof Node ? value : String(value);
    list.append(make("dt", { textContent: name }), make("dd", {}, said));
  }
  return list;
}

// A link to the archive's viewer, for a study with a UID where the configuration names one.
function inArchive(study) {
  const { viewer } = experiment();
  if (!viewer || !/^\d+(\.\d+)+$/.test(study ?? "")) return null;
  const href = viewer.replace("{study_uid}", study);
  const title = "Opens the viewer of the archive";
  return make("a", { href, title, target: "_blank", rel: "noreferrer", textContent: study });
}
