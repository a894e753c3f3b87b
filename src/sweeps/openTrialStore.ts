import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import type { TrialStore } from "./trialStore.ts";

/**
 * Opens the store of sweeps: `<home>/sweeps.sqlite`.
 *
 * @param leaseSeconds - see {@link TrialStore.leaseSeconds}
 */
export async function openTrialStore(home: string, leaseSeconds = 60): Promise<TrialStore> {
  return new SqliteTrialStore(home, leaseSeconds);
}
