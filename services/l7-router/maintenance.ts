import type { RouteConfig } from "#shared/config/schema/l7-router.ts";

/** Which routes are closed: by the config, or by an operator since. Lives on through a reload, by the name of the route. */
export class Maintenance {
  readonly #set = new Map<string, boolean>();

  isOn({ name, maintenance }: RouteConfig): boolean {
    const set = name === undefined ? undefined : this.#set.get(name);
    return set ?? maintenance?.on ?? false;
  }

  /** @returns false if no route is called so */
  set(routes: readonly RouteConfig[], name: string, on: boolean): boolean {
    if (!routes.some((route) => route.name === name)) return false;
    this.#set.set(name, on);
    return true;
  }

  /** Forgets what was set for routes that are gone. */
  keep(routes: readonly RouteConfig[]): void {
    for (const name of this.#set.keys()) if (!routes.some((route) => route.name === name)) this.#set.delete(name);
  }
}
