// How large an answer is.

import { get } from "node:http";

/** The bytes of an answer as they travel with gzip. */
export const zipped = (url: string): Promise<number> =>
  new Promise((done, failed) => {
    get(url, { headers: { "accept-encoding": "gzip" } }, (answer) => {
      let bytes = 0;
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.on("end", () => done(bytes));
    }).on("error", failed);
  });
