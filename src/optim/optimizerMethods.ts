import { adabeliefMethod } from "./adabelief.ts";
import { adamMethod } from "./adam.ts";
import { adamuonMethod } from "./adamuon.ts";
import { adamwMethod } from "./adamw.ts";
import { adoptMethod } from "./adopt.ts";
import { dionMethod } from "./dion.ts";
import { lionMethod } from "./lion.ts";
import { muonMethod } from "./muon.ts";
import { muonclipMethod } from "./muonClip.ts";
import { normuonMethod } from "./normuon.ts";
import type { OptimizerMethod } from "./optimizerMethod.ts";
import { pbsgdMethod } from "./pbsgd.ts";
import { rmspropMethod } from "./rmsprop.ts";
import { scheduleFreeAdamwMethod } from "./scheduleFreeAdamw.ts";
import { sgdMethod } from "./sgd.ts";
import { shampooMethod } from "./shampoo.ts";
import { signumMethod } from "./signum.ts";
import { soapMethod } from "./soap.ts";
import { tigerMethod } from "./tiger.ts";

/** The optimizers that a configuration may choose by `kind`. */
export const optimizerMethods = {
  sgd: sgdMethod,
  signum: signumMethod,
  rmsprop: rmspropMethod,
  adam: adamMethod,
  adamw: adamwMethod,
  adabelief: adabeliefMethod,
  lion: lionMethod,
  tiger: tigerMethod,
  pbsgd: pbsgdMethod,
  muon: muonMethod,
  shampoo: shampooMethod,
  adopt: adoptMethod,
  soap: soapMethod,
  "schedule-free-adamw": scheduleFreeAdamwMethod,
  normuon: normuonMethod,
  adamuon: adamuonMethod,
  dion: dionMethod,
  muonclip: muonclipMethod,
} as const satisfies Record<string, OptimizerMethod>;

/** Name of an optimizer. */
export type OptimizerName = keyof typeof optimizerMethods;

/** Options of an optimizer, as a configuration has them. */
export type OptimizerTable<Name extends OptimizerName> = (typeof optimizerMethods)[Name]["options"];
