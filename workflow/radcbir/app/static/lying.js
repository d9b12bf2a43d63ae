// How slices lie that are dropped together.

import { state } from "./state.js";

const along = (one, other) => one.reduce((sum, each, axis) => sum + each * other[axis], 0);

// Uploads by their positions; null where a file does not say its own, where they are not parallel, or
// where two lie at one place. The server tells so, too, when it lays them over others.
export function byPosition(items) {
  const { alike, apart } = state.limits;
  if (items.length < 2 || !items.every((each) => each.lies)) return null;
  const [first] = items;
  if (!items.every(({ lies }) => along(lies.normal, first.lies.normal) > alike)) return null;
  const sorted = [...items].sort((one, other) => one.lies.position - other.lies.position);
  const gaps = sorted.slice(1).map(({ lies }, place) => lies.position - sorted[place].lies.position);
  return gaps.every((each) => each >= apart) ? sorted : null;
}
