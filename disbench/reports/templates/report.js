// Controls that need the script are hidden without it.
for (const control of document.querySelectorAll("form[hidden], fieldset[hidden]")) control.hidden = false;

// Scores: one tab stop per table. Arrow keys move, and the line below shows the cell at full precision.
for (const table of document.querySelectorAll(".scores, .standings")) {
  const detail = table.parentElement.nextElementSibling;
  const cells = () => [...table.tBodies].flatMap(body => [...body.rows]).filter(row => !row.hidden)
    .map(row => [...row.querySelectorAll("td")].filter(cell => !cell.hidden));
  const show = event => {
    const cell = event.target.closest("td, th[title]");
    if (cell) detail.textContent = cell.title || "\u00a0";
  };
  for (const cell of table.querySelectorAll("tbody td")) cell.tabIndex = -1;
  table.querySelector("tbody td").tabIndex = 0;
  table.addEventListener("mouseover", show);
  table.addEventListener("focusin", show);
  table.addEventListener("keydown", event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const rows = cells(), y = rows.findIndex(row => row.includes(event.target));
    if (!step || y < 0) return;
    event.preventDefault();
    const next = rows[y + step[0]]?.[rows[y].indexOf(event.target) + step[1]];
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

// Headings that sort. `starts` returns whether the first click sorts in ascending order. Calls sort(index, ascending).
function sortable(row, starts, sort) {
  [...row.cells].forEach((cell, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const now = cell.getAttribute("aria-sort");
      const ascending = now ? now !== "ascending" : starts(cell, index);
      for (const other of row.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(index, ascending);
    });
  });
}
function compare(x, y, ascending) {
  if (x === null || y === null) return (x === null) - (y === null); // missing scores stay last
  const order = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
  return ascending ? order : -order;
}

const standings = document.querySelector(".standings");
{
  const body = standings.tBodies[0], form = document.querySelector("#scores form");
  const number = cell => cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  sortable(standings.tHead.rows[0], cell => "text" in cell.dataset || cell.dataset.better === "lower", (index, ascending) => {
    const text = index < 2;
    const value = row => text ? row.cells[index].textContent : number(row.cells[index]);
    body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b), ascending)));
  });
  const filter = () => {
    const values = new FormData(form), wanted = values.get("method").toLowerCase(), measures = values.getAll("measure");
    for (const row of body.rows) {
      row.hidden = (values.get("subset") && row.dataset.split !== values.get("subset"))
        || !row.dataset.method.toLowerCase().includes(wanted);
    }
    for (const cell of standings.querySelectorAll("[data-subset]")) cell.hidden = Boolean(values.get("subset"));
    for (const cell of standings.querySelectorAll("[data-metric]")) cell.hidden = !measures.includes(cell.dataset.metric);
    const stop = standings.querySelector("td[tabindex='0']");
    if (!stop || stop.hidden || stop.parentElement.hidden) {
      if (stop) stop.tabIndex = -1;
      const first = [...body.rows].find(row => !row.hidden)?.querySelector("td:not([hidden])");
      if (first) first.tabIndex = 0;
    }
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  filter();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

// Plots: one subset or measure at a time. A click in a legend hides the method in every plot.
for (const input of document.querySelectorAll("[data-shows]")) {
  const kind = input.dataset.shows;
  const show = () => {
    for (const part of document.querySelectorAll(`[data-${kind}]`)) part.hidden = part.dataset[kind] !== input.value;
  };
  input.addEventListener("change", show);
  if (input.checked) show();
}
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true", method = button.dataset.toggle;
    for (const same of document.querySelectorAll(`[data-toggle="${method}"]`)) same.setAttribute("aria-pressed", shown);
    for (const mark of document.querySelectorAll(`[data-m="${method}"]`)) mark.toggleAttribute("hidden", !shown);
  });
}

// Images: filter, sort, and show a page at a time.
const data = document.getElementById("image-scores");
if (data) imageList(JSON.parse(data.textContent));

function imageList({ methods, metrics, images, values }) {
  const section = document.getElementById("images");
  const form = section.querySelector("form").elements;
  const [head, body] = [section.querySelector("thead"), section.querySelector("tbody")];
  const more = section.querySelector(".more button");
  const page = 25;

  for (const metric of metrics) form.metric.append(new Option(metric.symbol, metric.key));
  for (const split of new Set(images.map(image => image[0]))) form.split.append(new Option(split, split));

  const titles = ["Subset", "Image", ...methods];
  let column = methods.length + 1, ascending, shown = page;
  const row = document.createElement("tr");
  for (const title of titles) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    row.append(cell);
  }
  head.append(row);
  const higher = () => metrics.find(metric => metric.key === form.metric.value).higher; // is better
  sortable(row, (_, index) => index < 2 || higher(), (index, up) => { column = index; ascending = up; draw(); });

  function startWithWorst() { // of the chosen method
    if (column < 2) return;
    ascending = higher();
    row.cells[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }

  const value = (image, index) => index < 2 ? images[image][index] : values[form.metric.value][index - 2][image];

  function draw() {
    const wanted = form.name.value.toLowerCase();
    const matches = images.map((_, image) => image).filter(image =>
      (!form.split.value || images[image][0] === form.split.value) && images[image][1].toLowerCase().includes(wanted));
    matches.sort((a, b) => compare(value(a, column), value(b, column), ascending) || a - b);
    body.replaceChildren(...matches.slice(0, shown).map(image => {
      const line = document.createElement("tr");
      titles.forEach((_, index) => {
        const cell = line.insertCell(), content = value(image, index);
        const text = document.createElement("bdi");
        text.textContent = content === null ? "–" : index < 2 ? content : content.toFixed(3);
        cell.append(text);
        if (index === 1) cell.title = content;
      });
      return line;
    }));
    section.querySelector("[role=status]").textContent = `${Math.min(shown, matches.length)} of ${matches.length} images`;
    more.hidden = shown >= matches.length;
  }

  more.addEventListener("click", () => { shown += 4 * page; draw(); });
  section.querySelector("form").addEventListener("input", event => {
    if (event.target === form.metric) startWithWorst();
    shown = page;
    draw();
  });
  section.querySelector("form").addEventListener("submit", event => event.preventDefault());
  startWithWorst();
  draw();
}
