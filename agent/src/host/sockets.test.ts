import {describe, expect, it} from 'vitest'
import {run} from './run.ts'
import {canEndConnections, parseTcpTable} from './sockets.ts'

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     '
const tail = '00000000:00000000 00:00000000 00000000     0        0 88014 1 0000000000000000 20 4 30 10 -1'

describe('parseTcpTable', () => {
  it('lists established connections only, of IPv4 and IPv6', () => {
    const table = [
      header,
      `   0: 0100007F:1F90 00000000:0000 0A ${tail}`,
      `   1: 0100007F:1F90 0100007F:D2F0 01 ${tail}`,
      `  12: 00000000000000000000000001000000:0050 00000000000000000000000001000000:D2F2 01 ${tail}`,
      `   3: 0100007F:1F90 0100007F:D2F4 06 ${tail}`,
      '',
    ]
    expect(parseTcpTable(table.join('\n'))).toEqual([
      {localPort: 8080, remote: '0100007F:D2F0'},
      {localPort: 80, remote: '00000000000000000000000001000000:D2F2'},
    ])
  })

  it.each(['', header, 'x', '   1: 0100007F:1F90'])('finds none in what is no table: %s', (text) => {
    expect(parseTcpTable(text)).toEqual([])
  })
})

describe.skipIf(process.getuid?.() !== 0)('canEndConnections', () => {
  it('is seen on a connection of its own, and missed where nothing is ended', async () => {
    const signal = AbortSignal.timeout(20_000)
    expect(await canEndConnections(run, signal)).toBe(true)
    expect(await canEndConnections(async () => '', signal)).toBe(false)
  })
})
