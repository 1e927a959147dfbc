// The zone of what is asked for by the calendar.

import { Failure } from "../../api/client.ts";
import type { paths } from "../../api/types.ts";
import { type Zone, zoneName } from "../../model/time.ts";

/** The zones that the API knows. */
type Tz = NonNullable<NonNullable<paths["/api/v1/targets/{id}/uptime"]["get"]["parameters"]["query"]>["tz"]>;

/** Asks by the calendar of a zone, or by that of UTC where the server does not know it: browsers may be newer. */
export async function inZone<T>(zone: Zone, question: (tz: Tz) => Promise<T>): Promise<T> {
  try {
    return await question(zoneName(zone) as Tz);
  } catch (failure) {
    if (failure instanceof Failure && failure.code === "invalid_tz") return question("UTC");
    throw failure;
  }
}
