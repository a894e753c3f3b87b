import type { TensorRule } from "../tensorRule.ts";

/**
 * Refuses a parameter that PyTorch's Muon orthogonalises as one matrix, and Rotor's as several.
 *
 * @throws what `fail` throws
 */
export function checkMuonMatrix({ paths }: TensorRule, fail: (problem: string) => never): void {
  if (paths.length > 1)
    fail(
      `is one matrix to torch.optim.Muon, and ${paths.join(", ")} here; expected AdamW, for all of the model`,
    );
}
