// What is wrong with the targets file, if the last reading of it was refused.

import { ask, client } from "../api/client.ts";
import type { Schema } from "../api/types.ts";
import { stream } from "./stream.svelte.ts";

type Problems = NonNullable<Schema["About"]["targets_file"]>["problems"];

class Trouble {
  problems = $state.raw<Problems>([]);

  constructor() {
    stream.on("targets", () => void this.look());
    $effect.root(() => {
      $effect(() => {
        if (stream.turn > 0) void this.look();
      });
    });
  }

  async look(): Promise<void> {
    try {
      const about = await ask((signal) => client.GET("/api/v1/about", { signal }));
      this.problems = about.targets_file?.problems ?? [];
    } catch {
      // the pages tell that Pingu is away
    }
  }
}

export const trouble = new Trouble();
