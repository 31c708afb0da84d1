import {expect, it} from 'vitest'
import {addHostText} from './add-host.ts'
import {ownAddress, urlHere, urlOf} from './api/real-names.ts'

const restart = (listen: string) => `hearth-fleet --listen ${listen}`

it('tells how a fleet on loopback gets to be reached', () => {
  for (const url of ['http://127.0.0.1:7433', 'http://localhost:7433', 'http://[::1]:7433'])
    expect(addHostText({url, restart}).join('\n')).toMatch(
      /loopback only.*\n {2}hearth-fleet --listen 0\.0\.0\.0:7433$/,
    )
})

it('names where others reach it', () => {
  expect(addHostText({url: 'https://10.0.0.5:7433', restart})).toContain(
    '  hearth-agent --fleet https://10.0.0.5:7433 --join TOKEN',
  )
})

it('is reached by others and from here at different URLs', () => {
  expect([urlOf('127.0.0.1', 1, []), urlHere('127.0.0.1', 1)]).toEqual(['http://127.0.0.1:1', 'http://127.0.0.1:1'])
  expect([urlOf('10.0.0.5', 1, ['f.example']), urlHere('10.0.0.5', 1)]).toEqual([
    'https://f.example:1',
    'https://10.0.0.5:1',
  ])
  expect([urlOf('::1', 1, ['f.example']), urlHere('::1', 1)]).toEqual(['https://f.example:1', 'http://[::1]:1'])
  expect(urlHere('0.0.0.0', 1)).toBe('http://127.0.0.1:1')
  expect(urlOf('0.0.0.0', 1, [])).toMatch(/^https:\/\/[^0].*:1$/)
})

it('does not take the networks of builders and containers for its own', () => {
  const ipv4 = (address: string, internal = false) => ({
    address,
    family: 'IPv4' as const,
    internal,
    netmask: '',
    mac: '',
    cidr: null,
  })
  const ipv6 = (address: string) => ({...ipv4(address), family: 'IPv6' as const, scopeid: 0})
  const others = {lo: [ipv4('127.0.0.1', true)], 'hearth-a1d6-1': [ipv4('10.213.0.1')], docker0: [ipv4('172.17.0.1')]}
  expect(ownAddress({...others, eth0: [ipv6('fd00::2'), ipv4('10.0.0.5')]})).toBe('10.0.0.5')
  expect(ownAddress({...others, eth0: [ipv6('fd00::2')]})).toBe('fd00::2')
  expect(ownAddress(others)).toBeNull()
})
