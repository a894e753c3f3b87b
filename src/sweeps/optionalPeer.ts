import { ConfigError } from "../errors.ts";

/**
 * A package that only some people need, and install themselves.
 *
 * @param purpose - what needs it, for the message
 * @throws ConfigError naming what to install
 */
export async function optionalPeer<T>(
  purpose: string,
  names: readonly string[],
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigError(
      `${purpose}: ${names.length === 1 ? "the package" : "the packages"} ${names.join(" and ")} must be installed: npm install ${names.join(" ")}`,
      { cause: error },
    );
  }
}
