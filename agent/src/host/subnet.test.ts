import {BlockList} from 'node:net'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {linkAt, linksIn, SubnetError} from './subnet.ts'

const subnet = fc
  .tuple(fc.array(fc.nat(255), {minLength: 4, maxLength: 4}), fc.integer({min: 8, max: 30}))
  .map(([bytes, prefix]) => ({text: `${bytes.join('.')}/${prefix}`, address: bytes.join('.'), prefix}))

describe('subnet', () => {
  it('is cut into pieces of four addresses', () => {
    expect(linksIn('10.213.0.0/16')).toBe(16_384)
    expect(linkAt('10.213.0.0/16', 0)).toEqual({index: 0, hostAddress: '10.213.0.1', builderAddress: '10.213.0.2'})
    expect(linkAt('10.213.0.0/16', 65)).toEqual({index: 65, hostAddress: '10.213.1.5', builderAddress: '10.213.1.6'})
    expect(linkAt('10.213.7.9/24', 63)).toMatchObject({hostAddress: '10.213.7.253', builderAddress: '10.213.7.254'})
    expect(linksIn('192.168.0.0/30')).toBe(1)
  })

  it('gives addresses that are in it, and none to two builders', () => {
    fc.assert(
      fc.property(subnet, fc.nat(), fc.nat(), ({text, address, prefix}, a, b) => {
        const within = new BlockList()
        within.addSubnet(address, prefix)
        const [one, other] = [a % linksIn(text), b % linksIn(text)].map((index) => linkAt(text, index))
        for (const link of [one, other])
          for (const each of [link?.hostAddress ?? '', link?.builderAddress ?? ''])
            expect(within.check(each)).toBe(true)
        const addresses = [one, other].flatMap((link) => [link?.hostAddress, link?.builderAddress])
        expect(new Set(addresses).size).toBe(one?.index === other?.index ? 2 : 4)
      }),
    )
  })

  it.each([
    '',
    '10.213.0.0',
    '10.213.0.0/7',
    '10.213.0.0/31',
    '10.256.0.0/16',
    '10.213.0/16',
    'fd00::/64',
    ' 10.213.0.0/16',
  ])('refuses %s', (text) => {
    expect(() => linksIn(text)).toThrow(SubnetError)
    expect(() => linkAt(text, 0)).toThrow(/10\.213\.0\.0\/16/)
  })
})
