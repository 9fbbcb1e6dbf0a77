"use strict";

// Scores: one tab stop per table; arrow keys move, and the line below shows the cell at full precision.
for (const table of document.querySelectorAll(".scores")) {
  const detail = table.parentElement.nextElementSibling;
  const rows = [...table.querySelectorAll("tbody tr")].map(row => [...row.querySelectorAll("td")]);
  const show = event => {
    const cell = event.target.closest("td");
    if (cell) detail.textContent = cell.title || "\u00a0";
  };
  rows.flat().forEach(cell => { cell.tabIndex = -1; });
  rows[0][0].tabIndex = 0;
  table.addEventListener("mouseover", show);
  table.addEventListener("focusin", show);
  table.addEventListener("keydown", event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const y = rows.findIndex(row => row.includes(event.target));
    if (!step || y < 0) return;
    event.preventDefault();
    const next = rows[y + step[0]]?.[rows[y].indexOf(event.target) + step[1]];
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

// Curves: one subset at a time.
for (const input of document.querySelectorAll("input[name=split]")) {
  input.addEventListener("change", () => {
    for (const plots of document.querySelectorAll(".plots")) plots.hidden = plots.dataset.split !== input.value;
  });
}

// Cases: a picture opens large.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    dialog.querySelector("img").src = image.src;
    dialog.querySelector("img").alt = dialog.querySelector("p").textContent = image.alt;
    dialog.showModal();
  });
}
dialog?.querySelector("button").addEventListener("click", () => dialog.close());

// Images: filter, sort, and show a page at a time.
const data = document.getElementById("image-scores");
if (data) imageList(JSON.parse(data.textContent));

function imageList({ methods, metrics, images, values }) {
  const section = document.getElementById("images");
  const form = section.querySelector("form").elements;
  const [head, body] = [section.querySelector("thead"), section.querySelector("tbody")];
  const more = section.querySelector(".more button");
  const page = 25;
  let column = 2, ascending = true, shown = page;

  for (const metric of metrics) form.metric.append(new Option(metric.symbol, metric.key));
  for (const split of new Set(images.map(image => image[0]))) form.split.append(new Option(split, split));

  const titles = ["Subset", "Image", ...methods];
  const row = document.createElement("tr");
  titles.forEach((title, index) => {
    const [cell, button] = [document.createElement("th"), document.createElement("button")];
    cell.scope = "col";
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => {
      ascending = column === index ? !ascending : true;
      column = index;
      draw();
    });
    cell.append(button);
    row.append(cell);
  });
  head.append(row);

  const value = (image, index) => index < 2 ? images[image][index] : values[form.metric.value][index - 2][image];
  const order = (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    if (x === null || y === null) return (x === null) - (y === null); // missing scores stay last
    return (x < y ? -1 : x > y ? 1 : a - b) * (ascending ? 1 : -1);
  };

  function draw() {
    const wanted = form.name.value.toLowerCase();
    const found = images.map((_, image) => image).filter(image =>
      (!form.split.value || images[image][0] === form.split.value) && images[image][1].toLowerCase().includes(wanted));
    found.sort(order);
    [...row.children].forEach((cell, index) => {
      if (index === column) cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    body.replaceChildren(...found.slice(0, shown).map(image => {
      const line = document.createElement("tr");
      titles.forEach((_, index) => {
        const cell = line.insertCell(), content = value(image, index);
        cell.textContent = content === null ? "–" : index < 2 ? content : content.toFixed(3);
        if (index === 1) cell.title = content;
      });
      return line;
    }));
    section.querySelector("[role=status]").textContent = `${Math.min(shown, found.length)} of ${found.length} images`;
    more.hidden = shown >= found.length;
  }

  more.addEventListener("click", () => { shown += 4 * page; draw(); });
  section.querySelector("form").addEventListener("input", () => { shown = page; draw(); });
  section.querySelector("form").addEventListener("submit", event => event.preventDefault());
  draw();
}
