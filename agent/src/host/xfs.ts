import type {Run} from './run.ts'

/** What the first bytes of a file system say. `inProgress`: mkfs was interrupted. */
export type XfsSuperblock = {readonly uuid: string; readonly sizeBytes: number; readonly inProgress: boolean}

/** How many bytes from the start `parseXfsSuperblock` looks at. */
export const xfsSuperblockBytes = 512

/** Null if it isn't XFS. Layout: `struct xfs_dsb` in the kernel's fs/xfs/libxfs/xfs_format.h, big-endian. */
export const parseXfsSuperblock = (bytes: Buffer): XfsSuperblock | null => {
  if (bytes.length < xfsSuperblockBytes || bytes.toString('latin1', 0, 4) !== 'XFSB') return null
  const hex = bytes.toString('hex', 32, 48)
  return {
    uuid: [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'),
    sizeBytes: bytes.readUInt32BE(4) * Number(bytes.readBigUInt64BE(8)),
    inProgress: bytes.readUInt8(126) !== 0,
  }
}

/**
 * Makes XFS in an image file or on a device, synced when it returns. Never forces: mkfs.xfs refuses what holds anything it knows.
 * 4096-byte sectors: with 512 it no longer mounts under direct I/O once the image shares blocks. `-K`: the image is sparse already.
 */
export const makeXfs = async (
  path: string,
  {reflink, uuid, run, signal}: {reflink: boolean; uuid?: string; run: Run; signal: AbortSignal},
): Promise<void> => {
  const metadata = `reflink=${reflink ? 1 : 0}${uuid ? `,uuid=${uuid}` : ''}`
  await run(['mkfs.xfs', '-q', '-K', '-s', 'size=4096', '-m', metadata, path], signal)
}

/**
 * Makes new files of an XFS directory allocate in 16 MiB pieces and copy shared blocks in pieces of 4 MiB: an image then has some
 * hundred extents and is cloned in milliseconds, not seconds. Returns whether the directory has it now; it is an optimisation.
 */
export const setExtentSizes = async (directory: string, run: Run, signal: AbortSignal): Promise<boolean> => {
  const set = ['-c', 'extsize 16m', '-c', 'cowextsize 4m']
  const get = ['-c', 'extsize', '-c', 'cowextsize'] // xfs_io's exit code is 0 even when it couldn't
  const said = await run(['xfs_io', '-r', ...set, ...get, directory], signal)
  return said.includes('[16777216]') && said.includes('[4194304]')
}
