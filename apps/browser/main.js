// The page: choices in, a picture with a heat map and its numbers out.
import * as heatMaps from "./heat.js";
import { Network } from "./network.js";
import { decode, PictureError, square } from "./picture.js";

const SHOWN = 448; // px of the drawn picture
const BOX = 0.15; // of the maximum, as in Selvaraju 2017
const get = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** What is shown now; tests read it. */
export const state = { turn: 0, contents: null, card: null, bitmap: null, name: "", entry: null, side: 224, pixels: null, result: null, first: null, second: null, heat: null, mask: null };
const network = new Network(showProgress);
let asked = 0; // forward passes begun

function showProgress(share) {
  get("busy").hidden = share >= 1;
  get("busy").setAttribute("aria-valuenow", Math.round(100 * share));
  get("busy").firstElementChild.style.width = `${100 * share}%`;
}

function say(text) {
  get("status").textContent = text;
}

function complain(error) {
  const known = error instanceof PictureError;
  get("problem").textContent = known ? error.message : `Something went wrong: ${error.message}`;
  get("problem").hidden = false;
  say("");
}

async function guarded(work) {
  get("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    complain(error);
  }
}

// --- network and picture -----------------------------------------------------------------------

async function openNetwork(id) {
  const card = state.contents.networks.find((one) => one.id === id);
  say(`Loading ${card.title} (${(card.bytes / 1e6).toFixed(0)} MB, once) ...`);
  get("network").disabled = true;
  try {
    await network.load(card);
  } finally {
    showProgress(1);
    get("network").disabled = false;
  }
  Object.assign(state, { card, first: null, second: null, result: null, side: card.sides[0] });
  get("second").value = "";
  fill("names", card.classes.map((name) => new Option(name)));
  fill("side", card.sides.map((side) => new Option(`${side} px`, side)));
  get("about").textContent = card.about;
  fill("gallery", card.gallery.map(thumbnail));
  say("");
  await openEntry(card.gallery[0]);
}

function thumbnail(entry) {
  const button = document.createElement("button");
  const image = new Image();
  button.type = "button";
  image.src = entry.file;
  image.alt = entry.title;
  image.loading = "lazy";
  button.title = `${entry.title}. ${entry.credit}`;
  button.append(image);
  button.onclick = () => guarded(() => openEntry(entry));
  return button;
}

async function openEntry(entry) {
  const blob = await (await fetch(entry.file)).blob();
  const mask = entry.mask ? square(await decode(await (await fetch(entry.mask)).blob()), SHOWN) : null;
  await openBitmap(await decode(blob, entry.title), entry.title, entry, mask);
}

async function openBlob(blob, name) {
  await openBitmap(await decode(blob, name), name, null, null);
}

async function openBitmap(bitmap, name, entry, mask) {
  const side = entry?.side ?? state.card.sides[0];
  Object.assign(state, { bitmap, name, entry, mask, side, first: null, second: null });
  get("side").value = side;
  get("second").value = "";
  get("outline-row").hidden = mask === null;
  await look();
}

/** One forward pass of the picture at the chosen size; a newer question wins over an older one. */
async function look() {
  const turn = ++asked;
  const { bitmap, side } = state;
  const pixels = square(bitmap, side);
  const start = performance.now();
  const result = await network.run(pixels, side);
  if (turn !== asked) return;
  const shown = square(bitmap, SHOWN);
  Object.assign(state, { result, pixels, shown, grey: heatMaps.inGrey(shown), seconds: (performance.now() - start) / 1000 });
  const order = Array.from(result.probabilities.keys()).sort((a, b) => result.probabilities[b] - result.probabilities[a]);
  state.order = order;
  state.first ??= order[0];
  say(`One forward pass: ${(1000 * state.seconds).toFixed(0)} ms for all ${state.card.classes.length} maps`);
  get("hint").hidden = true;
  get("save").disabled = false;
  fill("questions", (state.entry?.questions ?? []).map(question));
  draw();
  state.turn = turn;
}

function question(index) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = state.card.classes[index];
  button.dataset.index = index;
  button.onclick = () => choose(index);
  return button;
}

function choose(index) {
  state.first = index;
  draw();
}

// --- drawing ------------------------------------------------------------------------------------

function draw() {
  const { result, card, first, second } = state;
  if (result === null) return;
  const raw = heatMaps.rawMap(result, first, second);
  const { heat, empty } = heatMaps.heatMap(raw, result.rows, result.columns, SHOWN);
  Object.assign(state, { raw, heat, empty });
  const table = state.contents.colours[get("colours").value];
  const context = get("stage").getContext("2d");
  const under = get("grey").checked ? state.grey : state.shown;
  const drawn = heatMaps.overlay(under, heat, table, Number(get("opacity").value));
  if (state.mask && get("outlines").checked) outline(drawn, state.mask);
  context.putImageData(new ImageData(drawn, SHOWN, SHOWN), 0, 0);
  if (get("box").checked && !empty) drawBox(context, heatMaps.boxOfLargest(heat, SHOWN, BOX));
  describe(card, heat, empty);
}

function drawBox(context, box) {
  for (const [colour, width] of [["#000000", 5], ["#ffffff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
  }
}

/** Cyan where a mask ends. */
function outline(drawn, mask) {
  const on = (x, y) => x >= 0 && y >= 0 && x < SHOWN && y < SHOWN && mask[4 * (y * SHOWN + x)] > 127;
  for (let y = 0; y < SHOWN; y++) {
    for (let x = 0; x < SHOWN; x++) {
      if (on(x, y) && !(on(x - 1, y) && on(x + 1, y) && on(x, y - 1) && on(x, y + 1))) drawn.set([0, 229, 255, 255], 4 * (y * SHOWN + x));
    }
  }
}

function describe(card, heat, empty) {
  const { first, second, result, name } = state;
  const against = second === null ? "" : `, rather than ${card.classes[second]}`;
  const words = heatMaps.inWords(heat, SHOWN);
  get("asked").textContent = `${card.classes[first]}${against}: ${percent(result.probabilities[first])}`;
  get("search").value = card.classes[first];
  get("stage").setAttribute("aria-label", `${name}, asked for ${card.classes[first]}${against}: ${words}`);
  get("top").replaceChildren(...state.order.slice(0, 5).map(bar));
  for (const button of get("questions").children) button.setAttribute("aria-pressed", Number(button.dataset.index) === first);
  const rows = [["Heat", words]];
  if (empty) rows.push(["Note", "Every cell speaks against this class, so nothing is drawn."]);
  if (state.mask) {
    const { energy, area, hit } = heatMaps.inMask(heat, state.mask);
    rows.push(["Heat on lesions", `${energy === null ? "none" : percent(energy)}, of ${percent(area)} of the area`]);
    rows.push(["Peak on a lesion", hit ? "yes" : "no"]);
  }
  rows.push(["Map", `${result.rows} x ${result.columns} cells`]);
  get("numbers").replaceChildren(...rows.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
}

function bar(index) {
  const share = state.result.probabilities[index];
  const item = document.createElement("li");
  const button = document.createElement("button");
  const filled = document.createElement("i");
  filled.style.width = percent(share).replace(" ", "");
  button.type = "button";
  button.append(filled, element("span", state.card.classes[index]), element("span", percent(share)));
  button.setAttribute("aria-pressed", index === state.first);
  button.onclick = () => choose(index);
  item.append(button);
  return item;
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function fill(id, children) {
  get(id).replaceChildren(...children);
}

// --- controls -----------------------------------------------------------------------------------

/** The class that a text names: exactly, else the first that begins with it or holds it. */
export function classNamed(text, classes) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const names = classes.map((name) => name.toLowerCase());
  for (const fits of [(n) => n === wanted, (n) => n.startsWith(wanted), (n) => n.includes(wanted)]) {
    const index = names.findIndex(fits);
    if (index >= 0) return index;
  }
  return null;
}

function search(id, take) {
  get(id).addEventListener("change", () => {
    get("problem").hidden = true;
    const text = get(id).value;
    const index = classNamed(text, state.card.classes);
    if (index === null && text.trim()) complain(new PictureError(`There is no class "${text}": pick one of the list.`));
    else take(index);
  });
}

async function startCamera() {
  if (!navigator.mediaDevices) throw new PictureError("This browser gives pages no camera here: choose a file instead.");
  try {
    get("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    throw new PictureError("The camera cannot be used: allow it for this page, or choose a file instead.");
  }
  get("viewfinder").hidden = false;
  await get("video").play();
}

function stopCamera() {
  for (const track of get("video").srcObject?.getTracks() ?? []) track.stop();
  get("video").srcObject = null;
  get("viewfinder").hidden = true;
}

async function takePicture() {
  const bitmap = await createImageBitmap(get("video"));
  stopCamera();
  await openBitmap(bitmap, "camera picture", null, null);
}

function savePicture() {
  get("stage").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${state.card.classes[state.first].replace(/\W+/g, "_")}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

function connect() {
  const drop = get("drop");
  get("file").onchange = ({ target }) => target.files[0] && guarded(() => openBlob(target.files[0], target.files[0].name));
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const file = event.dataTransfer.files[0];
    guarded(() => file ? openBlob(file, file.name) : Promise.reject(new PictureError("Nothing was dropped: drop a picture's file.")));
  };
  document.addEventListener("paste", (event) => {
    const file = Array.from(event.clipboardData.files).find((one) => one.type.startsWith("image/"));
    if (file) guarded(() => openBlob(file, "pasted picture"));
  });
  get("camera").onclick = () => guarded(startCamera);
  get("snap").onclick = () => guarded(takePicture);
  get("stop").onclick = stopCamera;
  get("save").onclick = savePicture;
  for (const id of ["opacity", "colours", "grey", "box", "outlines"]) get(id).addEventListener("input", draw);
  get("network").onchange = ({ target }) => guarded(() => openNetwork(target.value));
  get("side").onchange = ({ target }) => guarded(() => { state.side = Number(target.value); return look(); });
  search("search", (index) => index !== null && choose(index));
  search("second", (index) => { state.second = index; draw(); });
  get("search").onfocus = ({ target }) => target.select();
}

async function start() {
  if (typeof WebAssembly !== "object") throw new PictureError("This browser runs no WebAssembly, which the network needs: use a current Firefox, Chrome, Edge or Safari.");
  state.contents = await (await fetch("contents.json")).json();
  fill("colours", Object.keys(state.contents.colours).map((name) => new Option(name)));
  fill("network", state.contents.networks.map((one) => new Option(one.title, one.id)));
  for (const link of document.querySelectorAll("a[data-chapter]")) Object.assign(link, { href: `${state.contents.chapters}${link.dataset.chapter}.html`, target: "_top" });
  connect();
  await openNetwork(state.contents.networks[0].id);
  if ("serviceWorker" in navigator) await navigator.serviceWorker.register("offline.js");
}

get("stage").width = get("stage").height = SHOWN;
guarded(start);
