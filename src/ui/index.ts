/**
 * The server of the page `rotor ui`. Node only; the page itself lies in `ui/` beside `src`.
 *
 * @module
 */
export { type ComparedUnits, compareUnits } from "./compareUnits.ts";
export { isLoopback as isLoopbackHost } from "./guard.ts";
export type { LaunchMeasurement, MeasureQuestion } from "./measureJob.ts";
export { pageFolder } from "./pageFiles.ts";
export { clockOf, eventsOf, sweepOfTrial } from "./runView.ts";
export { defaultUiPort, type RunningUi, startUi, type UiOptions } from "./server.ts";
