import type {ApiError} from '@hearth/proto/api'
import type {Log} from '@hearth/proto/clock'
import {ProtocolError} from '@hearth/proto/validate'
import {ApiFailure} from '../api-failure.ts'
import {CertificateRequestError} from '../auth/authority.ts'
import {isDiskFull} from '../start-failure.ts'

export type Refusal = {readonly status: number; readonly body: ApiError}

/** What a client is told of an error. What it can't be told is logged, with the request's id in both places. */
export const refusalOf = (error: unknown, log: Log, requestId: string): Refusal => {
  if (error instanceof ApiFailure) return refusal(error.status, error.code, error.message)
  if (error instanceof ProtocolError) return refusal(400, 'invalid', `the request is not valid: ${error.message}`)
  if (error instanceof CertificateRequestError)
    return refusal(400, 'invalid', `/certificateRequestPem: ${error.message}`)
  if (isDiskFull(error)) {
    log.error({err: error, requestId}, 'the disk is full')
    return refusal(507, 'disk-full', "the fleet's disk is full: free some space in its state directory, then try again")
  }
  const {statusCode, code, message} = error as {statusCode?: number; code?: string; message?: string}
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return refusal(413, 'too-large', 'the request body is too large')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return refusal(statusCode, 'invalid', message ?? 'the request is not valid')
  }
  log.error({err: error, requestId}, 'a request failed')
  return refusal(500, 'internal', `the fleet failed to answer; its log says why (request ${requestId})`)
}

const refusal = (status: number, code: string, message: string): Refusal => ({status, body: {code, message}})
