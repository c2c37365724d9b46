// The network, off the page's thread: one forward pass gives the logits and every class's map.
import * as ort from "./runtime/ort.wasm.bundle.min.mjs";

ort.env.wasm.wasmPaths = { wasm: new URL("./runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
let session = null;

async function download(url, length) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The network's file could not be loaded (${answer.status}).`);
  const reader = answer.body.getReader();
  const parts = [];
  let received = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value);
    received += read.value.length;
    postMessage({ kind: "progress", share: Math.min(1, received / length) });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const tasks = {
  async load({ url, length }) {
    const bytes = await download(url, length);
    await session?.release();
    session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    return {};
  },
  async run({ pixels, side }) {
    const images = new ort.Tensor("float32", pixels, [1, 3, side, side]);
    const { logits, maps } = await session.run({ images });
    return { logits: logits.data, maps: maps.data, rows: maps.dims[2], columns: maps.dims[3] };
  },
};

onmessage = async ({ data }) => {
  try {
    postMessage({ kind: "done", id: data.id, result: await tasks[data.task](data) });
  } catch (error) {
    postMessage({ kind: "failed", id: data.id, message: String(error.message ?? error) });
  }
};
