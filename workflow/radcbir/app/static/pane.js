// One image of the viewer: values of up to 16 bit, shown through a window, enlarged and moved like
// the other image beside it.

import { make } from "./page.js";

const DIFFERENT = "Own window";

// What both images share. `x` and `y` move the center, in shares of a pane's smaller side.
export const camera = { scale: 1, x: 0, y: 0, inverted: false };

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

const figure = (value) =>
  Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 4 });

export class Pane {
  constructor(name) {
    this.name = name;
    this.canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": name });
    this.readout = make("span", { className: "readout" });
    this.note = make("p", { className: "note", hidden: true });
    this.caption = make("figcaption");
    const screen = make("div", { className: "screen" }, this.canvas, this.readout, this.note);
    this.element = make("figure", { className: "pane" }, screen, this.caption);
    this.picture = document.createElement("canvas");
    this.image = this.window = this.crop = null;
    this.shown = 0;
    new ResizeObserver(() => this.draw()).observe(screen);
    this.canvas.addEventListener("pointermove", (event) => this.read(event));
    this.canvas.addEventListener("pointerleave", () => this.say());
  }

  // Begins anew, without a window of the user's own.
  forget() {
    this.shown += 1;
    this.image = this.window = null;
    this.draw();
  }

  // Shows what a promise of values brings. An image of the same kind keeps the window.
  async show(promise, label, crop = null) {
    const mine = ++this.shown;
    this.canvas.setAttribute("aria-label", `${this.name}: ${label}`);
    const waiting = setTimeout(() => this.tell("Loading …"), 300);
    try {
      const image = await promise;
      if (mine !== this.shown) return;
      const same = this.image && this.image.stored === image.stored;
      this.image = image;
      this.crop = crop;
      if (!same || !this.window) this.window = { ...image.presets[0] };
      else this.window = this.kept(image);
      this.tell("");
      this.paint();
      this.changed?.();
    } catch (error) {
      if (mine !== this.shown) return;
      this.image = null;
      this.tell(`No image: ${error.message}.`);
      this.draw();
    } finally {
      clearTimeout(waiting);
    }
  }

  // A preset is that of the new image, a window of the user's own stays.
  kept(image) {
    const again = image.presets.find((each) => each.name === this.window.name);
    return again ? { ...again } : { ...this.window };
  }

  tell(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  apply(name) {
    const preset = this.image?.presets.find((each) => each.name === name);
    if (preset) this.use(preset);
  }

  use({ low, high, name = DIFFERENT }) {
    this.window = { low, high, name };
    this.paint();
  }

  // Makes the window `wider` by a factor, and moves it by a `share` of its width.
  adjust(wider, share) {
    if (!this.image) return;
    const span = this.window.high - this.window.low,
      step = this.image.slope / 2;
    const center = (this.window.low + this.window.high) / 2 + share * span;
    const half = Math.max(span * wider, step) / 2;
    this.use({ low: center - half, high: center + half });
  }

  get level() {
    return (this.window.low + this.window.high) / 2;
  }

  get width() {
    return this.window.high - this.window.low;
  }

  // Codes through the window: linear from `low` to `high`, black and white beyond.
  paint() {
    if (!this.image) return;
    const { width, height, codes, channels, slope, intercept, inverted } = this.image;
    const { low, high } = this.window,
      turned = inverted !== camera.inverted;
    const table = new Uint8ClampedArray(channels === 1 ? 65536 : 256);
    for (let code = 0; code < table.length; code += 1) {
      const share = (intercept + slope * code - low) / (high - low);
      table[code] = 255 * (turned ? 1 - clamp(share, 0, 1) : share);
    }
    const pixels = new ImageData(width, height),
      data = pixels.data;
    for (let place = 0, from = 0; place < data.length; place += 4, from += channels) {
      data[place] = table[codes[from]];
      data[place + 1] = channels === 1 ? data[place] : table[codes[from + 1]];
      data[place + 2] = channels === 1 ? data[place] : table[codes[from + 2]];
      data[place + 3] = 255;
    }
    Object.assign(this.picture, { width, height });
    this.picture.getContext("2d").putImageData(pixels, 0, 0);
    this.draw();
  }

  // Where the image lies on the canvas, in its pixels.
  place() {
    const { width, height } = this.canvas,
      image = this.image;
    const scale = Math.min(width / image.width, height / image.height) * camera.scale;
    const side = Math.min(width, height);
    return {
      scale,
      left: width / 2 + camera.x * side - (scale * image.width) / 2,
      top: height / 2 + camera.y * side - (scale * image.height) / 2,
    };
  }

  draw() {
    const canvas = this.canvas,
      ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    this.say();
    if (!this.image || !width || !height) return;
    const { scale, left, top } = this.place();
    context.imageSmoothingEnabled = scale < 6; // beyond, pixels are to be seen
    context.imageSmoothingQuality = "high";
    const drawn = [scale * this.image.width, scale * this.image.height];
    context.drawImage(this.picture, left, top, ...drawn);
    if (this.crop) {
      const [x, y, right, bottom] = this.crop;
      context.strokeStyle = "#ffab2e";
      context.lineWidth = 2 * ratio;
      context.strokeRect(
        left + x * drawn[0],
        top + y * drawn[1],
        (right - x) * drawn[0],
        (bottom - y) * drawn[1],
      );
    }
  }

  // The value under the pointer, in the units of the file.
  read(event) {
    if (!this.image) return;
    const ratio = this.canvas.width / this.canvas.clientWidth,
      { scale, left, top } = this.place();
    const x = Math.floor((event.offsetX * ratio - left) / scale);
    const y = Math.floor((event.offsetY * ratio - top) / scale);
    const { width, height, codes, channels, slope, intercept } = this.image;
    if (x < 0 || y < 0 || x >= width || y >= height) return this.say();
    const from = (y * width + x) * channels;
    const values = [...codes.slice(from, from + channels)].map((each) => intercept + slope * each);
    this.say(`x ${x}  y ${y}  value ${values.map(figure).join(", ")}`);
  }

  say(text = "") {
    if (!this.image) return void (this.readout.textContent = "");
    const bits = this.image.bits ? `${this.image.bits} bit` : "floating point";
    const less = this.image.reduced > 1 ? `, ${this.image.reduced} × smaller` : "";
    const shown = `level ${figure(this.level)}  width ${figure(this.width)}  (${bits}${less})`;
    this.readout.textContent = text ? `${shown}\n${text}` : shown;
  }
}

export { DIFFERENT };
