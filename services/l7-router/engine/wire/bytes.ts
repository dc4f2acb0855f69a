/** What a byte may be a part of, as bits. */
export const tokenBit = 1; // RFC 9110 §5.6.2
export const valueBit = 2; // field-content: visible, space, tab, obs-text; RFC 9110 §5.5
export const targetBit = 4; // visible ASCII: what is not must be escaped; RFC 3986 §2

/** Bits of every byte. */
export const bitsOf = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const text = String.fromCharCode(byte);
  const isVisible = byte > 0x20 && byte < 0x7f;
  if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(text)) bitsOf[byte] = tokenBit;
  if (isVisible || byte === 0x20 || byte === 0x09 || byte >= 0x80) bitsOf[byte] = (bitsOf[byte] as number) | valueBit;
  if (isVisible) bitsOf[byte] = (bitsOf[byte] as number) | targetBit;
}

export const cr = 0x0d;
export const lf = 0x0a;
export const space = 0x20;
export const tab = 0x09;
export const colon = 0x3a;
