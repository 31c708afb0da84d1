import type {KeptMount} from '../builder/kept-mounts.ts'

/** What a buildkitd is told. All paths are as its own mount namespace shows them (builder/enter.sh). */
export type DaemonConfig = {
  readonly runc: string
  readonly platforms: readonly string[]
  readonly cgroupParent: string
  readonly registries: Registries
}

/** By `host` or `host:port`, as in an image's name. */
export type Registries = Readonly<Record<string, Registry>>
type Registry = {
  readonly http?: boolean
  readonly insecure?: boolean
  /** Paths of PEM files. */
  readonly ca?: readonly string[]
  readonly mirrors?: readonly string[]
}

/** Where enter.sh puts things inside a builder's mount namespace. */
export const inside = {own: '/run/hearth', root: '/run/cache', temporary: '/run/tmp'} as const

/**
 * buildkitd.toml. No garbage collection by itself (it would run one second into the first build; the agent prunes between
 * builds), no probing for what we state, the network of its own namespace, steps in the builder's cgroup.
 */
export const renderDaemonConfig = ({runc, platforms, cgroupParent, registries}: DaemonConfig): string => {
  const platformList = `[${platforms.map(quote).join(', ')}]`
  return [
    `root = ${quote(inside.root)}`,
    '[grpc]',
    `address = ["unix://${inside.own}/buildkitd.sock", "fd://"]`,
    '[grpc.tls]',
    `cert = ${quote(`${inside.own}/server.pem`)}`,
    `key = ${quote(`${inside.own}/server.key`)}`,
    `ca = ${quote(`${inside.own}/ca.pem`)}`,
    '[otel]',
    `socketPath = ${quote(`${inside.own}/otel.sock`)}`,
    '[history]',
    'maxEntries = 100',
    '[system]',
    'platformsCacheMaxAge = "-1s"',
    'maxRegistryConcurrency = 16',
    '[cdi]',
    'disabled = true',
    '[worker.containerd]',
    'enabled = false',
    `platforms = ${platformList}`,
    '[worker.oci]',
    'enabled = true',
    `platforms = ${platformList}`,
    'snapshotter = "overlayfs"',
    'gc = false',
    'networkMode = "host"',
    `binary = ${quote(runc)}`,
    `defaultCgroupParent = ${quote(cgroupParent)}`,
    ...Object.entries(registries).flatMap(([host, registry]) => renderRegistry(host, registry)),
    '',
  ].join('\n')
}

const renderRegistry = (host: string, {http, insecure, ca, mirrors}: Registry): readonly string[] => [
  `[registry.${quote(host)}]`,
  ...(http === undefined ? [] : [`http = ${http}`]),
  ...(insecure === undefined ? [] : [`insecure = ${insecure}`]),
  ...(ca === undefined ? [] : [`ca = [${ca.map(quote).join(', ')}]`]),
  ...(mirrors === undefined ? [] : [`mirrors = [${mirrors.map(quote).join(', ')}]`]),
]

/** Below a builder's directory: what becomes its root. */
export const newRoot = 'root'

/**
 * The file `mounts` that enter.sh hands to `mount --all` (fstab(5)): a root of the builder's own, made of the host's root file system and
 * what is `kept` of its mounts, the builder's own directory, and the volume last.
 */
export const renderMounts = (directory: string, device: string, kept: readonly KeptMount[]): string => {
  const root = `${directory}/${newRoot}`
  return [
    ['/', root, 'none', 'bind,X-mount.mkdir'],
    // nofail: one that is gone meanwhile is no longer needed
    ...kept.map(({path, recursive}) => [path, `${root}${path}`, 'none', recursive ? 'rbind,nofail' : 'bind,nofail']),
    ['hearth', `${root}/run`, 'tmpfs', 'mode=755,X-mount.mkdir'],
    [directory, `${root}${inside.own}`, 'none', 'bind,X-mount.mkdir'],
    ['hearth-tmp', `${root}${inside.temporary}`, 'tmpfs', 'mode=1777,X-mount.mkdir'],
    [device, `${root}${inside.root}`, 'xfs', 'noatime,nouuid,X-mount.mkdir'],
  ]
    .map((fields) => `${fields.map(escapeField).join(' ')} 0 0\n`)
    .join('')
}

/** Fields of fstab(5) are told apart by spaces and tabs. */
const escapeField = (text: string): string =>
  text.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`)

/** A TOML basic string takes JSON's escapes. */
const quote = (text: string): string => JSON.stringify(text)
