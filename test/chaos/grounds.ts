import {makeCephGround} from './ceph-ground.ts'
import type {MakeGround} from './ground.ts'
import {makeLocalGround} from './local-ground.ts'

/** By the driver of its volumes. */
export const grounds: ReadonlyMap<string, MakeGround> = new Map([
  ['local', makeLocalGround],
  ['ceph-rbd', makeCephGround],
])
