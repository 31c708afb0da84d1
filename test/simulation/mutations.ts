/** A guard that is taken out of the cores. `promise`: what is then broken. */
export type Mutation = {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
}

export const mutations: readonly Mutation[] = [
  {
    name: 'epoch-test',
    file: 'agent/src/builder/executor.ts',
    from: 'if (!journal.claimEpoch(',
    to: 'if (false && !journal.claimEpoch(',
  },
]
