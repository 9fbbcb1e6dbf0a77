// The stage: layers on top of each other or in panes, which move and zoom together. Zoom is in device pixels per image
// pixel.
const stage = document.getElementById("stage");
const view = { x: 0, y: 0, zoom: 1, width: 1, height: 1, fitted: true }; // x, y: the image point in the middle
const MOST = 32;

function image(src) {
  const element = document.createElement("img");
  element.src = src;
  element.alt = "";
  element.draggable = false;
  return element;
}

// Two maps in the colours of errors: foreground only in the first, only in the second, in both.
function tinted(first, second) {
  const layer = (kind, ...sources) => {
    const group = document.createElement("div");
    group.className = `tint ${kind}`;
    group.append(...sources.map(image), document.createElement("div"));
    return group;
  };
  return [layer("first", first, second, second), layer("second", second, first, first), layer("both", first, second)];
}

function fill(side, layers, width, height) {
  const pan = side.querySelector(".pan");
  pan.replaceChildren(...layers);
  pan.style.width = `${width}px`;
  pan.style.height = `${height}px`;
}

const scale = () => view.zoom / devicePixelRatio;

// What has the size of the layers: the whole stage, or a pane.
const frame = () => stage.dataset.mode === "panes" ? panes.firstElementChild : stage;

// Where a pointer is in its frame.
function locate(event) {
  const pane = document.elementsFromPoint(event.clientX, event.clientY).find(element => element.classList.contains("pane"));
  const box = (pane ?? frame()).getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function place() {
  if (stage.dataset.mode === "panes") arrangePanes();
  const { clientWidth, clientHeight } = frame();
  if (view.fitted) {
    Object.assign(view, { x: view.width / 2, y: view.height / 2 });
    view.zoom = devicePixelRatio * Math.min(clientWidth / view.width, clientHeight / view.height);
  }
  const left = clientWidth / 2 - view.x * scale(), top = clientHeight / 2 - view.y * scale();
  for (const pan of stage.querySelectorAll(".pan")) {
    pan.style.transform = `translate(${left}px, ${top}px) scale(${scale()})`;
    pan.classList.toggle("native", view.zoom >= 1);
  }
  const shown = view.zoom * 100;
  document.querySelector(".bar").classList.toggle("fitted", view.fitted);
  document.querySelector(".zoom output").textContent = `${shown < 10 ? shown.toFixed(1) : Math.round(shown)} %`;
}

// Zoom around (x, y) of the frame, whose image point stays in place. Default: its middle.
function zoom(factor, x = frame().clientWidth / 2, y = frame().clientHeight / 2) {
  const [right, down] = [x - frame().clientWidth / 2, y - frame().clientHeight / 2];
  const [px, py] = [view.x + right / scale(), view.y + down / scale()];
  view.zoom = Math.min(MOST, Math.max(0.01, view.zoom * factor));
  view.fitted = false;
  look(px - right / scale(), py - down / scale());
}

function look(x, y) {
  view.x = Math.min(view.width, Math.max(0, x));
  view.y = Math.min(view.height, Math.max(0, y));
  view.fitted = false;
  place();
}

function slide(percent) {
  const at = Math.min(100, Math.max(0, percent));
  stage.style.setProperty("--at", `${at}%`);
  document.getElementById("slide").value = at;
}

// One pointer moves the image or the edge, two pointers zoom.
const pointers = new Map();
let onEdge = false;
stage.addEventListener("pointerdown", event => {
  if (event.target.closest(".name")) return; // its own controls
  pointers.set(event.pointerId, event);
  onEdge = event.target.className === "edge";
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener("pointermove", event => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const other = [...pointers.values()].find(pointer => pointer.pointerId !== event.pointerId);
  pointers.set(event.pointerId, event);
  if (onEdge) slide(100 * locate(event)[0] / stage.clientWidth);
  else if (other) {
    const apart = pointer => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    zoom(apart(event) / Math.max(1, apart(before)), ...locate(middle));
  } else look(view.x - (event.clientX - before.clientX) / scale(), view.y - (event.clientY - before.clientY) / scale());
});
for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, event => { pointers.delete(event.pointerId); onEdge = false; });
}
stage.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), ...locate(event));
}, { passive: false });
document.getElementById("slide").addEventListener("input", event => slide(Number(event.target.value)));
new ResizeObserver(() => { if (!document.getElementById("viewer").hidden) place(); }).observe(stage);
slide(50);
