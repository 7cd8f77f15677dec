import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The collector serves the page under a policy without inline code, inline style or data: fonts,
// hence no inlined assets and no preload polyfill (an inline script).
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: false,
    // One sheet for all views: a view that comes later must not come without its looks.
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        // Few files compress better than many: what all share, tasks, the other views, the charts.
        manualChunks(id) {
          if (id.includes('uplot') || /\/src\/charts\/\w+\.svelte/.test(id)) return 'charts';
          if (/\/src\/(views\/Tasks?\.svelte|components\/(JsonTree|TaskLine|Value|VirtualTable|Waterfall)\.svelte)/.test(id)) return 'tasks';
          if (/\/src\/(views\/\w+|components\/(Charts|ErrorRows|Tiles))\.svelte/.test(id)) return 'views';
          if (/\/node_modules\/|\/src\/(components|charts|format|state|api|query|live|router)\//.test(id)) return 'shared';
          return undefined;
        },
      },
    },
    reportCompressedSize: true,
  },
  server: {
    port: 5173,
    proxy: {
      '/api': { target: process.env.UMBEL_COLLECTOR ?? 'http://127.0.0.1:5555', ws: true },
      '/task': { target: process.env.UMBEL_COLLECTOR ?? 'http://127.0.0.1:5555' },
    },
  },
});
