import type {GenerationId, HostId} from '@hearth/proto/ids'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {decideHealing, type HealInput} from './decide.ts'

const id = (number: number) => `g-${number}` as GenerationId
const generation = (number: number, more: Partial<HealInput['generations'][number]> = {}) => ({
  id: id(number),
  number,
  hosts: ['h1' as HostId],
  knownGood: true,
  ...more,
})

test('the newest of the older known-good ones that are somewhere takes the place of a bad head', () => {
  const generations = [
    generation(1),
    generation(2),
    generation(3, {hosts: []}),
    generation(4, {setAside: true}),
    generation(5, {knownGood: false}),
    generation(6),
    generation(7),
    generation(8, {setAside: true}),
  ]
  const input = {generations, head: id(7), unusable: [id(7), id(6)]}
  expect(decideHealing(input)).toEqual({bad: [id(6), id(7)], head: id(2)})
  expect(decideHealing({...input, unusable: [id(6)]})).toEqual({bad: [id(6)], head: id(7)})
  expect(decideHealing({...input, unusable: [id(7), id(6), id(2), id(1)]})).toMatchObject({head: null})
  expect(decideHealing({generations: [], head: null, unusable: [id(7)]})).toEqual({bad: [], head: null})
})

test('no bad generation is the head, and a head that is not bad stays', () => {
  const numbers = fc.uniqueArray(fc.nat(12), {minLength: 1})
  const property = fc.property(numbers, fc.infiniteStream(fc.boolean()), fc.array(fc.nat(12)), (all, coin, bad) => {
    const flip = () => coin.next().value as boolean
    const generations = all.map((number) =>
      generation(number, {knownGood: flip(), setAside: flip(), hosts: flip() ? ['h1' as HostId] : []}),
    )
    const head = id(all[0] as number)
    const unusable = bad.map(id)
    const healed = decideHealing({head, generations, unusable})
    if (!unusable.includes(head)) expect(healed.head).toBe(head)
    else if (healed.head !== null) {
      expect(unusable).not.toContain(healed.head)
      const to = generations.find((each) => each.id === healed.head)
      expect(to).toMatchObject({knownGood: true, setAside: false, hosts: ['h1']})
      expect(to?.number).toBeLessThan(all[0] as number)
    }
    for (const each of healed.bad) expect(unusable).toContain(each)
  })
  fc.assert(property)
})
