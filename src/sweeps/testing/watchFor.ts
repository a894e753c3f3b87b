import type { TrialStore } from "../trialStore.ts";

/** Looks at a store as often as a waiting worker does, for some seconds of its clock. */
export async function watchFor(
  store: TrialStore,
  clock: { seconds: number },
  seconds: number,
  meanwhile = async () => {},
): Promise<void> {
  const step = store.leaseSeconds / 10;
  for (let passed = 0; passed < seconds; passed += step) {
    await store.look();
    clock.seconds += step;
    await meanwhile();
  }
  await store.look();
}
