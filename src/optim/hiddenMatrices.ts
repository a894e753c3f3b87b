import { muonRule } from "./muon.ts";
import type { PartitionRule } from "./partition.ts";

/** As {@link muonRule}, with the group of another optimizer of hidden matrices in the place of Muon's. */
export function hiddenMatrices(name: string): PartitionRule {
  return (path, shape) => {
    const { group, reason } = muonRule(path, shape);
    return { group: group === "muon" ? name : group, reason };
  };
}
