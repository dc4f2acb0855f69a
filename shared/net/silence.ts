import type net from "node:net";

/** What of node's handle of a socket is used beyond its types. Pausing would not do: whoever reads the socket resumes it, node:http
 * reads the handle itself, and a paused socket still writes, ends and resets. The runtime is pinned, and silence.test.ts holds it. */
interface Handle {
  /** Whether somebody wants to read. */
  reading?: boolean;
  readStart(): number;
  readStop(): number;
  close(): void;
}

interface Internals {
  _handle: Handle | null;
}

type Callback = (error?: Error | null) => void;

/** A socket that neither hears nor says anything, as if its packets were dropped. */
export interface Silence {
  /** Lets packets pass again: what was to be sent meanwhile is sent, what has come is read. */
  end(): void;
}

/** Silences a socket. Its owner sees no error: bytes that it writes wait, as they would for an acknowledgement; its end is
 * not told; and where it destroys the socket, the peer sees it open until `end()`. */
export function silence(socket: net.Socket): Silence {
  const internals = socket as unknown as Internals;
  const handle = internals._handle;
  /** The write that waits, or the end: streams do one after the other. */
  let waiting: { readonly resume: () => void; readonly callback: Callback } | undefined;
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  const final = socket._final.bind(socket);
  const destroy = socket._destroy.bind(socket);
  if (handle) {
    handle.readStop();
    handle.readStart = () => 0; // no error: whoever wants to read waits
  }
  socket._write = (chunk, encoding, callback) => {
    waiting = { resume: () => write(chunk, encoding, callback), callback };
  };
  socket._writev = (chunks, callback) => {
    waiting = { resume: () => writev?.(chunks, callback), callback };
  };
  socket._final = (callback) => {
    waiting = { resume: () => final(() => {}), callback: () => {} };
    callback(); // An end is the owner's own: nobody has to hear it.
  };
  let orphan: Handle | null = null;
  socket._destroy = (error, callback) => {
    orphan = internals._handle;
    internals._handle = null; // Else it would be closed with the socket.
    waiting?.callback(error ?? new Error("closed before it was sent"));
    waiting = undefined;
    destroy(error, callback);
  };
  return {
    end() {
      for (const name of ["_write", "_writev", "_final", "_destroy"] as const) Reflect.deleteProperty(socket, name);
      if (handle) Reflect.deleteProperty(handle, "readStart");
      orphan?.close();
      if (socket.destroyed) return;
      if (handle?.reading) handle.readStart();
      waiting?.resume();
    },
  };
}
