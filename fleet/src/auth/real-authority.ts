import {X509Certificate} from 'node:crypto'
import {open, readFile, rename} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {caPin} from '@hearth/proto/ca-pin'
import type {HostId} from '@hearth/proto/ids'
import {type Authority, AuthorityFileError, type ServerCertificate} from './authority.ts'
import type {Issuer} from './real-x509.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const authorityDays = 3650
const leafDays = 90
/** A server certificate with less left than this is remade. */
const serverRenewDays = 30

/**
 * The authority whose key lies in `stateDir`; made there on first use. `ca.pem` and `server.pem` hold a private key and its
 * certificate in one file of mode 0600, so that neither can be there without the other.
 */
export const openAuthority = async (stateDir: string, clock: {now(): number}): Promise<Authority> => {
  const path = join(stateDir, 'ca.pem')
  const issuer = (await readIssuer(path)) ?? (await makeIssuer(path, clock.now()))
  const serverPath = join(stateDir, 'server.pem')
  return {
    caPem: issuer.certificatePem,
    pin: caPin(issuer.certificatePem),
    signHost: async (certificateRequestPem: string, host: HostId) => {
      const {signClient} = await import('./real-x509.ts')
      return signClient(issuer, certificateRequestPem, host, leafValidity(clock.now()))
    },
    serverCertificate: async (names) =>
      (await savedServer(serverPath, issuer, names, clock.now())) ??
      makeServerCertificate(serverPath, issuer, names, clock.now()),
  }
}

const makeIssuer = async (path: string, now: number): Promise<Issuer> => {
  const {makeAuthority} = await import('./real-x509.ts')
  const issuer = await makeAuthority('Hearth fleet', {from: now - 10 * minuteMs, to: now + authorityDays * dayMs})
  await writeSecretFile(path, `${issuer.keyPem}\n${issuer.certificatePem}\n`)
  return issuer
}

const makeServerCertificate = async (
  path: string,
  issuer: Issuer,
  names: readonly string[],
  now: number,
): Promise<ServerCertificate> => {
  const {makeServer} = await import('./real-x509.ts')
  const made = await makeServer(issuer, names, leafValidity(now))
  await writeSecretFile(path, `${made.keyPem}\n${made.certificatePem}\n`)
  return serverCertificate(made, issuer)
}

/** Null if it has to be remade: not there, other names, another authority's, or soon too old. */
const savedServer = async (path: string, issuer: Issuer, names: readonly string[], now: number) => {
  const saved = await readIssuer(path).catch(() => null)
  if (!saved) return null
  const certificate = new X509Certificate(saved.certificatePem)
  const ours = certificate.verify(new X509Certificate(issuer.certificatePem).publicKey)
  const server = serverCertificate(saved, issuer)
  const fits = sameNames(certificate.subjectAltName ?? '', names) && Date.parse(certificate.validFrom) <= now
  return ours && fits && now < server.renewAt ? server : null
}

const sameNames = (subjectAltName: string, names: readonly string[]): boolean => {
  const saved = subjectAltName.split(', ').map((entry) => canonical(entry.replace(/^(DNS|IP Address):/, '')))
  return saved.toSorted().join() === names.map(canonical).toSorted().join()
}

/** OpenSSL prints `::1` as `0:0:0:0:0:0:0:1`. */
const canonical = (name: string): string =>
  name.includes(':') ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name

const serverCertificate = (made: Issuer, issuer: Issuer): ServerCertificate => ({
  certificatePem: `${made.certificatePem}\n${issuer.certificatePem}\n`,
  keyPem: made.keyPem,
  renewAt: Date.parse(new X509Certificate(made.certificatePem).validTo) - serverRenewDays * dayMs,
})

/** Valid from ten minutes ago: the other side's clock may be late. */
const leafValidity = (now: number) => ({from: now - 10 * minuteMs, to: now + leafDays * dayMs})

/** Null if there is no such file. Throws `AuthorityFileError` if it is not whole. */
const readIssuer = async (path: string): Promise<Issuer | null> => {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw new AuthorityFileError(`can't read ${path}: ${cause.message}`, {cause})
  })
  if (text === null) return null
  const [, keyPem, certificatePem] =
    /^(-----BEGIN PRIVATE KEY-----.+-----END PRIVATE KEY-----)\n(-----BEGIN CERTIFICATE-----.+-----END CERTIFICATE-----)\n$/s.exec(
      text,
    ) ?? []
  if (keyPem && certificatePem) return {keyPem, certificatePem}
  throw new AuthorityFileError(
    `${path} is not whole: bring it back from a backup, or remove it to make a new authority (hosts then join again, and all tokens are made anew)`,
  )
}

/** Writes a file of mode 0600 that is either there whole or not at all, also after a crash. */
export const writeSecretFile = async (path: string, text: string): Promise<void> => {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
