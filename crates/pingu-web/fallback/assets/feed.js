// Keeps the model fresh by polling the API.
//
// One round at a time; the next begins two seconds after the last ended, or as long after as that one took (at most 10 s), so a
// slow server is not pressed. Failing rounds back off to 30 s. A hidden page asks every 30 s, for the counts in its title.
// Leaves out what people are told of it: app.js reads the public fields after each `changed` call.

const PAUSE = 2_000;
const PAUSE_SLOW = 10_000;
const PAUSE_MAX = 30_000;
const TARGETS_EVERY = 30_000;
const HEALTH_EVERY = 10_000;
const TIMEOUT = 15_000;

export class Feed {
  #model;
  #changed;
  #timer = 0;
  #targetsAt = -Infinity;
  #healthAt = -Infinity;
  #failures = 0;
  #isOutdated = false;
  #isBusy = false;
  /** performance.now() of the newest complete answer, or null before the first. */
  heardAt = null;
  /** performance.now() when the round that is under way began, or null. */
  askedAt = null;
  /** Why the last round failed, or null. */
  error = null;
  health = null;
  version = null;
  /** The version that served this page. */
  firstVersion = null;

  /** `changed` is called after every round, and once the first results are in. */
  constructor(model, changed) {
    this.#model = model;
    this.#changed = changed;
    document.addEventListener("visibilitychange", () => document.hidden || this.poke());
    addEventListener("online", () => this.poke());
    this.poke();
  }

  /** Asks now, unless a round is under way. */
  poke() {
    if (this.askedAt !== null) return;
    clearTimeout(this.#timer);
    this.#round();
  }

  async #round() {
    const began = (this.askedAt = performance.now());
    const wasFailing = this.#failures > 0;
    try {
      await this.#results(began);
      this.heardAt = performance.now();
      this.#failures = 0;
      this.error = null;
    } catch (error) {
      this.#failures += 1;
      this.error = error;
      // Nobody there to vouch for it: what was heard of its health is past.
      if (!error.status) this.health = null;
    }
    this.askedAt = null;
    const took = Math.min(performance.now() - began, PAUSE_SLOW);
    const pause = document.hidden ? PAUSE_MAX : PAUSE * 2 ** Math.max(0, this.#failures - 1);
    this.#timer = setTimeout(() => this.poke(), Math.min(Math.max(pause, took), PAUSE_MAX));
    this.#changed();
    this.#extras(began, wasFailing);
  }

  async #results(began) {
    const due = began - this.#targetsAt >= TARGETS_EVERY;
    const [targets, latest] = await Promise.all([due ? this.#targets() : null, get("/api/v1/results/latest-by-target")]);
    if (targets) this.#model.setTargets(targets);
    this.#model.setClock(latest.body.generated_at ?? latest.date, latest.heard);
    const results = items(latest.body);
    if (this.#model.setResults(results)) this.#isOutdated = !due;
    // A target that the list never names must not make this ask in every round.
    if (this.#isOutdated && began - this.#targetsAt >= 2 * PAUSE) {
      this.#model.setTargets(await this.#targets());
      this.#model.setResults(results);
    }
  }

  async #targets() {
    const { body } = await get("/api/v1/targets?status=all");
    this.#targetsAt = performance.now();
    this.#isOutdated = false;
    return items(body);
  }

  /** Health and version only add to the page: failing to get them fails nothing. */
  async #extras(began, wasFailing) {
    // A server that answered with an error may know why: its database is away.
    const isHealthDue = this.error ? this.error.status : began - this.#healthAt >= HEALTH_EVERY || wasFailing;
    const isVersionDue = !this.error && (!this.version || wasFailing);
    if (this.#isBusy || (!isHealthDue && !isVersionDue)) return;
    this.#isBusy = true;
    const [health, version] = await Promise.allSettled([isHealthDue && get("/health"), isVersionDue && get("/version")]);
    this.#isBusy = false;
    if (isHealthDue) {
      this.#healthAt = performance.now();
      this.health = health.value?.body ?? null;
    }
    this.version = version.value?.body ?? this.version;
    this.firstVersion ??= this.version;
    this.#changed();
  }
}

function items(body) {
  if (Array.isArray(body.items)) return body.items;
  throw Object.assign(new Error("The server answered something that is not Pingu's"), { status: 200 });
}

/** Fetches JSON. What is thrown has a message for people, and a `status` if the server answered at all. */
async function get(path) {
  let response, body, heard;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT), headers: { accept: "application/json" } });
    heard = performance.now();
    body = await response.json();
  } catch (error) {
    if (error.name === "TimeoutError") throw new Error(`No answer within ${TIMEOUT / 1000} s`);
    if (!response) throw new Error("The server cannot be reached");
    if (!(error instanceof SyntaxError)) throw new Error("The answer broke off");
  }
  if (response.ok && body) return { body, heard, date: response.headers.get("date") };
  const text = response.ok ? "something that is not JSON" : `${response.status}${body?.error ? `: ${body.error}` : ""}`;
  throw Object.assign(new Error(`The server answered ${text}`), { status: response.status });
}
