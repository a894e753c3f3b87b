import { defineConfig } from "vite";

export default defineConfig({
  // The page may lie in any folder of a site.
  base: "./",
  // ONNX Runtime finds its WebAssembly beside its own file, from which the development server must not move it.
  optimizeDeps: { exclude: ["onnxruntime-web"] },
});
