import { EngineError } from "../errors.ts";

/** ONNX Runtime's JavaScript package: onnxruntime-web in a browser, onnxruntime-node in Node. */
export type OnnxPackage = typeof import("#onnxruntime");

/** The version of onnxruntime-web that the graphs are tested with, as in package.json. */
export const webPackage = "onnxruntime-web@1.30.0";

/** Whether this is Node, whose graphics drivers are called otherwise than a browser's. */
export const isNode = (globalThis as { process?: NodeJS.Process }).process?.versions?.node !== undefined;

let loaded: Promise<OnnxPackage> | undefined;

/**
 * Loads ONNX Runtime's package when something is first run: a page that runs nothing in it needs none.
 *
 * @throws EngineError naming the command that installs it, where a bundle was made without it
 */
export function onnxPackage(): Promise<OnnxPackage> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<OnnxPackage> {
  try {
    // Where the package isn't installed, bundlers leave an import that fails in the page.
    return await import("#onnxruntime");
  } catch (error) {
    loaded = undefined;
    const advice = isNode
      ? "onnxruntime-node can't be loaded; install the packages again, with optional ones"
      : `its package can't be loaded in this page; npm install ${webPackage}, and build the page again`;
    throw new EngineError(`ONNX Runtime: ${advice} (${(error as Error).message})`, { cause: error });
  }
}
