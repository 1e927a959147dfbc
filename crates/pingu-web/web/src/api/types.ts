// Names for what the API's own description calls its parts. schema.d.ts is made of that description by `npm run types`.

import type { components, paths } from "./schema.d.ts";

export type Schema = components["schemas"];
export type TargetItem = Schema["TargetItem"];
export type Overview = Schema["Overview"];
export type { paths };
