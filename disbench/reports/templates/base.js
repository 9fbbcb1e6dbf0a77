"use strict";

// Dark or light: as the system says, until the reader chooses.
const root = document.documentElement;
const storedTheme = {
  get: () => { try { return localStorage.getItem("disbench-theme"); } catch { return null; } },
  set: value => { try { localStorage.setItem("disbench-theme", value); } catch { /* storage may be disabled */ } },
};
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = document.createElement("button");
theme.id = "theme";
theme.type = "button";
function paint() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  theme.textContent = dark ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
  return dark;
}
if (["light", "dark"].includes(storedTheme.get())) root.dataset.theme = storedTheme.get();
paint();
theme.addEventListener("click", () => {
  root.dataset.theme = paint() ? "light" : "dark";
  storedTheme.set(root.dataset.theme);
  paint();
});
system.addEventListener("change", paint);
document.body.prepend(theme);

// A click opens a picture large.
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
