import {describe, expect, it} from 'vitest'
import {type Denied, renderBuilderRules} from './nft.ts'

// What the rules do is tried on real builders in test/integration/builder-isolation.test.ts.

const rules = (deny: readonly Denied[] = []) =>
  renderBuilderRules({table: 'hearth_1a2b', interfaces: 'hearth-1a2b-', subnet: '10.213.0.0/16', deny})

describe('renderBuilderRules', () => {
  it('makes the table anew in one transaction, whether or not it was there', () => {
    expect(rules().split('\n').slice(0, 3)).toEqual([
      'table inet hearth_1a2b',
      'delete table inet hearth_1a2b',
      'table inet hearth_1a2b {',
    ])
  })

  it('denies the metadata service, and what else it is told', () => {
    expect(rules()).toContain('ip daddr { 169.254.169.254 } drop')
    const deny = [
      {address: '10.1.0.0/16', port: null},
      {address: '192.0.2.7', port: 7433},
    ]
    expect(rules(deny)).toContain('ip daddr { 169.254.169.254, 10.1.0.0/16 } drop')
    expect(rules(deny)).toContain('ip daddr 192.0.2.7 tcp dport 7433 drop')
  })

  it('needs no rule for an IPv6 address: builders have no IPv6', () => {
    for (const port of [null, 7433]) expect(rules([{address: 'fd00::7', port}])).toBe(rules())
    expect(rules()).toContain('meta nfproto ipv6 drop')
  })
})
