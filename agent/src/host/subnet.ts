/** One builder's own little network: /30, the first address the host's, the second the builder's. */
export type Link = {readonly index: number; readonly hostAddress: string; readonly builderAddress: string}

/** A subnet in the form 10.213.0.0/16 that holds at least one /30. */
export class SubnetError extends Error {
  override readonly name = 'SubnetError'
}

/** How many builders' networks the subnet has room for. Throws `SubnetError`. */
export const linksIn = (subnet: string): number => 2 ** (30 - parse(subnet).prefix)

/** The network with this number. Throws `SubnetError`. */
export const linkAt = (subnet: string, index: number): Link => {
  const {base} = parse(subnet)
  const first = base + index * 4
  return {index, hostAddress: format(first + 1), builderAddress: format(first + 2)}
}

const parse = (subnet: string): {base: number; prefix: number} => {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet)
  const [a, b, c, d, prefix] = match?.slice(1).map(Number) ?? []
  const bytes = [a, b, c, d]
  if (prefix === undefined || prefix > 30 || prefix < 8 || bytes.some((byte) => byte === undefined || byte > 255))
    throw new SubnetError(`the builders' subnet must look like 10.213.0.0/16, with a prefix from 8 to 30: ${subnet}`)
  const address = bytes.reduce<number>((sum, byte) => sum * 256 + (byte ?? 0), 0)
  const size = 2 ** (32 - prefix)
  return {base: Math.floor(address / size) * size, prefix}
}

const format = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
