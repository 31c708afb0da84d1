import type {ImageContent} from '../../host/image.ts'
import {CommandError, type Run} from '../../host/run.ts'
import {parseXfsSuperblock, xfsSuperblockBytes} from '../../host/xfs.ts'

// Looks at a device whose storage may not answer: in a program of its own, which can be left behind.

/** Three lines: the size in bytes, the first bytes in hex, and whether first and last MiB are zeros. What can't be read is an error. */
const script = `
set -e
size=$(blockdev --getsize64 "$1")
echo "$size"
dd if="$1" bs=${xfsSuperblockBytes} count=1 status=none | od -An -v -tx1 | tr -d ' \\n'
echo
zero() { code=0; cmp -s -n 1048576 "$1" /dev/zero -i "$2:0" || code=$?; [ "$code" -le 1 ] || { echo "the device can't be read" >&2; exit 5; }; [ "$code" -eq 0 ]; }
if zero "$1" 0 && zero "$1" $((size - 1048576)); then echo blank; else echo other; fi
`

/** As `readImage`, of a device. Throws `CommandError` where it can't be read: unreadable is not blank. */
export const readDevice = async (device: string, run: Run, signal: AbortSignal): Promise<ImageContent> => {
  const said = await run(['sh', '-c', script, 'probe', device], signal)
  const [size = '', hex = '', rest] = said.split('\n')
  const superblock = parseXfsSuperblock(Buffer.from(hex, 'hex'))
  if (superblock) return {kind: 'xfs', superblock, imageBytes: Number(size)}
  if (rest === 'blank') return {kind: 'blank'}
  if (rest === 'other') return {kind: 'other', start: hex.slice(0, 32)}
  throw new CommandError(['probe', device], {stderr: `it said ${JSON.stringify(said)}`})
}
