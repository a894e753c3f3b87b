import { ConfigError } from "../errors.ts";

/** Where a PostgreSQL database is, and how to speak of it. */
export interface DatabaseAddress {
  readonly url: string;
  /** Without the password and without parameters. */
  readonly shown: string;
  /** A message of the driver in one line, without the password, should it be in there. */
  cleaned(message: string): string;
}

/**
 * Reads `ROTOR_DATABASE_URL`.
 *
 * @throws ConfigError, without the value, as it may hold a password
 */
export function databaseAddress(text: string): DatabaseAddress {
  const url = URL.parse(text);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "")
    throw new ConfigError("ROTOR_DATABASE_URL: expected postgres://user:password@host:port/database");
  const user = url.username === "" ? "" : `${url.username}@`;
  const secrets = [url.password, url.searchParams.get("password") ?? ""]
    .flatMap((secret) => {
      try {
        return [secret, decodeURIComponent(secret)];
      } catch {
        return [secret];
      }
    })
    .filter((secret) => secret !== "");
  return {
    url: text,
    shown: `${url.protocol}//${user}${url.host}${url.pathname}`,
    cleaned: (message) =>
      secrets.reduce((line, secret) => line.replaceAll(secret, "***"), message.split("\n")[0]!),
  };
}

/** Codes of errors of the network, and of a server that stops, starts or is full. */
const passing = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOTFOUND",
  "57P01",
  "57P02",
  "57P03",
  "53300",
  // Serialization failures and deadlocks: the transaction did nothing and may be repeated.
  "40001",
  "40P01",
]);

/** Whether an error says that the database is away for now, rather than that something is wrong. */
export function isAway(error: unknown): boolean {
  const { code, message, errors } = error as { code?: string; message?: string; errors?: unknown[] };
  // Both addresses of a name that were tried.
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isAway);
  if (code !== undefined) return passing.has(code) || code.startsWith("08");
  return /connection terminated|timeout exceeded when trying to connect|query read timeout|not queryable|socket/i.test(
    message ?? "",
  );
}

/** The message of an error; an `AggregateError` of connections has it in its parts only. */
export function messageOf(error: unknown): string {
  const { message, errors } = error as { message?: string; errors?: unknown[] };
  if ((message === undefined || message === "") && Array.isArray(errors) && errors.length > 0)
    return messageOf(errors[0]);
  return message ?? String(error);
}
