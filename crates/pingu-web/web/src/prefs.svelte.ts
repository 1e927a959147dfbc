// What people chose for this browser: light or dark, local time or UTC. Follows the system until told otherwise.

import type { Zone } from "./model/time.ts";

const system = matchMedia("(prefers-color-scheme: dark)");
const BACKGROUND = { light: "#f4f6fa", dark: "#0b1017" };
type Theme = keyof typeof BACKGROUND;

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden: the choice then lasts as long as the page
  }
}

function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // as above
  }
}

class Prefs {
  #system = $state<Theme>(system.matches ? "dark" : "light");
  #chosen = $state<Theme | null>(null);
  zone = $state<Zone>(stored("zone") === "utc" ? "utc" : "local");

  constructor() {
    const chosen = stored("theme");
    if (chosen === "light" || chosen === "dark") this.#chosen = chosen;
    system.addEventListener("change", () => {
      this.#system = system.matches ? "dark" : "light";
    });
    this.#apply();
  }

  get theme(): Theme {
    return this.#chosen ?? this.#system;
  }

  /** From light to dark or back; whoever chooses what the system says follows it again. */
  flipTheme(): void {
    const wanted = this.theme === "dark" ? "light" : "dark";
    this.#chosen = wanted === this.#system ? null : wanted;
    store("theme", this.#chosen);
    this.#apply();
  }

  flipZone(): void {
    this.zone = this.zone === "utc" ? "local" : "utc";
    store("zone", this.zone === "utc" ? "utc" : null);
  }

  #apply(): void {
    const root = document.documentElement;
    if (this.#chosen === null) delete root.dataset.theme;
    else root.dataset.theme = this.#chosen;
    for (const meta of document.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]")) {
      const own: Theme = meta.media.includes("dark") ? "dark" : "light";
      meta.content = BACKGROUND[this.#chosen ?? own];
    }
  }
}

export const prefs = new Prefs();

/** The value of a colour token in the present theme, for canvases. Read it where `prefs.theme` is a dependency. */
export function token(name: string): string {
  void prefs.theme;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
