// SCRAM-SHA-256 and the stored forms of passwords: RFC vectors, both sides, tampering.

import { describe, expect, it } from 'vitest';
import {
  formatVerifier,
  makeVerifier,
  md5Answer,
  md5Password,
  md5Stored,
  mockVerifier,
  parseVerifier,
  saltPassword,
} from '../../src/wire/password.ts';
import {
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  ScramClient,
  ScramServer,
} from '../../src/wire/scram.ts';
import fc from '../support/property.ts';

/** RFC 7677, section 3. */
const RFC = {
  password: 'pencil',
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst:
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
    'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

interface Exchange {
  readonly client: ScramClient;
  readonly server: ScramServer;
  readonly serverFirst: Buffer;
  readonly clientFinal: Buffer;
}

async function exchange(stored: string, given: string): Promise<Exchange> {
  const server = new ScramServer(await makeVerifier(stored));
  const client = new ScramClient(given);
  const serverFirst = server.first(SCRAM_SHA_256, client.first());
  const clientFinal = await client.final(serverFirst);
  return { client, server, serverFirst, clientFinal };
}

describe('SCRAM-SHA-256', () => {
  it('as a server answers the vector of RFC 7677', async () => {
    const verifier = await makeVerifier(RFC.password, RFC.salt);
    const server = new ScramServer(verifier, null, RFC.serverNonce);
    expect(server.first(SCRAM_SHA_256, Buffer.from(RFC.clientFirst)).toString()).toBe(
      RFC.serverFirst,
    );
    expect(server.final(Buffer.from(RFC.clientFinal))?.toString()).toBe(RFC.serverFinal);
  });

  it('lets each side prove the same password to the other', async () => {
    for (const password of ['pencil', '', 'with,comma=and space', 'pässwörd', 'x'.repeat(500)]) {
      const { client, server, clientFinal } = await exchange(password, password);
      const serverFinal = server.final(clientFinal);
      expect(serverFinal).not.toBeNull();
      client.verify(serverFinal!);
    }
  });

  it('does not let a wrong password in', async () => {
    const { server, clientFinal } = await exchange('right', 'wrong');
    expect(server.final(clientFinal)).toBeNull();
  });

  it('lets nobody in with a mock verifier, which is the same each time', () => {
    const secret = Buffer.alloc(32, 1);
    expect(mockVerifier('bob', secret)).toEqual(mockVerifier('bob', secret));
    expect(mockVerifier('bob', secret).salt).not.toEqual(mockVerifier('eve', secret).salt);
    expect(mockVerifier('bob', secret).salt).toHaveLength(16);
  });

  it('the client refuses a nonce that does not continue its own', async () => {
    const client = new ScramClient('pw', null, 'abc');
    client.first();
    for (const nonce of ['xyzabc', 'abc', '']) {
      const first = Buffer.from(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
      await expect(client.final(first)).rejects.toThrow('nonce');
    }
  });

  it.each(['s=,i=4096', 's=W22Z,i=0', 's=W22Z,i=-1', 's=W22Z,i=9999999', 's=W22Z'])(
    'the client refuses salt and count in "%s"',
    async (rest) => {
      const client = new ScramClient('pw', null, 'abc');
      client.first();
      await expect(client.final(Buffer.from(`r=abcdef,${rest}`))).rejects.toThrow('salt');
    },
  );

  it('the client refuses a server that does not know the password', async () => {
    const { client, server, clientFinal } = await exchange('pw', 'pw');
    const signature = server.final(clientFinal)!.toString();
    const flipped = signature.replace(/^v=(.)/, (_, first) => `v=${first === 'A' ? 'B' : 'A'}`);
    expect(() => client.verify(Buffer.from(flipped))).toThrow('signature is wrong');
    expect(() => client.verify(Buffer.from('e=other-error'))).toThrow('signature is missing');
    expect(() => new ScramClient('pw').verify(Buffer.from(signature))).toThrow('missing');
  });

  it('the server refuses another nonce, another channel binding and a short proof', async () => {
    const { server, clientFinal } = await exchange('pw', 'pw');
    const message = clientFinal.toString();
    const refused = [
      message.replace(/r=(.)/, (_, first) => `r=${first === 'A' ? 'B' : 'A'}`),
      message.replace('c=biws', 'c=eSws'),
      message.replace(/p=....../, 'p='),
      message.replace(/,p=.*/, ''),
      '',
    ];
    for (const each of refused) {
      expect(() => server.final(Buffer.from(each))).toThrow(
        expect.objectContaining({ code: '08P01' }),
      );
    }
  });

  it('the server takes a changed message behind the nonce for a wrong password', async () => {
    const { server, clientFinal } = await exchange('pw', 'pw');
    const message = clientFinal.toString().replace(',p=', ',x=1,p=');
    expect(server.final(Buffer.from(message))).toBeNull();
  });

  it.each(['', 'n,,', 'n,,n=u', 'p=tls-unique,,n=,r=abc', 'n,a=x,n=,r=abc', 'x,,n=,r=a'])(
    'the server refuses the first message "%s"',
    async (first) => {
      const server = new ScramServer(await makeVerifier('pw'));
      expect(() => server.first(SCRAM_SHA_256, Buffer.from(first))).toThrow(
        expect.objectContaining({ code: '08P01' }),
      );
    },
  );

  it('random messages to the server are refused, and never let anybody in', async () => {
    const verifier = await makeVerifier('pw');
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (first, final) => {
        const server = new ScramServer(verifier);
        try {
          server.first(SCRAM_SHA_256, Buffer.from(first));
          expect(server.final(Buffer.from(final))).toBeNull();
        } catch (error) {
          expect(error).toMatchObject({ code: '08P01' });
        }
      }),
    );
  });

  it('a client that could have bound the channel (y,,) is let in', async () => {
    const server = new ScramServer(await makeVerifier('pw', RFC.salt), null, 'srv');
    const first = server.first(SCRAM_SHA_256, Buffer.from('y,,n=,r=cli'));
    expect(first.toString()).toContain('r=clisrv,');
    expect(() => server.final(Buffer.from(`c=biws,r=clisrv,p=${'A'.repeat(43)}=`))).toThrow(
      'channel binding',
    );
    expect(server.final(Buffer.from(`c=eSws,r=clisrv,p=${'A'.repeat(43)}=`))).toBeNull();
  });
});

describe('SASLprep', () => {
  const salted = async (password: string) =>
    (await saltPassword(password, Buffer.from('salt'), 1)).toString('hex');

  it.each([
    ['I\u00adX', 'IX', 'a soft hyphen maps to nothing'],
    ['a\u00a0b', 'a b', 'a no-break space maps to a space'],
    ['\u00aa', 'a', 'a feminine ordinal is normalised'],
    ['\u2168', 'IX', 'a Roman nine is normalised'],
    ['e\u0301', '\u00e9', 'a combining accent is composed'],
  ])('%j is as %j: %s', async (left, right) => {
    expect(await salted(left)).toBe(await salted(right));
  });

  it('keeps case and letters apart', async () => {
    expect(await salted('user')).not.toBe(await salted('USER'));
  });
});

describe('A stored password', () => {
  it('is read and written as in pg_authid', async () => {
    const verifier = await makeVerifier('pencil', RFC.salt);
    const stored = formatVerifier(verifier);
    expect(stored).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$' +
        'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:' +
        'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
    expect(parseVerifier(stored)).toEqual(verifier);
  });

  it.each([
    'pencil',
    '',
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$short=:short=',
    'SCRAM-SHA-256$0:W22Z$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    'SCRAM-SHA-1$4096:W22Z$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  ])('"%s" is no verifier', (text) => {
    expect(parseVerifier(text)).toBeNull();
  });

  it('md5 is as PostgreSQL stores and compares it', () => {
    expect(md5Stored('user', 'password')).toBe('md54d45974e13472b5a0be3533de4666414');
    const salt = Buffer.from([1, 2, 3, 4]);
    expect(md5Password('user', 'password', salt)).toBe(
      md5Answer('md54d45974e13472b5a0be3533de4666414', salt),
    );
    expect(md5Password('user', 'password', salt)).not.toBe(
      md5Password('user', 'password', Buffer.from([1, 2, 3, 5])),
    );
  });
});

describe('SCRAM-SHA-256-PLUS', () => {
  const digest = Buffer.alloc(32, 7);

  async function bound(clientDigest: Buffer, serverDigest: Buffer, given = 'pw') {
    const server = new ScramServer(await makeVerifier('pw'), serverDigest);
    const client = new ScramClient(given, clientDigest);
    const serverFirst = server.first(SCRAM_SHA_256_PLUS, client.first());
    return { client, server, clientFinal: await client.final(serverFirst) };
  }

  it('is offered first where there is a certificate to bind to, and not without one', async () => {
    const verifier = await makeVerifier('pw');
    expect(new ScramServer(verifier, digest).mechanisms).toEqual([
      SCRAM_SHA_256_PLUS,
      SCRAM_SHA_256,
    ]);
    expect(new ScramServer(verifier).mechanisms).toEqual([SCRAM_SHA_256]);
  });

  it('lets each side prove the password over the same certificate', async () => {
    const { client, server, clientFinal } = await bound(digest, digest);
    client.verify(server.final(clientFinal)!);
  });

  it('does not let a wrong password in', async () => {
    const { server, clientFinal } = await bound(digest, digest, 'wrong');
    expect(server.final(clientFinal)).toBeNull();
  });

  it('refuses the right password over the certificate of somebody in between', async () => {
    const { server, clientFinal } = await bound(Buffer.alloc(32, 8), digest);
    expect(() => server.final(clientFinal)).toThrow(
      expect.objectContaining({ code: '28000', message: 'SCRAM channel binding check failed' }),
    );
  });

  it('refuses a client that could bind and was told that the server cannot', async () => {
    const server = new ScramServer(await makeVerifier('pw'), digest);
    const client = new ScramClient('pw', 'unoffered');
    expect(() => server.first(SCRAM_SHA_256, client.first())).toThrow(
      expect.objectContaining({
        code: '28000',
        message: 'SCRAM channel binding negotiation error',
      }),
    );
  });

  it('takes an unbound exchange of a client that cannot bind', async () => {
    const server = new ScramServer(await makeVerifier('pw'), digest);
    const client = new ScramClient('pw');
    const clientFinal = await client.final(server.first(SCRAM_SHA_256, client.first()));
    client.verify(server.final(clientFinal)!);
  });

  it.each([
    ['a header without binding', SCRAM_SHA_256_PLUS, 'n,,n=,r=abc'],
    [
      'a header with binding for the unbound mechanism',
      SCRAM_SHA_256,
      'p=tls-server-end-point,,n=,r=abc',
    ],
    ['another kind of binding', SCRAM_SHA_256_PLUS, 'p=tls-unique,,n=,r=abc'],
    ['a mechanism that was not offered', 'SCRAM-SHA-1', 'n,,n=,r=abc'],
  ])('refuses %s', async (_, mechanism, first) => {
    const server = new ScramServer(await makeVerifier('pw'), digest);
    expect(() => server.first(mechanism, Buffer.from(first))).toThrow(
      expect.objectContaining({ code: '08P01' }),
    );
  });

  it('is refused where it was not offered', async () => {
    const server = new ScramServer(await makeVerifier('pw'));
    const first = new ScramClient('pw', digest).first();
    expect(() => server.first(SCRAM_SHA_256_PLUS, first)).toThrow(
      expect.objectContaining({ code: '08P01' }),
    );
  });
});
