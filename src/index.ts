/** The parts that run in Node and in a browser. Data, runs and the training loop are in `rotor/data`, `rotor/runs`, `rotor/train`. */
export * from "./compile/index.ts";
export * from "./curvature/index.ts";
export * from "./errors.ts";
export * from "./nn/index.ts";
export * from "./optim/index.ts";
export * from "./position/index.ts";
export * from "./quantize/index.ts";
export * from "./scaling/index.ts";
export * from "./spectral/index.ts";
