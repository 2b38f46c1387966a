/**
 * Every directive, defined once. The parser, the defaults, the problems, the printer, the reference and the JSON
 * Schema all read these tables.
 *
 * @module
 */
import { adminDirectives } from "./definitions_admin.ts";
import {
  coreDirectives,
  type FoldedSettings,
  mainDirectives,
  type MainDirectiveValues,
} from "./definitions_core.ts";
import { calloutFailoverDirectives, nextUpstreamDirectives } from "./definitions_failover.ts";
import { clientDirectives } from "./definitions_clients.ts";
import { limitDirectives, limitStoreDirectives } from "./definitions_limits.ts";
import { guardDirectives } from "./definitions_guard.ts";
import { calloutDirectives, smtpDirectives } from "./definitions_smtp.ts";
import { type CertificateLists, sslDirectives, type StatedOnly } from "./definitions_ssl.ts";
import { upstreamDirectives } from "./definitions_upstream.ts";
import type { Directive, DirectiveTable } from "./directive.ts";
import type { ListenEntry } from "./listen.ts";
import type { ServerSettings } from "./settings.ts";

/** The settings of a server as the directives give them, before what belongs together is joined. */
export type ServerDirectiveValues =
  & Omit<ServerSettings, "listen" | "ssl_certificates">
  & { readonly listen: readonly ListenEntry[] }
  & FoldedSettings
  & CertificateLists
  & StatedOnly;

/** Directives that hold once, directly under `mail:`. */
export const processDirectives: DirectiveTable<MainDirectiveValues> = {
  ...mainDirectives,
  ...adminDirectives,
  ...limitStoreDirectives,
};

const allServerDirectives = {
  ...coreDirectives,
  ...limitDirectives,
  ...calloutDirectives,
  ...calloutFailoverDirectives,
  ...smtpDirectives,
  ...clientDirectives,
  ...guardDirectives,
  ...upstreamDirectives,
  ...nextUpstreamDirectives,
  ...sslDirectives,
} satisfies DirectiveTable<ServerDirectiveValues>;

// A spread may bring rows that no setting knows, which `satisfies` lets pass; this line does not.
type Unknown = Exclude<keyof typeof allServerDirectives, keyof ServerDirectiveValues>;
const noUnknownDirective: [Unknown] extends [never] ? true : never = true;
void noUnknownDirective;

/** Directives of servers; those of context `both` may stand under `mail:` for all of them. */
export const serverDirectives: DirectiveTable<ServerDirectiveValues> = allServerDirectives;

/** A directive of which only the name is known. */
export type AnyDirective = Directive<unknown>;

/** All directives by name, in the order of the reference. */
export const directives: ReadonlyMap<string, AnyDirective> = new Map<string, AnyDirective>([
  ...Object.entries(processDirectives) as [string, AnyDirective][],
  ...Object.entries(serverDirectives) as [string, AnyDirective][],
]);
