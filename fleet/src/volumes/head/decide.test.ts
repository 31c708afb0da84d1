import type {GenerationId, HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {chooseHead, type HeadInput} from './decide.ts'

const mostly = (usual: boolean) =>
  fc.oneof({weight: 4, arbitrary: fc.constant(usual)}, {weight: 1, arbitrary: fc.constant(!usual)})
const input: fc.Arbitrary<HeadInput> = fc
  .array(
    fc.record({
      hosts: fc.constantFrom<HostId[][]>(['h1' as HostId], ['h1' as HostId], []),
      knownGood: mostly(true),
      setAside: mostly(false),
    }),
    {maxLength: 5},
  )
  .chain((drawn) => {
    const generations = drawn.map((each, index) => ({...each, id: `g${index}` as GenerationId, number: index + 1}))
    return fc.record({
      generations: fc.constant(generations),
      head: fc.constantFrom(null, ...generations.map(({id}) => id)),
      to: fc.constantFrom(null, 1, 2, 3, 9),
    })
  })

test('the head becomes a known-good generation that some host holds, the one that was asked for, or else the last before it', () => {
  const codes = new Set<string>()
  fc.assert(
    fc.property(input, (given) => {
      const choice = chooseHead(given)
      codes.add('code' in choice ? choice.code : 'generation')
      const head = given.generations.find(({id}) => id === given.head)
      const good = given.generations.filter(({knownGood, hosts}) => knownGood && hosts.length > 0)
      if ('code' in choice) {
        expect(choice.why).not.toBe('')
        if (head && given.to !== null) expect(good.map(({number}) => number)).not.toContain(given.to)
        return
      }
      const chosen = good.find(({id}) => id === choice.generation)
      expect(chosen).toBeDefined()
      const older = good.filter(({number, setAside}) => number < (head?.number ?? 0) && !setAside)
      if (given.to !== null) expect(chosen?.number).toBe(given.to)
      else expect(chosen).toBe(older.at(-1))
    }),
    {numRuns: 1000},
  )
  expect([...codes].sort()).toEqual(['empty', 'generation', 'no-generation', 'no-host', 'not-known-good'])
})
