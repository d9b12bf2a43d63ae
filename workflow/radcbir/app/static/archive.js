// A study or series that the catalog does not have, from the archive that a dataset comes from: a list
// to choose from, or its images, which are then a query as files that are dropped are.

import { choose } from "./address.js";
import { at, capital, fail, filesOf } from "./page.js";
import { addFiles, offer, showNamed } from "./query.js";
import { busy, idle, refuse } from "./search.js";
import { archiveAddress, ofUnits, state } from "./state.js";

const LIKE_A_UID = /^[0-9.]+$/;

export const isUid = (text) => LIKE_A_UID.test(text.trim());

let asking = null;

export async function fromArchive({ uid, image = "" }) {
  const mine = (asking = { experiment: at("experiment").value });
  showNamed();
  busy("Asking the archive …");
  let found;
  try {
    found = await filesOf(archiveAddress(uid.trim(), image));
  } catch (error) {
    if (asking !== mine) return;
    return refuse(capital(error.message) + ".");
  }
  if (asking !== mine || mine.experiment !== at("experiment").value) return;
  fail("");
  idle();
  if (found.choices) return offer(...choices(found));
  state.items = [];
  choose(at("read-as"), found.dataset);
  const more = { uid: found.uid, instance: image, together: found.files.length };
  await addFiles(found.files, more);
  offer(found.said, []);
}

function choices({ choices, count, of }) {
  const some = count > choices.length ? `, ${choices.length} of them here` : "";
  const said = `The archive has ${count} ${of} of it${some}: choose one.`;
  const named = choices.map(({ uid, image, words }) => [
    ofUnits() || of === "series" ? words : `image ${words}`,
    () => fromArchive({ uid, image }),
  ]);
  return [said, named];
}
