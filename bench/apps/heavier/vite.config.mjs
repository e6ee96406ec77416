import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
// biome-ignore lint/style/noDefaultExport: Vite wants it so
export default defineConfig({
  root: 'client',
  base: '/app/',
  plugins: [react()],
  build: { outDir: '../dist/public', emptyOutDir: true },
  css: { postcss: { plugins: [] } },
})
