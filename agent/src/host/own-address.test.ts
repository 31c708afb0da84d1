import {expect, it} from 'vitest'
import {AddressError, addressTowards, requireOwnAddress} from './own-address.ts'

it('finds the address towards a host, and none towards a name that nobody has', async () => {
  expect(await addressTowards('127.0.0.1')).toBe('127.0.0.1')
  expect(await addressTowards('localhost')).toMatch(/^(127\.0\.0\.1|::1)$/)
  expect(await addressTowards('nowhere.invalid')).toBeNull()
})

it('knows what is its own', async () => {
  await requireOwnAddress('127.0.0.1')
  await expect(requireOwnAddress('203.0.113.1')).rejects.toThrow(AddressError)
  await expect(requireOwnAddress('203.0.113.1')).rejects.toThrow('this machine has no address 203.0.113.1')
})
