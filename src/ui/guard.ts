import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { networkInterfaces, hostname as ownName } from "node:os";

/** Sent with every answer. Scripts and styles come from files of the server alone; nobody puts the page into a frame. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
};

/** Cookies belong to all ports of a name: each server has its own. */
export const cookieName = (port: number) => `rotor-token-${port}`;

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];

export const isLoopback = (host: string) => loopbackNames.includes(host) || host === "::1";

/** A name under which others find what listens at `host`: all addresses of a machine aren't one that can be opened. */
export function reachedAt(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return own.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "localhost";
}

export interface GuardOptions {
  readonly host: string;
  readonly port: number;
  /** Null on loopback. */
  readonly token: string | null;
}

/** Names under which the server may be asked: another one is a page elsewhere whose name was turned to this machine. */
function allowedNames({ host }: GuardOptions): Set<string> {
  if (isLoopback(host)) return new Set(loopbackNames);
  const own = Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address, family }) => (family === "IPv6" ? `[${address}]` : address)),
  );
  return new Set([...loopbackNames, host, ownName(), ...own].map((name) => name.toLowerCase()));
}

const digest = (text: string) => createHash("sha256").update(text).digest();
const isSame = (a: string, b: string) => timingSafeEqual(digest(a), digest(b));

function cookieOf(request: IncomingMessage, wanted: string): string | null {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=");
    if (name === wanted && value !== undefined) return value;
  }
  return null;
}

export type Verdict =
  | { readonly kind: "allowed" }
  /** The token came in the address: it is put into a cookie, and taken out of the address. */
  | { readonly kind: "signed in"; readonly token: string }
  | { readonly kind: "refused"; readonly status: 401 | 403 | 421; readonly message: string };

/** Whether a request comes from the page itself, and from somebody who may see it. */
export function judge(request: IncomingMessage, url: URL, options: GuardOptions): Verdict {
  const refused = (status: 401 | 403 | 421, message: string): Verdict => ({
    kind: "refused",
    status,
    message,
  });
  const given = (request.headers.host ?? "").toLowerCase();
  const name = given.replace(/:\d+$/, "");
  const port = Number(/:(\d+)$/.exec(given)?.[1] ?? 80);
  if (!allowedNames(options).has(name) || port !== options.port)
    return refused(421, "this server isn't reached by that name, only by that which it listens at");
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  if (origin !== undefined && origin !== `http://${given}`)
    return refused(403, "asked by a page of another origin");
  // Whoever follows a link comes from elsewhere, and gets the page alone.
  const isNavigation = request.headers["sec-fetch-mode"] === "navigate" && request.method === "GET";
  if (
    site !== undefined &&
    site !== "same-origin" &&
    site !== "none" &&
    !(isNavigation && url.pathname === "/")
  )
    return refused(403, "asked by a page of another origin");
  if (request.method !== "GET" && request.method !== "HEAD" && origin === undefined)
    return refused(403, "expected the header Origin");
  const { token } = options;
  if (token === null) return { kind: "allowed" };
  const inAddress = url.searchParams.get("token");
  if (inAddress !== null && url.pathname === "/" && isSame(inAddress, token))
    return { kind: "signed in", token };
  const cookie = cookieOf(request, cookieName(options.port));
  if (cookie !== null && isSame(cookie, token)) return { kind: "allowed" };
  return refused(401, "expected the token: open the address that rotor ui printed");
}
