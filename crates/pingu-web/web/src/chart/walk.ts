// Walks along a chart with the keys: arrows go on by one, with Shift they select, Enter zooms to what is selected.

import { isPlain } from "../ui/keys.ts";

interface Path {
  size: () => number;
  at: () => number;
  go: (at: number) => void;
  select: (from: number, to: number) => void;
  unselect: () => void;
  zoom: (from: number, to: number) => void;
}

/** How far a page up or down goes, as a share of the whole. */
const PAGE = 0.1;

export function walk({ size, at, go, select, unselect, zoom }: Path): { key: (event: KeyboardEvent) => void; leave: () => void } {
  let anchor: number | null = null;
  const end = () => {
    anchor = null;
    unselect();
  };
  return {
    leave: end,
    key(event) {
      const last = size() - 1;
      if (last < 0 || !isPlain(event)) return;
      const page = Math.max(1, Math.round(last * PAGE));
      const steps: Record<string, number> = {
        ArrowLeft: at() - 1,
        ArrowDown: at() - 1,
        ArrowRight: at() + 1,
        ArrowUp: at() + 1,
        PageDown: at() - page,
        PageUp: at() + page,
        Home: 0,
        End: last,
      };
      const wanted = steps[event.key];
      if (wanted !== undefined) {
        const to = Math.min(last, Math.max(0, wanted));
        if (event.shiftKey) {
          anchor ??= at();
          select(Math.min(anchor, to), Math.max(anchor, to));
        } else end();
        go(to);
      } else if (event.key === "Enter" && anchor !== null) {
        zoom(Math.min(anchor, at()), Math.max(anchor, at()));
        end();
      } else if (event.key === "Escape" && anchor !== null) end();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
  };
}
