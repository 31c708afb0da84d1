import {expect, it} from 'vitest'
import {addressesOf} from './addresses.ts'

it.each([
  ['https://192.0.2.7:7433', [{address: '192.0.2.7', port: 7433}]],
  ['https://192.0.2.7', [{address: '192.0.2.7', port: 443}]],
  ['https://[fd00::7]:7433/path', [{address: 'fd00::7', port: 7433}]],
  ['https://nowhere.invalid:7433', []],
])('knows where %s leads', async (url, expected) => {
  expect(await addressesOf(url)).toEqual(expected)
})
