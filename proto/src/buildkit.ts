/** The gRPC definitions for a loader. A bundle carries buildkit.proto beside itself. */
export const buildkitProto = new URL('buildkit.proto', import.meta.url)
