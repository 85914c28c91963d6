import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** One element of DER (ITU-T X.690): its tag, its length, and its content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const set = (...parts: readonly Uint8Array[]) => der(0x31, ...parts);
const identifier = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const text = (value: string) => der(0x0c, Buffer.from(value));
const bits = (value: Uint8Array) => der(0x03, Buffer.from([0]), value);
const at = (date: Date) => der(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`));

const ids = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  subjectAltName: '551d11',
};

/**
 * A new key on P-256 and a certificate for it that it has signed itself (RFC 5280), valid from yesterday to tomorrow, as PEM
 * texts. Made where it is used: no key lies in the repository.
 */
export function selfSigned(name: string): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(identifier(ids.ecdsaWithSha256));
  const who = sequence(set(sequence(identifier(ids.commonName), text(name))));
  const dayMs = 86_400_000;
  const validity = sequence(at(new Date(Date.now() - dayMs)), at(new Date(Date.now() + dayMs)));
  const dnsName = der(0x82, Buffer.from(name));
  const extension = sequence(identifier(ids.subjectAltName), der(0x04, sequence(dnsName)));
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const signed = sequence(version, serial, algorithm, who, validity, who, spki, der(0xa3, sequence(extension)));
  const signature = sign('sha256', signed, privateKey);
  const base64 =
    sequence(signed, algorithm, bits(signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...base64, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
