/** The stopwatch's name for how long a builder has been without a lease. */
export const idleTimer = ({id, lastLease}: {readonly id: string; readonly lastLease: string}) =>
  `idle ${id} ${lastLease}`
