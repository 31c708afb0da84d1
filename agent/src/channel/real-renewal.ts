import {X509Certificate} from 'node:crypto'
import type {Clock, Log} from '@hearth/proto/clock'
import type {HostIdentity} from './real-join.ts'

export type RenewalDeps = {
  readonly renew: (identity: HostIdentity) => Promise<HostIdentity>
  readonly onRenewed: (identity: HostIdentity) => void
  readonly clock: Clock
  readonly log: Log
}

const soonestMs = 60_000

/** Renews the host's certificate at half of its life, until the signal aborts; a fleet that is away is asked again every minute. */
export const keepRenewed = async (
  first: HostIdentity,
  {renew, onRenewed, clock, log}: RenewalDeps,
  signal: AbortSignal,
): Promise<void> => {
  let identity = first
  while (!signal.aborted) {
    const waitMs = Math.max(soonestMs, renewInMs(identity.certificatePem, clock.now()))
    await clock.sleep(waitMs, signal).catch(() => undefined) // only the signal ends it, and the loop looks at that
    if (signal.aborted || renewInMs(identity.certificatePem, clock.now()) > 0) continue
    try {
      identity = await renew(identity)
      onRenewed(identity)
    } catch (err) {
      log.warn({err}, "the host's certificate could not be renewed yet")
    }
  }
}

/** Milliseconds until half of a certificate's life is over; 0 when it is. */
const renewInMs = (certificatePem: string, nowMs: number): number => {
  const {validFrom, validTo} = new X509Certificate(certificatePem)
  return Math.max(0, (Date.parse(validFrom) + Date.parse(validTo)) / 2 - nowMs)
}
