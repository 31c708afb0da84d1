/**
 * What the promise gives, or the signal's reason if that comes first. What was begun goes on unobserved: for calls that can't be
 * cancelled and may be stuck in the kernel.
 */
export const abortable = async <Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> => {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, {once: true})
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
