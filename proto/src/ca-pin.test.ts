import {createHash, X509Certificate} from 'node:crypto'
import {describe, expect, it} from 'vitest'
import {caPin, parseToken} from './ca-pin.ts'

// Self-signed P-256, made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj '/CN=pin test'`.
const caPem = `-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUYuW4NEK2+SzgxP9sUOqgJPN1FyUwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIcGluIHRlc3QwHhcNMjYxMTI0MDAxODE4WhcNNDYxMTE5MDAx
ODE4WjATMREwDwYDVQQDDAhwaW4gdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABGfF8h1Jt9O8ATU2WqLVbH7Iw4bu3nZAURuJyH3/lei2T0H9Pw5xm3cACdN7
ymltkGQTUHJTlnPzhXY4go6pjGijUzBRMB0GA1UdDgQWBBRm7cLaKZbgk4PaTPk6
fq3dixDfFTAfBgNVHSMEGDAWgBRm7cLaKZbgk4PaTPk6fq3dixDfFTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCLa7KX3k4wXEuaKzAtKSgu7U1g
dsIEgx1Pvyu4IWG6fwIhAL+gZgpHE/7cMLW7/00cbHrbkuy14QD3LlC/iffJoyVK
-----END CERTIFICATE-----`

const pin = 'p'.repeat(43)
const secret = 's'.repeat(43)

describe('caPin', () => {
  it('is the SHA-256 of the public key, so that a renewed certificate of the same key keeps its pin', () => {
    const spki = new X509Certificate(caPem).publicKey.export({type: 'spki', format: 'der'})
    expect(caPin(caPem)).toBe(createHash('sha256').update(spki).digest('base64url'))
    expect(caPin(caPem)).toBe('caYTNaa3NlCBIv1WOWayZnA9BFTRaeRol_f2flheANg')
  })

  it('refuses what is not a certificate', () => {
    expect(() => caPin('-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----')).toThrow()
  })
})

describe('parseToken', () => {
  it('tells tokens and join tokens apart', () => {
    expect(parseToken(`ht_abc234.${secret}.${pin}`)).toEqual({kind: 'token', id: 'abc234', secret, pin})
    expect(parseToken(`hj_abc234.${secret}.${pin}`)).toEqual({kind: 'join', id: 'abc234', secret, pin})
  })

  it.each([
    '',
    'ht_',
    `hx_abc234.${secret}.${pin}`,
    `ht_abc234.${secret}`,
    `ht_abc234.short.${pin}`,
    `ht_abc234.${secret}.${pin}x`,
    `ht_ABC234.${secret}.${pin}`,
    ` ht_abc234.${secret}.${pin}`,
    `ht_abc234.${secret}.${pin}\n`,
  ])('says null for %j', (text) => {
    expect(parseToken(text)).toBeNull()
  })
})
