/** One open connection to the fleet, as the session sees it. Frames arrive in order, from the moment `onText` is set. */
export interface Wire {
  /** Never throws; what can't be sent is lost, and the connection with it. */
  send(text: string): void
  onText(listener: (text: string) => void): void
  /** Resolves with the reason when the connection has ended, whoever ended it. */
  readonly closed: Promise<string>
  close(reason: string): void
}

/** Opens a connection; rejects if that fails. */
export type Dial = (signal: AbortSignal) => Promise<Wire>
