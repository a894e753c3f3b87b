import type { UserConfig } from "vite";

export default {
  base: "./",
  build: {
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    // One file of each kind, by a fixed name: a page that is shared holds them.
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      output: {
        entryFileNames: "page.js",
        chunkFileNames: "[name].js",
        assetFileNames: "page[extname]",
        codeSplitting: false,
      },
    },
  },
  worker: {
    format: "es",
    rolldownOptions: {
      output: { entryFileNames: "[name].js", codeSplitting: false },
      // Positions are plain numbers: of jax-js, which other functions beside them use, nothing is needed.
      treeshake: { moduleSideEffects: (id: string) => !id.includes("@jax-js") },
    },
  },
} satisfies UserConfig;
