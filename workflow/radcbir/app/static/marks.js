// Which results are marked as right or wrong.

import { at, button } from "./page.js";
import { state } from "./state.js";

// ✓ and ✗ for an image.
export function markButtons(hit, which) {
  const mark = (set, className, sign, name) => {
    const made = button(
      sign,
      () => {
        const others = set === state.right ? state.wrong : state.right;
        others.delete(hit.id);
        if (!set.delete(hit.id)) set.add(hit.id);
        showMarks();
      },
      {
        className,
        title: name,
        "aria-label": `${name}: ${which}`,
        "aria-pressed": set.has(hit.id),
      },
    );
    made.dataset.marks = hit.id;
    return made;
  };
  return [
    mark(state.right, "yes", "✓", "Mark as right"),
    mark(state.wrong, "no", "✗", "Mark as wrong"),
  ];
}

export function showMarks() {
  for (const each of document.querySelectorAll("[data-marks]")) {
    const set = each.classList.contains("yes") ? state.right : state.wrong;
    each.setAttribute("aria-pressed", set.has(each.dataset.marks));
  }
  for (const entry of document.querySelectorAll(".hit")) {
    entry.classList.toggle("right", state.right.has(entry.dataset.id));
    entry.classList.toggle("wrong", state.wrong.has(entry.dataset.id));
  }
  const marks = state.right.size + state.wrong.size;
  at("refine").disabled = at("clear").disabled = !marks;
  const listed = ` (${state.right.size} right, ${state.wrong.size} wrong)`;
  at("refine").textContent = "Refine" + (marks ? listed : "");
}

export function clearMarks() {
  state.right.clear();
  state.wrong.clear();
  state.refined = false;
  showMarks();
}
