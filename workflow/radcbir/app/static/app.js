// What the page listens to.

import { fromArchive } from "./archive.js";
import { exportCsv } from "./answer.js";
import { chooseExperiment, showFolding, showNotes, start } from "./choices.js";
import { clearMarks } from "./marks.js";
import { at } from "./page.js";
import { addFiles, addText, find, moreLikeThis, previewAgain } from "./query.js";
import { search } from "./search.js";
import { state } from "./state.js";

const ready = start();

// A file may come before the page knows what there is.
async function take(files) {
  await ready;
  if (files.length) addFiles(files);
}

const on = (id, name, action) => at(id).addEventListener(name, action);

document.addEventListener("search", () => search());
document.addEventListener("like", (event) => moreLikeThis(event.detail));
document.addEventListener("archive", (event) => fromArchive(event.detail));
on("experiment", "change", () => {
  chooseExperiment();
  search();
});
for (const id of ["model", "other"]) {
  on(id, "change", () => {
    showNotes();
    search();
  });
}
on("read-as", "change", () => previewAgain(state.items.filter((each) => each.file)));
on("files", "change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  take(files);
});
on("add-text", "click", addText);
on("find", "click", () => find());
on("uid", "keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  find();
});
on("text", "keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  addText();
});
on("query", "submit", (event) => {
  event.preventDefault();
  if (at("text").value.trim() && !at("text-row").hidden) addText();
  else if (at("uid").value.trim() && !at("named-row").hidden && !state.items.length) find();
  else search(true);
});
for (const id of ["k", "threshold", "fold", "per-patient"]) {
  on(id, "change", () => {
    showFolding();
    search();
  });
}
on("place", "change", () => {
  state.place = at("place").checked;
  search();
});
on("refine", "click", () => {
  state.refined = true;
  search();
});
on("clear", "click", () => {
  const again = state.refined;
  clearMarks();
  if (again) search();
});
on("export", "click", exportCsv);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // what is behind the # of the address is what is chosen
  at("results").focus();
});
// A number that is emptied, or is none, keeps the value before; nothing else hears of it.
const number = (event) => event.target.matches?.("input[type=number]") && event.target;
window.addEventListener(
  "focusin",
  (event) => {
    const field = number(event);
    if (field && field.value) field.dataset.before = field.value;
  },
  true,
);
window.addEventListener(
  "change",
  (event) => {
    const field = number(event);
    if (!field) return;
    if (field.value) return (field.dataset.before = field.value);
    field.value = field.dataset.before ?? field.defaultValue;
    event.stopPropagation();
  },
  true,
);
// Another address of the same page, for instance a bookmark.
window.addEventListener("hashchange", () => location.reload());
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
window.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
window.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  take([...event.dataTransfer.files]);
});
window.addEventListener("paste", (event) => take([...event.clipboardData.files]));
