import {expect, it} from 'vitest'
import {addHostText} from './add-host.ts'

const restart = (listen: string) => `hearth-fleet --listen ${listen}`

it('tells how a fleet on loopback gets to be reached', () => {
  for (const url of ['http://127.0.0.1:7433', 'http://localhost:7433', 'http://[::1]:7433'])
    expect(addHostText({url, address: null, restart}).join('\n')).toMatch(
      /loopback only.*\n {2}hearth-fleet --listen 0\.0\.0\.0:7433$/,
    )
})

it('names the address that others reach, if the name is only this machine’s', () => {
  const command = (address: string | null) => addHostText({url: 'https://vm:7433', address, restart})[1]
  expect(command(null)).toBe('  hearth-agent --fleet https://vm:7433 --join TOKEN')
  expect(command('10.0.0.5')).toBe('  hearth-agent --fleet https://10.0.0.5:7433 --join TOKEN')
  expect(command('fd00::1')).toBe('  hearth-agent --fleet https://[fd00::1]:7433 --join TOKEN')
})
