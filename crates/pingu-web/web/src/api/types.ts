// Names for what the API's own description calls its parts. schema.d.ts is made of that description by `npm run types`.

import type { components, paths } from "./schema.d.ts";

export type Schema = components["schemas"];
export type TargetItem = Schema["TargetItem"] & { s?: string; q?: string; median_us?: number | null; ts?: string | null; slow?: boolean; lossy?: boolean; reason?: string | null; error?: string | null; uptime_24h?: number | null; cert_days?: number | null };
export type Overview = Schema["Overview"];
export type { paths };
