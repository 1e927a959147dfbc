// Where the page is: its path and its query, which hold the whole state of what is shown.

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));
  /** Grows with each step to another path, not with a change of the query. */
  step = $state(0);
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    history.scrollRestoration = "manual";
    addEventListener("popstate", (event) => {
      this.#read();
      const top = (event.state as { top?: number } | null)?.top ?? 0;
      requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, top)));
    });
    document.addEventListener("click", (event) => this.#click(event));
  }

  /** To another address of this page. */
  go(address: string): void {
    this.#flush();
    history.replaceState({ top: scrollY }, "");
    history.pushState(null, "", address);
    this.#read();
    scrollTo(0, 0);
  }

  /** Changes parts of the query; null and "" take one away. A new step of the history where `step`, for what people want to go back from. */
  set(changes: Record<string, string | string[] | null>, step = false): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      query.delete(name);
      for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
    }
    if (query.toString() === this.query.toString()) return;
    this.query = query;
    if (step) {
      this.#flush();
      // whoever goes back is where they were
      history.replaceState({ top: scrollY }, "");
      history.pushState(null, "", this.address);
    } else {
      // browsers throttle replaceState: while somebody types, the last state is what counts
      clearTimeout(this.#later);
      this.#later = setTimeout(() => this.#flush(), 250);
    }
  }

  get address(): string {
    // commas and colons are as right in a query as %2C, and people read it
    const query = this.query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
    return query ? `${this.path}?${query}` : this.path;
  }

  #flush(): void {
    if (this.#later === undefined) return;
    clearTimeout(this.#later);
    this.#later = undefined;
    history.replaceState(history.state, "", this.address);
  }

  #read(): void {
    if (this.path !== location.pathname) {
      this.path = location.pathname;
      this.step += 1;
    }
    this.query = new URLSearchParams(location.search);
  }

  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
    if (/^\/(docs|openapi\.json|metrics|api\/)/.test(link.pathname)) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();

/** The address of a target's page. */
export const targetPage = (id: string): string => `/t/${encodeURIComponent(id)}`;
