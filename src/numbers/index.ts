export { checkSeed, maxSeed } from "./checkSeed.ts";
export { erf } from "./erf.ts";
export { type KeyWords, normalNumbers } from "./normalNumbers.ts";
export { chiSampler, normalSampler } from "./normalSampler.ts";
export { studentQuantile } from "./studentQuantile.ts";
export { uniformSampler } from "./uniformSampler.ts";
