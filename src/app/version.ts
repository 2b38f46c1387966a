import manifest from "../../deno.json" with { type: "json" };

/** Version of Postern, from deno.json. */
export const VERSION: string = manifest.version;
