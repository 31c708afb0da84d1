/** The stopwatch's name for how long a lease has been in the queue. */
export const queueTimer = (lease: string) => `queue ${lease}`
