// A network in its worker: load(card), run(pixels) -> logits, probabilities and class maps.
export class Network {
  #worker = null;
  #waiting = new Map();
  #next = 0;
  card = null;

  constructor(onProgress) {
    this.onProgress = onProgress;
  }

  #start() {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      if (data.kind === "progress") return this.onProgress(data.share);
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      return data.kind === "done" ? resolve(data.result) : reject(new Error(data.message));
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(event.message || "The runtime could not be started in this browser."));
      }
      this.#waiting.clear();
    };
  }

  #ask(task, values, transfer = []) {
    if (this.#worker === null) this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task, ...values }, transfer);
    });
  }

  async load(card) {
    await this.#ask("load", { url: new URL(card.file, import.meta.url).href, length: card.bytes });
    this.card = card;
  }

  async run(rgba, side) {
    const pixels = normalise(rgba, side, this.card);
    const result = await this.#ask("run", { pixels, side }, [pixels.buffer]);
    return { ...result, probabilities: softmax(result.logits) };
  }
}

/** RGBA bytes of a square picture -> (3, side, side) float32, normalised as in training. */
export function normalise(rgba, side, { mean, std }) {
  const cells = side * side;
  const pixels = new Float32Array(3 * cells);
  for (let channel = 0; channel < 3; channel++) {
    for (let cell = 0; cell < cells; cell++) {
      pixels[channel * cells + cell] = (rgba[4 * cell + channel] / 255 - mean[channel]) / std[channel];
    }
  }
  return pixels;
}

export function softmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / total);
}
