import type { Metrics } from '#observe/metrics.ts'

/** Metrics that nobody asks for. Those of a process watch its event loop and collector in real time, for ever. */
export const uncounted: Metrics = {
  counter: () => ({ add() {} }),
  histogram: () => ({ observe() {} }),
  gauge() {},
  expose: () => Promise.reject(new Error('not simulated')),
}
