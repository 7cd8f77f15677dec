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
        // Few files compress better than many: the frame, what is about tasks, the rest, the charts.
        manualChunks(id) {
          if (id.includes('uplot') || id.includes('/src/charts/')) return 'charts';
          if (/\/src\/(views\/(Tasks|Task)\.svelte|components\/(JsonTree|Menu|SearchField|TaskLine|Value|VirtualTable|Waterfall)\.svelte|format\/story|state\/(acting|task_list))/.test(id)) return 'tasks';
          if (/\/src\/views\/\w+\.svelte/.test(id)) return 'views';
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
