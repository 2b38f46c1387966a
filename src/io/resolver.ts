import type { ResolverTarget } from "../config/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resolver } from "../ports/resolver.ts";
import { isSameAddress } from "./ip_text.ts";
