// Builds the page into dist/: hashed assets, no source maps, nothing that a strict content security policy refuses.
import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import { openMct } from './build/openmct.ts';
import { reportSize } from './build/size.ts';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [openMct(resolve(import.meta.dirname, 'node_modules/openmct/dist')), reportSize()],
  preview: {
    host: '127.0.0.1',
    proxy: { '/api': { target: process.env['PERIGEE_URL'] ?? 'http://127.0.0.1:8080', ws: true } },
  },
  // Open MCT's theme carries hacks for browsers long gone.
  css: { lightningcss: { errorRecovery: true } },
  build: {
    target: 'es2022',
    sourcemap: false,
    // A `data:` URL would need its own line in the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 6000,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: 'openmct', test: /node_modules[\\/]openmct[\\/]/ }] },
      },
    },
  },
});
