import { layoutPositions } from "../layout.ts";
import type { LayoutProperty } from "../properties.ts";
import { layerKinds, modelAllocation } from "./index.ts";

/**
 * *Rotation at all*: both components of every pair turn by one angle. Where they don't, heads are stretched and sheared, and a score depends on more
 * than the difference of positions.
 *
 * @param name - row of `positionModels`, whose layout the property is asked of
 *
 * @example
 * ```ts
 * const property = rotationProperty("qwen3_vl");
 * (await checkProperty(modelLayout("qwen3_vl"), property)).verdict; // => "held"
 * ```
 */
export function rotationProperty(name: string): LayoutProperty {
  const kinds = layerKinds(name).flatMap((layerKind) => modelAllocation(name, { layerKind }) ?? []);
  return {
    says: "both components of a pair turn by one angle",
    appliesTo: () => true,
    check(layout, document) {
      const { values, numAxes } = layoutPositions(layout, document);
      const angle = (token: number, axis: number | null, theta: number) =>
        axis === null ? 0 : values[token * numAxes + axis]! * theta;
      for (const { second, frequencies, axisOfFrequency } of kinds) {
        if (second === undefined) continue;
        for (let token = 0; token < values.length / numAxes; token++) {
          for (let j = 0; j < frequencies.length; j++) {
            const first = angle(token, axisOfFrequency[0]![j]!, frequencies[j]!);
            const other = angle(token, second.axisOfFrequency[0]![j]!, second.frequencies[j]!);
            if (Math.abs(first - other) > 1e-9 * Math.max(1, Math.abs(first))) {
              const radians = (value: number) => +value.toPrecision(4);
              return {
                token,
                message: `the components of pair ${j} of token ${token} turn by ${radians(first)} and ${radians(other)}`,
              };
            }
          }
        }
      }
      return null;
    },
  };
}
