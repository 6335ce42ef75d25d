// Says how much the page weighs: it is carried inside the program, so every kilobyte is seen.
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

export function reportSize(): Plugin {
  return {
    name: 'perigee-size',
    writeBundle(_, bundle) {
      let plain = 0;
      let zipped = 0;
      for (const file of Object.values(bundle)) {
        const content = Buffer.from(file.type === 'chunk' ? file.code : file.source);
        plain += content.length;
        zipped += Math.min(content.length, gzipSync(content, { level: 9 }).length);
      }
      const kilobytes = (octets: number) => `${Math.round(octets / 1000)} kB`;
      console.log(`page: ${Object.keys(bundle).length} files, ${kilobytes(plain)}, ${kilobytes(zipped)} with gzip`);
    },
  };
}
