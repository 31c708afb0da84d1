import {CephCredentials} from '@hearth/proto/ceph-credentials'
import {validator} from '@hearth/proto/validate'
import {StorageFullError, StorageRefusedError, StorageUnreachableError} from '@hearth/proto/volume-errors'
import {
  CopyMissingError,
  EpochFencedError,
  GenerationMissingError,
  VolumeBusyError,
  VolumeContentError,
} from '../volume/attacher.ts'
import type {AskCredentials} from '../volume/ceph/real-attach.ts'
import {callFleet, type FleetCall, FleetRefusal} from './real-fleet-api.ts'

/** What the fleet's refusals mean for a volume, by their codes. */
const errors: Readonly<Record<string, new (message: string, options: ErrorOptions) => Error>> = {
  EpochFencedError,
  GenerationMissingError,
  CopyMissingError,
  VolumeBusyError,
  VolumeContentError,
  StorageRefusedError,
  StorageUnreachableError,
  StorageFullError,
}
const check = validator(CephCredentials)

/** Asks the fleet for what opens a copy, for the builder that was granted it. Throws as an attacher does. */
export const askCredentials =
  (fleetUrl: string, tls: () => Pick<FleetCall, 'ca' | 'cert' | 'key'>): AskCredentials =>
  async ({copy, epoch, shared}, signal) => {
    const path = `/agent/v1/copies/${copy}/credentials`
    const body = {builder: shared?.builder, epoch}
    try {
      return check(await callFleet(fleetUrl, {method: 'POST', path, body, ...tls(), signal}))
    } catch (error) {
      const Known = error instanceof FleetRefusal && errors[error.code ?? '']
      throw Known ? new Known(error.message, {cause: error}) : error
    }
  }
