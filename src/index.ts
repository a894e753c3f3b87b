/**
 * The parts that run in Node and in a browser. Data, runs and training are in `rotor/data`, `rotor/runs`, `rotor/config`, `rotor/train` and others.
 *
 * @module rotor
 */
export * from "./compile/index.ts";
export * from "./curvature/index.ts";
export * from "./errors.ts";
export * from "./nn/index.ts";
export * from "./numbers/index.ts";
export * from "./optim/index.ts";
export * from "./position/index.ts";
export * from "./quantize/index.ts";
export * from "./scaling/index.ts";
export * from "./spectral/index.ts";
