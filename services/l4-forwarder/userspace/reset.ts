import type { Socket } from "node:net";

/** Ends a connection with RST at once; what is queued for the peer is dropped. Safe in every state of the socket. */
export function reset(socket: Socket): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  // The kernel is being told of our end in this turn of the event loop; libuv refuses to reset in the middle of that and
  // would keep the descriptor.
  if (isShuttingDown) socket.once("finish", () => void socket.resetAndDestroy());
  else if (!socket.destroyed) socket.resetAndDestroy();
}
