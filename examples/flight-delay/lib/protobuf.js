// The little of Protocol Buffers' wire format that writing an ONNX file needs.
// https://protobuf.dev/programming-guides/encoding/

/**
 * A whole number, such as an enumeration, a size or an int64.
 * @param {number} field
 * @param {number} value Not negative, safe integer.
 * @returns {Buffer}
 */
export function varintField(field, value) {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/**
 * Bytes with their length: a text, a message, or packed values.
 * @param {number} field
 * @param {string | Uint8Array} value
 * @returns {Buffer}
 */
export function bytesField(field, value) {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

/**
 * A nested message.
 * @param {number} field
 * @param {readonly Uint8Array[]} parts Its fields.
 * @returns {Buffer}
 */
export function messageField(field, parts) {
  return bytesField(field, Buffer.concat(parts));
}

/**
 * A single 32-bit float.
 * @param {number} field
 * @param {number} value
 * @returns {Buffer}
 */
export function floatField(field, value) {
  return Buffer.concat([varint(field * 8 + 5), floatBytes([value])]);
}

/**
 * 32-bit floats, little-endian, one after the other.
 * @param {readonly number[]} values
 * @returns {Buffer}
 */
export function floatBytes(values) {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/**
 * Whole numbers as varints, one after the other.
 * @param {readonly number[]} values Not negative.
 * @returns {Buffer}
 */
export function varints(values) {
  return Buffer.concat(values.map(varint));
}

/** @param {number} value */
function varint(value) {
  const bytes = [];
  let rest = value;
  // Division, not shifts: those are 32-bit in JavaScript.
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
