// What is chosen, behind the # of the address: a reload and a bookmark keep it, and no server sees
// it. What is as at the start is left out.

import { at } from "./page.js";
import { state, experiment } from "./state.js";

const FACETS = ["modality", "region", "dataset", "label"];

export function remember() {
  const chosen = new URLSearchParams();
  const put = (name, value, usual) => {
    if (value && value !== usual) chosen.append(name, value);
  };
  put("experiment", at("experiment").value, state.first);
  put("model", at("model").value, experiment().default);
  put("with", at("other").value, "");
  put("k", at("k").value, at("k").defaultValue);
  put("alike", at("fold").checked ? at("threshold").value : "off", at("threshold").defaultValue);
  put("patients", at("per-patient").checked ? "" : "all", "");
  for (const facet of FACETS) for (const each of state.filters[facet] ?? []) put(facet, each);
  const [item] = state.items;
  if (state.items.length === 1 && item.kind === "image") put("image", item.id);
  const whole = item?.uid && state.items.length === item.together;
  if (whole && state.items.every((each) => each.uid === item.uid)) {
    put("uid", item.uid, "");
    put("instance", item.instance, "");
  }
  const text = String(chosen);
  history.replaceState(null, "", text ? `#${text}` : location.pathname);
}

// The same as the address has it; nothing is checked.
export function remembered() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  const filters = {};
  for (const facet of FACETS) if (chosen.has(facet)) filters[facet] = chosen.getAll(facet);
  return { ...Object.fromEntries(chosen), filters };
}

// Chooses an option where there is such a one.
export function choose(select, value) {
  const option = [...select.options].find((each) => each.value === value && !each.disabled);
  if (value && option) select.value = value;
}
