import type {ImageContent} from '../../host/image.ts'
import type {Run} from '../../host/run.ts'
import {parseXfsSuperblock, xfsSuperblockBytes} from '../../host/xfs.ts'

// Looks at a device whose storage may not answer: in a program of its own, which can be left behind.

/** Whether first and last MiB are zeros: `blank` or `other`. What can't be read is an error. */
const script = `
set -e
zero() { code=0; cmp -s -n 1048576 "$1" /dev/zero -i "$2:0" || code=$?; [ "$code" -le 1 ] || { echo "the device can't be read" >&2; exit 5; }; [ "$code" -eq 0 ]; }
if zero "$1" 0 && zero "$1" $(($2 - 1048576)); then echo blank; else echo other; fi
`

/** As `readImage`, of a device. Throws `CommandError` where it can't be read: unreadable is not blank. */
export const readDevice = async (device: string, run: Run, signal: AbortSignal): Promise<ImageContent> => {
  const [size, said] = await Promise.all([
    run(['blockdev', '--getsize64', device], signal),
    run(['od', '-An', '-v', '-tx1', `-N${xfsSuperblockBytes}`, device], signal),
  ])
  const hex = said.replace(/\s/g, '')
  const superblock = parseXfsSuperblock(Buffer.from(hex, 'hex'))
  if (superblock) return {kind: 'xfs', superblock, imageBytes: Number(size)}
  const isBlank = (await run(['sh', '-c', script, 'probe', device, size.trim()], signal)).trim() === 'blank'
  return isBlank ? {kind: 'blank'} : {kind: 'other', start: hex.slice(0, 32)}
}
