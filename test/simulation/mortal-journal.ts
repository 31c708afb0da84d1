import type {Journal} from '@hearth/agent/store/journal'
import type {Life} from './life.ts'

/** A journal whose writer may die before or after each write; what is written after its death is not. */
export const mortalJournal = (journal: Journal, life: Life): Journal => {
  const write =
    <Args extends readonly unknown[], Result>(name: keyof Journal, act: (...args: Args) => Result, dead: Result) =>
    (...args: Args): Result => {
      if (!life.touch(`journal:${name}`)) return dead
      const result = act(...args)
      life.touch(`journal:${name} done`)
      return result
    }
  return {
    get applied() {
      return journal.applied
    },
    builders: () => journal.builders(),
    desiredCopies: () => journal.desiredCopies(),
    desiredGenerations: () => journal.desiredGenerations(),
    wasFormatted: (copy) => journal.wasFormatted(copy),
    nextLog: () => journal.nextLog(),
    fact: (name) => journal.fact(name),
    apply: write('apply', (desired) => journal.apply(desired), false),
    update: write('update', (builder, change) => journal.update(builder, change), undefined),
    forget: write('forget', (builder) => journal.forget(builder), undefined),
    claimEpoch: write('claimEpoch', (...claim) => journal.claimEpoch(...claim), false),
    noteFormatted: write('noteFormatted', (copy) => journal.noteFormatted(copy), undefined),
    addLog: write('addLog', (log) => journal.addLog(log), undefined),
    removeLog: write('removeLog', (lease) => journal.removeLog(lease), undefined),
    setFact: write('setFact', (name, value) => journal.setFact(name, value), undefined),
    resetApplied: write('resetApplied', () => journal.resetApplied(), undefined),
    close: () => undefined,
  }
}
