// How an image is named.

import { experiment } from "./state.js";

export const labelsOf = (image) => image.labels.join(" + ");

export const counted = (count, what) => `+ ${count} ${what}${count === 1 ? "" : "s"}`;

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
