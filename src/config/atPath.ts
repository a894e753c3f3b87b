import { ConfigError } from "../errors.ts";

/**
 * What a function of a section's options gives; what it refuses names the option by its path in a configuration, where the library's own
 * message begins with the option's name, else the section.
 *
 * @param section - path of the section
 * @throws ConfigError as the function
 */
export function atPath<T>(section: string, options: object, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [name] = /^\w+/.exec(error.message) ?? [];
    const isOption = name !== undefined && Object.hasOwn(options, name);
    throw new ConfigError(`config: ${section}${isOption ? "." : ": "}${error.message}`, { cause: error });
  }
}
