// Light or dark: follows the system until told otherwise, and again once told what the system says anyway.

const dark = matchMedia("(prefers-color-scheme: dark)");
const BACKGROUND = { light: "#f4f6fa", dark: "#0b1017" };

/** From light to dark or back. */
export function flip() {
  const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  choose(now === "dark" ? "light" : "dark");
}

function choose(name) {
  const isSystem = name === (dark.matches ? "dark" : "light");
  if (isSystem) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    const own = meta.media.includes("dark") ? "dark" : "light";
    meta.content = BACKGROUND[isSystem ? own : name];
  }
  try {
    if (isSystem) localStorage.removeItem("theme");
    else localStorage.setItem("theme", name);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

try {
  const stored = localStorage.getItem("theme");
  if (Object.hasOwn(BACKGROUND, stored)) choose(stored);
} catch {
  // As above.
}
