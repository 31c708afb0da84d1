import {describe, expect, it} from 'vitest'
import {renderBuilderRules} from './nft.ts'

// What the rules do is tried on real builders in test/integration/builder-isolation.test.ts.

const rules = (deny: readonly string[] = []) =>
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
    expect(rules(['10.1.0.0/16', '192.0.2.7'])).toContain('ip daddr { 169.254.169.254, 10.1.0.0/16, 192.0.2.7 } drop')
  })

  it('needs no rule for an IPv6 address: builders have no IPv6', () => {
    expect(rules(['fd00::7'])).toBe(rules())
    expect(rules()).toContain('meta nfproto ipv6 drop')
  })
})
