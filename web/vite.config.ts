import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const SERVER = 'http://localhost:8000';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  plugins: [react()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // The page's security policy allows what comes from its own origin, and that excludes data: addresses.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '/auth': SERVER,
      '/conversations': SERVER,
      '/websocket': SERVER,
      '/ws': { target: SERVER, ws: true },
    },
  },
});
