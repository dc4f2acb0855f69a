import type { ByteString } from "./words.ts";

export function toBytes(bytes: ByteString): Uint8Array {
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

export function toByteString(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
