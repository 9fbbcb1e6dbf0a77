// Several layers side by side, which move and zoom together. Each pane has a choice of its own.
const panes = document.getElementById("panes");
const MOST_PANES = 12;

function makePane(layers, names) {
  const pane = document.createElement("div"), pan = document.createElement("div"), name = document.createElement("label");
  const select = document.createElement("select"), close = document.createElement("button");
  pane.className = "side pane";
  pan.className = "pan";
  name.className = "name";
  select.name = "pane";
  for (const layer of layers) select.append(new Option(names(layer), layer));
  Object.assign(close, { type: "button", textContent: "×" });
  name.append(select, document.createElement("output"), close);
  pane.append(pan, name);
  return pane;
}

// As many panes as layers. Panes stay, so that a choice keeps the keyboard's focus.
function countPanes(count, layers, names) {
  while (panes.children.length > count) panes.lastElementChild.remove();
  while (panes.children.length < count) panes.append(makePane(layers, names));
  for (const [k, pane] of [...panes.children].entries()) {
    pane.querySelector("select").setAttribute("aria-label", `Pane ${k + 1}`);
    const close = pane.querySelector("button");
    close.setAttribute("aria-label", `Remove pane ${k + 1}`);
    close.hidden = count < 2;
  }
}

// The number of columns in which the pictures are largest.
function arrangePanes() {
  const count = panes.children.length, { clientWidth, clientHeight } = stage;
  const size = columns => Math.min(clientWidth / columns / view.width, clientHeight / Math.ceil(count / columns) / view.height);
  const columns = [...panes.children].map((_, k) => k + 1).reduce((best, next) => size(next) > size(best) ? next : best, 1);
  panes.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
}
