// The time of the server, as pages need it: durations are right also where the clock of this device is not.

/** From this difference on the server's clock counts: `Date` has whole seconds, and answers take a while. */
const TOLERANCE = 2500;

class Clock {
  /** Now, on the server's clock, in milliseconds; moves once a second. */
  now = $state(Date.now());
  /** The server's clock less this device's. */
  offset = $state(0);

  constructor() {
    setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", () => this.tick());
  }

  tick(): void {
    if (!document.hidden) this.now = Date.now() + this.offset;
  }

  /** Takes the `Date` of an answer. */
  hear(date: string | null): void {
    const server = date ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(server)) return;
    const offset = server + 500 - Date.now();
    const wanted = Math.abs(offset) > TOLERANCE ? offset : 0;
    if (Math.abs(wanted - this.offset) > TOLERANCE) {
      this.offset = wanted;
      this.tick();
    }
  }
}

export const clock = new Clock();
