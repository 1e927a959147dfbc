// The one small text that hovers beside the pointer.

interface Tip {
  x: number;
  y: number;
  lines: string[];
}

class Tips {
  shown = $state.raw<Tip | null>(null);

  show(x: number, y: number, lines: string[]): void {
    this.shown = { x, y, lines };
  }

  hide(): void {
    this.shown = null;
  }
}

export const tip = new Tips();
