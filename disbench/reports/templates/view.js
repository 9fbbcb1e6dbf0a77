// The gallery of all images, and one image on the stage. The address holds the state, so that a link restores it.
const data = JSON.parse(document.getElementById("data").textContent);
const { methods, metrics, images, values } = data;
const [gallery, cards, viewer] = ["gallery", "cards", "viewer"].map(id => document.getElementById(id));
const form = document.querySelector("form"), panel = document.querySelector(".panel");
panel.hidden = false;
const LAYERS = ["@image", "@truth", ...methods.map((_, k) => `${k}`)]; // the tiles of a thumbnail, in this order
const layerName = layer => layer === "@image" ? "Image" : layer === "@truth" ? "Ground truth" : methods[layer];
const last = methods.length - 1;
const start = { a: `${last}`, b: last > 0 ? `${last - 1}` : "@truth", measure: metrics[0].key, order: "worst",
  split: "", name: "", mode: "slider", panes: ["@image", "@truth", ...methods.map((_, k) => `${last - k}`)].slice(0, 4).join(),
  errors: "", image: "", at: "" };
const state = { ...start };
let order = []; // the images in the gallery, in their order

// On a narrow screen the choices are folded into a line.
const narrow = matchMedia("(max-width: 52rem)"), fold = () => { panel.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();

for (const select of document.querySelectorAll("select[name=a], select[name=b]")) {
  for (const layer of LAYERS) select.append(new Option(layerName(layer), layer));
}
for (const metric of metrics) form.measure.append(new Option(metric.symbol, metric.key));
for (const split of new Set(images.map(([split]) => split))) form.split.append(new Option(split, split));

const score = (image, layer, measure = state.measure) => layer.startsWith("@") ? null : values[measure][layer][image];
const text = value => value === null || value === undefined ? "" : value.toFixed(3);
// Whether a score is the best of several, as printed.
const isBest = (mine, all, higher) => mine !== "" && all.filter(value => value !== "").length > 1
  && all.every(other => other === "" || (higher ? Number(other) <= mine : Number(other) >= mine));
const file = (image, layer) => `pictures/${String(image).padStart(5, "0")}/` +
  (layer === "@image" ? data.files[image] : layer === "@truth" ? "truth.png" : `${layer}.png`);
const hasMap = (image, layer) => layer.startsWith("@") || score(image, layer) !== null;

// A card for each image, which is created once. Afterwards only texts and order change.
const cardOf = images.map(([split, name], image) => {
  const card = document.createElement("a"), row = document.createElement("span"), line = document.createElement("p");
  card.className = "card";
  card.title = `${split}/${name}`;
  row.className = "row";
  row.style.setProperty("--ratio", data.sizes[image][1] / data.sizes[image][0]);
  for (const kind of ["image", "a", "b"]) {
    const tile = document.createElement("span"), picture = document.createElement("img");
    tile.className = `tile ${kind}`;
    Object.assign(picture, { loading: "lazy", decoding: "async", alt: kind === "image" ? card.title : "" });
    picture.src = `pictures/${String(image).padStart(5, "0")}/thumb.webp`;
    tile.append(picture);
    row.append(tile);
  }
  const label = document.createElement("span");
  label.className = "label";
  label.textContent = `${split} ${data.labels[image]}`;
  line.append(label, ...["A", "B"].map(side => {
    const part = document.createElement("span");
    part.append(`${side} `, document.createElement("output"));
    return part;
  }));
  card.append(row, line);
  return card;
});
cards.style.setProperty("--n", LAYERS.length);

function drawGallery() {
  for (const name of ["a", "b", "measure", "order", "split", "name"]) form[name].value = state[name];
  const higher = metrics.find(metric => metric.key === state.measure).higher ? 1 : -1;
  const wanted = state.name.toLowerCase();
  const goodness = (image, layer) => { const value = score(image, layer); return value === null ? null : value * higher; };
  const a = state.a.startsWith("@") ? `${last}` : state.a;
  const gap = image => {
    const [x, y] = [goodness(image, a), goodness(image, state.b)];
    return x === null || y === null ? null : x - y;
  };
  const key = {
    worst: image => goodness(image, a),
    best: image => { const value = goodness(image, a); return value === null ? null : -value; },
    gain: image => { const value = gap(image); return value === null ? null : -value; },
    loss: gap,
    apart: image => {
      const all = methods.map((_, k) => score(image, `${k}`)).filter(value => value !== null);
      return Math.min(...all) - Math.max(...all);
    },
    name: image => image,
  }[state.order];
  const keys = images.map((_, image) => key(image));
  order = images.map((_, image) => image).filter(image =>
    (!state.split || images[image][0] === state.split) && images[image][1].toLowerCase().includes(wanted));
  order.sort((x, y) => (keys[x] === null) - (keys[y] === null) || keys[x] - keys[y] || x - y);
  cards.style.setProperty("--a", LAYERS.indexOf(state.a));
  cards.style.setProperty("--b", LAYERS.indexOf(state.b));
  const galleryAddress = address({ ...state, image: "", at: "" });
  for (const image of order) {
    const texts = [state.a, state.b].map(layer => text(score(image, layer)));
    for (const [k, output] of cardOf[image].querySelectorAll("output").entries()) {
      output.textContent = texts[k];
      output.className = isBest(texts[k], texts, higher > 0) ? "best" : "";
      output.parentElement.hidden = !texts[k];
    }
    cardOf[image].href = `${galleryAddress === "#" ? galleryAddress : `${galleryAddress}&`}image=${encodeURIComponent(images[image].join("/"))}`;
  }
  cards.replaceChildren(...order.map(image => cardOf[image]));
  document.getElementById("count").textContent = `${order.length} of ${images.length} images.`;
  const chosen = ["measure", "order"].map(name => form[name].selectedOptions[0].text);
  panel.querySelector("summary").textContent = [`A ${layerName(state.a)}`, `B ${layerName(state.b)}`, ...chosen].join(" · ");
}

// One image.
const current = () => images.findIndex(image => image.join("/") === state.image);
let blinking = 0;

function drawViewer() {
  const now = current(), { a, b, mode } = state, paneLayers = state.panes.split(",");
  const [height, width] = data.sizes[now];
  Object.assign(viewer.querySelector("h2"), { textContent: state.image, title: state.image });
  viewer.querySelector(`[name=mode][value=${mode}]`).checked = true;
  viewer.querySelector("[name=errors]").checked = Boolean(state.errors);
  Object.assign(view, { width, height });
  const errors = layer => state.errors && !layer.startsWith("@");
  const shown = layer => !hasMap(now, layer) ? []
    : errors(layer) ? tinted(file(now, layer), file(now, "@truth")) : [image(file(now, layer))];
  const side = name => stage.querySelector(`.side.${name}`);
  const describe = (part, layer) => {
    part.querySelector("select").value = layer;
    part.querySelector("output").textContent = hasMap(now, layer) ? text(score(now, layer)) : "(no map)";
  };
  const apart = mode === "panes", differ = mode === "difference" && hasMap(now, a) && hasMap(now, b);
  stage.dataset.mode = mode;
  stage.dataset.shown = "a";
  countPanes(paneLayers.length, LAYERS, layerName);
  for (const [k, layer] of paneLayers.entries()) {
    describe(panes.children[k], layer);
    fill(panes.children[k], apart ? shown(layer) : [], width, height);
  }
  for (const [name, layer] of Object.entries({ a, b })) describe(stage.querySelector(`.name.${name}`), layer);
  fill(side("a"), apart ? [] : differ ? tinted(file(now, a), file(now, b)) : shown(a), width, height);
  fill(side("b"), apart || mode === "difference" ? [] : shown(b), width, height);
  document.getElementById("swap").hidden = apart;
  document.getElementById("add").hidden = !apart || paneLayers.length >= MOST_PANES;
  clearInterval(blinking);
  if (mode === "blink" && !matchMedia("(prefers-reduced-motion: reduce)").matches) blinking = setInterval(flip, 700);
  const visible = apart ? paneLayers : [a, b];
  const label = layer => `${layerName(layer)} ${hasMap(now, layer) ? text(score(now, layer)) : "(no map)"}`.trim();
  stage.setAttribute("aria-label", `${state.image}: ${visible.map(label).join(", ")}, ${mode}`);
  colours(differ ? [`only ${layerName(a)}`, `only ${layerName(b)}`]
    : visible.some(errors) ? ["false foreground", "missed foreground"] : []);
  drawScores(now, visible);
  place();
  const index = order.indexOf(now);
  for (const neighbour of [order[index + 1], order[index - 1]]) {
    if (neighbour === undefined) continue;
    for (const layer of new Set([...visible, "@truth"])) if (hasMap(neighbour, layer)) image(file(neighbour, layer)); // loads ahead
  }
}

function colours(words) {
  viewer.querySelector(".colours").replaceChildren(...words.flatMap((word, k) => {
    const key = document.createElement("i");
    key.className = k ? "fn" : "fp";
    return [key, ` ${word}  `];
  }));
}

function drawScores(now, visible) {
  viewer.querySelector("#scores img").src = file(now, "@image");
  const table = viewer.querySelector("#scores table"), head = document.createElement("tr");
  const cell = (kind, content, row) => {
    const element = document.createElement(kind);
    element.textContent = content;
    row.append(element);
    return element;
  };
  cell("th", "", head);
  for (const metric of metrics) cell("th", `${metric.symbol} ${metric.higher ? "↑" : "↓"}`, head);
  const rows = methods.map((method, k) => {
    const row = document.createElement("tr");
    row.className = visible.includes(`${k}`) ? "on" : "";
    cell("th", method, row);
    return row;
  });
  for (const metric of metrics) {
    const texts = methods.map((_, k) => text(score(now, `${k}`, metric.key)));
    for (const [k, row] of rows.entries()) {
      cell("td", texts[k] || "–", row).className = isBest(texts[k], texts, metric.higher) ? "best" : "";
    }
  }
  table.replaceChildren(head, ...rows);
}

function flip() { stage.dataset.shown = stage.dataset.shown === "b" ? "a" : "b"; }

// The address names methods by their titles, so that a link stays valid when methods are added.
const layerToWord = layer => layer.startsWith("@") ? layer : methods[layer];
const wordToLayer = word => word.startsWith("@") ? (LAYERS.includes(word) ? word : null)
  : methods.includes(word) ? `${methods.indexOf(word)}` : null;

function address(wanted) {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(wanted)) {
    if (value === start[key]) continue;
    if (key === "panes") for (const layer of value.split(",")) words.append("pane", layerToWord(layer));
    else words.set(key, key === "a" || key === "b" ? layerToWord(value) : value);
  }
  return `#${words}`;
}

function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  Object.assign(state, start);
  for (const key of Object.keys(start)) {
    const word = words.get(key);
    if (word !== null) state[key] = key === "a" || key === "b" ? wordToLayer(word) ?? start[key] : word;
  }
  state.panes = words.getAll("pane").map(wordToLayer).filter(layer => layer !== null).slice(0, MOST_PANES).join() || start.panes;
  if (!(state.measure in values)) state.measure = start.measure;
  if (![...form.order.options].some(option => option.value === state.order)) state.order = start.order;
  if (!["slider", "blink", "difference", "panes"].includes(state.mode)) state.mode = start.mode;
  if (current() < 0) state.image = "";
  const at = state.at.split(",").map(Number);
  view.fitted = at.length !== 3 || !at.every(Number.isFinite) || at[2] <= 0;
  if (!view.fitted) [view.x, view.y, view.zoom] = at;
  draw();
}

function draw() {
  const open = Boolean(state.image), opening = open && viewer.hidden;
  if (!cards.children.length || !open) drawGallery();
  document.title = `${open ? state.image : document.querySelector("h1").textContent} · disbench`;
  viewer.hidden = !open;
  gallery.inert = open;
  theme.hidden = open;
  if (opening) stage.focus({ preventScroll: true });
  if (open) drawViewer();
  else clearInterval(blinking);
}

// Change the state. Only opening an image from the gallery is a step in the browser's history.
function change(wanted) {
  Object.assign(state, wanted);
  history.replaceState(null, "", address(state));
  draw();
}

function step(by) {
  const next = order[order.indexOf(current()) + by];
  if (next !== undefined) change({ image: images[next].join("/") });
}

function back() {
  const now = current();
  change({ image: "", at: "" });
  cardOf[now].scrollIntoView({ block: "nearest" });
  cardOf[now].focus();
}

const storePosition = () => { if (state.image) {
  state.at = view.fitted ? "" : [view.x, view.y, view.zoom].map(value => Number(value.toFixed(3))).join(",");
  history.replaceState(null, "", address(state));
} };
let waiting = 0;
const storeLater = () => { clearTimeout(waiting); waiting = setTimeout(storePosition, 200); };
for (const kind of ["pointerup", "wheel", "keyup"]) stage.addEventListener(kind, storeLater);

form.addEventListener("input", event => change({ [event.target.name]: event.target.value }));
form.addEventListener("submit", event => event.preventDefault());
viewer.addEventListener("change", event => {
  const { name, value, checked } = event.target;
  if (name === "pane") changePanes(layers => layers.with(paneOf(event.target), value));
  else if (name) change({ [name]: name === "errors" ? (checked ? "1" : "") : value });
});
const paneOf = element => [...panes.children].indexOf(element.closest(".pane"));
const changePanes = edit => change({ panes: edit(state.panes.split(",")).join() });
panes.addEventListener("click", event => {
  if (event.target.tagName === "BUTTON") changePanes(layers => layers.toSpliced(paneOf(event.target), 1));
});
const add = () => changePanes(layers => [...layers, LAYERS.findLast(layer => !layers.includes(layer)) ?? LAYERS.at(-1)]);
const fit = () => { view.fitted = true; place(); storePosition(); };
const swap = () => change({ a: state.b, b: state.a });
const zoomed = factor => { zoom(factor); storePosition(); };
const actions = { back, previous: () => step(-1), next: () => step(1), swap, add, fit, out: () => zoomed(0.5), in: () => zoomed(2),
  one: () => zoomed(1 / view.zoom) };
for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener("click", action);
const keys = { Escape: back, ArrowLeft: () => step(-1), ArrowRight: () => step(1), s: () => change({ mode: "slider" }),
  b: () => change({ mode: "blink" }), d: () => change({ mode: "difference" }), p: () => change({ mode: "panes" }),
  e: () => change({ errors: state.errors ? "" : "1" }),
  x: swap, "+": () => zoomed(2), "=": () => zoomed(2), "-": () => zoomed(0.5), 0: fit, 1: actions.one, " ": flip,
  "[": () => slide(Number(document.getElementById("slide").value) - 5),
  "]": () => slide(Number(document.getElementById("slide").value) + 5) };
addEventListener("keydown", event => {
  if (!state.image || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event, arrows = key.startsWith("Arrow");
  if (target.tagName === "SELECT" && key !== "Escape") return; // selects need letters and arrows
  if (arrows && ["range", "radio"].includes(target.type)) return;
  if (key === " " && ["BUTTON", "INPUT"].includes(target.tagName)) return;
  const action = keys[key.length === 1 ? key.toLowerCase() : key];
  if (action) { event.preventDefault(); action(); }
});
addEventListener("hashchange", read);
read();
