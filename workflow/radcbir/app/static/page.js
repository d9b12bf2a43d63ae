// The page's elements, and requests to its server. All that comes from files or labels is put into
// the page as text, never as markup.

export const at = (id) => document.getElementById(id);

export const capital = (text) => text[0].toUpperCase() + text.slice(1);

// The key of the printed link. It goes to the server in a header; this tab alone keeps it, for a
// reload.
const key = (() => {
  const given = new URLSearchParams(location.search).get("key");
  if (given) {
    sessionStorage.setItem("key", given);
    history.replaceState(null, "", "/" + location.hash);
  }
  return sessionStorage.getItem("key") || "";
})();

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((each) => each !== null && each !== ""));
  return element;
}

export function button(text, action, properties = {}) {
  const made = make("button", { type: "button", textContent: text, ...properties });
  made.addEventListener("click", action);
  return made;
}

const CONTROLS = "button, input, select, summary, a, canvas";

// What a control is called within its card; the words of a checkbox stand beside it.
const nameOf = (control) =>
  control.dataset.control ?? control.getAttribute("aria-label") ?? control.textContent;

const cardOf = (element) => element.closest("[data-card]")?.dataset.card;

// Puts elements in the place of those of a container. The control that has the focus keeps it: the
// focus goes to that of its name in the card of its name, and where that is gone to what `instead`
// gives. What is unfolded stays so.
export function redraw(container, elements, instead = () => null) {
  const before = container.contains(document.activeElement) && document.activeElement;
  const called = (one, other) => nameOf(one) === nameOf(other) && cardOf(one) === cardOf(other);
  const unfolded = [...container.querySelectorAll("details[open] > summary")];
  container.replaceChildren(...elements);
  for (const summary of container.querySelectorAll("summary")) {
    if (unfolded.some((each) => called(each, summary))) summary.parentElement.open = true;
  }
  if (!before) return;
  const found = [...container.querySelectorAll(CONTROLS)].find((each) => called(each, before));
  (found ?? instead())?.focus({ preventScroll: true });
}

// Text with `commands` in it.
export function sentence(text) {
  const parts = text.split("`");
  return parts.map((each, place) => (place % 2 ? make("code", { textContent: each }) : each));
}

export function problem(error) {
  return make("p", { className: "problem" }, ...sentence(capital(error.message ?? error) + "."));
}

export function fail(text) {
  at("error").replaceChildren(...sentence(text));
  at("error").hidden = !text;
}

// The server's response; an error says what it said.
async function request(path, options = {}) {
  let response;
  const headers = { "X-Radcbir-Key": key };
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: is it still running in its terminal?");
  }
  if (response.ok) return response;
  const unread = "the answer could not be read: reload the page with the printed link";
  const answer = await response.json().catch(() => ({ error: unread }));
  throw new Error(answer.error);
}

export async function get(path) {
  return (await request(path)).json();
}

function posted(path, question, files, signal) {
  const form = new FormData();
  form.append("question", JSON.stringify(question));
  for (const file of files) form.append("file", file, file.name);
  return request(path, { method: "POST", body: form, signal });
}

export async function ask(path, question, files, signal) {
  return (await posted(path, question, files, signal)).json();
}

// The values of an image: what they are, and numbers row by row. With a question they are those of
// an upload.
export async function values(path, question, files) {
  const response = await (question ? posted(path, question, files) : request(path));
  const found = JSON.parse(response.headers.get("x-radcbir-image"));
  const content = await response.arrayBuffer();
  return { ...found, codes: new (found.channels === 1 ? Uint16Array : Uint8Array)(content) };
}

// What an archive gives: several files in one answer, or something to choose from.
export async function filesOf(path) {
  const response = await request(path);
  const described = response.headers.get("x-radcbir-image");
  if (!described) return response.json();
  const found = JSON.parse(described);
  const content = await response.blob();
  let end = 0;
  const files = found.files.map(
    ({ name, bytes }) => new File([content.slice(end, (end += bytes))], name),
  );
  return { ...found, files };
}

// An address that needs the key, as one that an element can load.
export async function loaded(path) {
  return URL.createObjectURL(await (await request(path)).blob());
}

// Shows what an address gives; what cannot be shown is said.
export async function showPicture(image, path) {
  const gone = () => {
    image.replaceWith(make("span", { className: "gone", textContent: "no picture" }));
  };
  try {
    const address = await loaded(path);
    const free = () => URL.revokeObjectURL(address);
    image.addEventListener("load", free, { once: true });
    image.addEventListener(
      "error",
      () => {
        free();
        gone();
      },
      { once: true },
    );
    image.src = address;
  } catch {
    gone();
  }
}

// Pictures are fetched when they come near the window.
const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      showPicture(entry.target, entry.target.dataset.path);
    }
  },
  { rootMargin: "200px" },
);

export function thumbnail(path, alt) {
  const image = make("img", { alt, draggable: false });
  image.dataset.path = path;
  near.observe(image);
  return image;
}

// Has the browser save what an address holds, which is given up afterwards.
export function save(address, name) {
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
