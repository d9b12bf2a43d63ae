// How an image is named.

import { experiment, unit } from "./state.js";

const PLURALS = { image: "images", series: "series", study: "studies", patient: "patients" };

// What the experiment retrieves, in the plural.
export const several = () => PLURALS[unit()];

// The image that a result is shown by: of a series, study or patient its slice nearest to the query.
export const sliceOf = (hit) => hit.nearest?.id ?? hit.id;

const MOST_LABELS = 3;

// The labels of an image in few words.
export const labelsOf = ({ labels }) => {
  const named = labels.slice(0, MOST_LABELS).join(" + ");
  const more = labels.length - MOST_LABELS;
  return more > 0 ? `${named} and ${more} more` : named;
};

// Where the query fits best: "slices 41 to 49 of 120".
export function placeOf({ part, slices }) {
  const from = part.first + 1,
    to = part.last + 1;
  const which = from === to ? `slice ${from}` : `slices ${from} to ${to}`;
  const turned = part.turned ? ", the other way round" : "";
  return `${which} of ${slices}${turned}`;
}

// How much of the query has a partner there, where that is not all of it.
export const fitOf = ({ fit, of }) =>
  fit < of ? `${fit} of ${of} slices ${fit === 1 ? "fits" : "fit"}` : "";

// The position of a slice, where the catalog knows it.
export const millimeters = (slice) =>
  typeof slice?.position === "number" ? `${Number(slice.position.toFixed(1))}\u00a0mm` : "";

export const counted = (count, what, several = `${what}s`) =>
  `+ ${count} ${count === 1 ? what : several}`;

// Patients of several datasets are told apart by the dataset's name, which is shown anyway.
export function origin(hit) {
  const patient = patientOf(hit);
  const parts = [
    patient && `patient ${patient}`,
    hit.study_id && `study ${hit.study_id}`,
    hit.source,
  ];
  const several = experiment().datasets.length > 1;
  return [several || !hit.source ? hit.dataset : "", ...parts].filter(Boolean).join(" · ");
}

export function patientOf(image) {
  const prefix = `${image.dataset}:`;
  const patient = image.patient_id ?? "";
  return patient.startsWith(prefix) ? patient.slice(prefix.length) : patient;
}
