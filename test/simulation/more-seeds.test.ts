import { test } from 'node:test'
import { runSeeds } from './some-seeds.suite.ts'

test('a cluster under faults keeps its promises (seeds 101 to 200)', () => runSeeds({ from: 101, to: 200 }))
