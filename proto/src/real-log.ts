type Destination = {on(event: 'error', listener: (error: Error) => void): unknown}

/** At most so much waits to be written; more is dropped, so that a disk that takes nothing does not fill the memory. */
export const longestLogQueueBytes = 4 * 1024 ** 2

/** A log that can't be written (its disk is full) must not end what it tells of: those lines are lost, later ones are tried again. */
export const outlivingItsDisk = <D extends Destination>(destination: D): D => {
  destination.on('error', () => undefined)
  return destination
}
