import {fileURLToPath} from 'node:url'

/** Path of the gRPC definitions, for a loader. A bundle carries buildkit.proto beside itself. */
export const buildkitProto = fileURLToPath(new URL('buildkit.proto', import.meta.url))
