import {expect, it} from 'vitest'
import {nameServers} from './resolver.ts'

it('knows the servers of a resolv.conf', () => {
  const text =
    '# made by hand\nsearch example.test\nnameserver 10.0.0.2\n  nameserver\tfe80::1%eth0\nnameserver 127.0.0.53 \n'
  expect(nameServers(text)).toEqual(['10.0.0.2', 'fe80::1%eth0', '127.0.0.53'])
  expect(nameServers('#nameserver 10.0.0.2\nnameserver nowhere\nnameserver\n')).toEqual([])
})
