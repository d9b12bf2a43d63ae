// Where two images match: what the model sees of each, and over it how alike each patch is to the
// most similar patch of the other image.

import { make } from "./page.js";

// Viridis in five stops: even in lightness, for all kinds of color vision.
const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

// The longer side of a map, as wide and high as the model's input otherwise.
const SIDE = 448;

function color(share) {
  const place = Math.max(0, Math.min(0.9999, share)) * (VIRIDIS.length - 1);
  const low = Math.floor(place);
  return VIRIDIS[low].map((each, channel) =>
    Math.round(each + (VIRIDIS[low + 1][channel] - each) * (place - low)),
  );
}

// The similarities as a small picture. The colors run from 0 to 1 for every pair of images, so that
// one map can be compared with another.
function overlay(grid) {
  const rows = grid.length,
    columns = grid[0].length;
  const small = make("canvas", { width: columns, height: rows });
  const pixels = new ImageData(columns, rows);
  grid.flat().forEach((value, place) => pixels.data.set([...color(value), 255], 4 * place));
  small.getContext("2d").putImageData(pixels, 0, 0);
  return small;
}

export function maps(found) {
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50, id: "overlay" });
  const figure = (part, caption) => {
    const canvas = make("canvas", {
      width: SIDE,
      height: SIDE,
      role: "img",
      "aria-label": caption,
    });
    const context = canvas.getContext("2d"),
      image = new Image(),
      colors = overlay(part.grid);
    const draw = () => {
      context.globalAlpha = 1;
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      context.globalAlpha = slider.value / 100;
      context.drawImage(colors, 0, 0, canvas.width, canvas.height);
    };
    image.addEventListener("load", () => {
      const scale = SIDE / Math.max(image.width, image.height);
      canvas.width = Math.round(scale * image.width);
      canvas.height = Math.round(scale * image.height);
      draw();
    });
    slider.addEventListener("input", draw);
    image.src = part.picture;
    const values = part.grid.flat();
    const range = [Math.min(...values), Math.max(...values)].map((each) => each.toFixed(2));
    const said = `${caption}. Patches from ${range.join(" to ")}.`;
    return make("figure", {}, canvas, make("figcaption", { textContent: said }));
  };
  const ends = ["0 not alike", "1 alike"].map((each) => make("span", { textContent: each }));
  const explained = `Each patch has the cosine similarity of its features to the most similar patch
    of the other image. The colors run from 0 to 1 for all images. The map shows what the model
    finds alike, not where a finding is. No benchmark has measured it.`;
  return make(
    "div",
    { className: "where" },
    make("label", { className: "slider" }, "Image", slider, "Overlay"),
    make(
      "div",
      { className: "maps" },
      figure(found.query, "Query, as the model sees it"),
      figure(found.hit, "Result, as the model sees it"),
    ),
    make("div", { className: "scale" }),
    make("div", { className: "ends" }, ...ends),
    make("p", { className: "note", textContent: explained.replace(/\s+/g, " ") }),
  );
}
