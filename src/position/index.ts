export {
  applyRotary,
  type RotaryOptions,
  type RotaryPairing,
  type RotaryTables,
  rotaryFrequencies,
  rotaryTables,
  rotaryTablesRef,
} from "./rotary.ts";
