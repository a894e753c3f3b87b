export { type DeviceTraits, deviceTraits } from "./deviceTraits.ts";
export { fuseAlike } from "./fuseAlike.ts";
export { hostNodes } from "./hostNodes.ts";
export { returnedByKernels } from "./returnedByKernels.ts";
export { substituteOperators } from "./substitute.ts";
