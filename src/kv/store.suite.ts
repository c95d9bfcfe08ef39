import { afterEach, describe } from 'node:test'
import { entryTests, rangeTests } from './store-entries.suite.ts'
import type { FreshStore, StoreFixture } from './store-fixture.suite.ts'
import { modelTests } from './store-model.suite.ts'
import { closingTests, pagingTests } from './store-paging.suite.ts'
import { snapshotTests } from './store-snapshots.suite.ts'
import { commitTests, overlayTests, transactionTests } from './store-transactions.suite.ts'

/** Holds an adapter to every promise of `KeyValueStore`. */
export function storeSuite(name: string, open: () => Promise<StoreFixture>): void {
  describe(`the ${name} key-value store`, () => {
    const fixtures: StoreFixture[] = []
    const fresh: FreshStore = async () => {
      const fixture = await open()
      fixtures.push(fixture)
      return fixture
    }
    afterEach(async () => {
      for (const fixture of fixtures.splice(0)) await fixture.dispose()
    })
    entryTests(fresh)
    rangeTests(fresh)
    transactionTests(fresh)
    overlayTests(fresh)
    commitTests(fresh)
    snapshotTests(fresh)
    pagingTests(fresh)
    closingTests(fresh)
    modelTests(fresh)
  })
}
