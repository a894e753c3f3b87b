import path from "node:path";

/**
 * Names that a store may hold and that must never become a path.
 *
 * @param root - a folder with `victim/` in it, and `home/runs/`, below which the names are meant to lie
 */
export function attackNames(root: string): string[] {
  return [
    "",
    ".",
    "..",
    "/",
    "./",
    "../",
    "../..",
    "../../victim",
    "../../victim/",
    "../../victim/file",
    "../../../../../../../../../etc/passwd",
    "good/../../../victim",
    "./../../victim",
    "..//..//victim",
    "a/../..",
    path.join(root, "victim"),
    `/${path.join(root, "victim")}`,
    "..\\..\\victim",
    "C:\\Windows",
    "\\\\server\\share",
    "good\0",
    "\0",
    "../../victim\0.json",
    "good\n../../victim",
    "\u001b[2Jgood",
    "good/",
    "/good",
    "good//x",
    "%2e%2e/%2e%2e/../../victim",
  ];
}
