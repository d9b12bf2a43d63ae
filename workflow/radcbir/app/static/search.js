// Asking the server, and what is said meanwhile and of the answer as a whole.

import { ask, at, capital, fail } from "./page.js";
import { remember } from "./address.js";
import { showAnswer } from "./answer.js";
import { showPlace } from "./slab.js";
import { asked, experiment, question, state } from "./state.js";
import { several } from "./words.js";

let asking = null;

const NOTHING_TO_ASK =
  "No model of this experiment can be asked yet: see the notes beside the models.";

export async function search(explicit = false) {
  if (experiment()) remember();
  showPlace();
  if (!state.items.length) {
    showAnswer(null);
    idle();
    if (explicit) {
      fail("The query is empty: drop an image, or start from one of the catalog.");
    }
    return;
  }
  if (!asked().length) return refuse(NOTHING_TO_ASK);
  if (asking) asking.abort();
  const mine = (asking = new AbortController());
  busy("Searching …");
  try {
    const answer = await ask("/api/search", ...question(), mine.signal);
    fail("");
    showAnswer(answer);
    showBeginning();
  } catch (error) {
    if (error.name === "AbortError") return;
    return refuse(capital(error.message) + ".");
  }
  if (asking === mine) {
    asking = null;
    idle();
  }
}

// Says why there is no answer. What was found for the query before is no answer to this one.
export function refuse(text) {
  if (asking) asking.abort();
  asking = null;
  showAnswer(null);
  idle();
  fail(text);
}

// On a narrow page the results are below the query.
function showBeginning() {
  const top = at("results").getBoundingClientRect().top;
  if (matchMedia("(max-width: 820px)").matches && top > 0.6 * innerHeight) {
    at("results").scrollIntoView();
  }
}

export function busy(text) {
  document.body.classList.add("busy");
  at("status").textContent = text;
}

export function idle() {
  if (asking) return;
  document.body.classList.remove("busy");
  const answer = state.answer;
  const images = (answer ? answer.searched : experiment()?.images) ?? 0;
  at("filtered").textContent = `${images.toLocaleString("en")} ${several()}`;
  if (!answer) {
    at("status").textContent = state.items.length ? "" : "Drop an image to begin.";
    return;
  }
  const said = answer.models.map((each) => {
    if (each.error) return `${each.name}: no answer`;
    const what = answer.perPatient ? "patients" : "results";
    return `${each.name}: ${each.hits.length} ${what} in ${each.seconds.toFixed(2)} s`;
  });
  at("status").textContent = said.join(" · ") + (state.refined ? " · refined" : "");
}
