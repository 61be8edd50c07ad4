// Tells 404 from 405: remembers which methods each path has, and answers what matches none.

import { ApiFailure } from './failure.ts';
import type { FastifyReply, FastifyRequest } from './fastify.ts';

/** The paths of the application and their methods, learnt as routes are registered. */
export class RouteBook {
  readonly #methods = new Map<string, { readonly path: RegExp; readonly names: Set<string> }>();

  /** Takes a route in Fastify's notation: `/query/:user_id`, `/docs/*`. */
  add(url: string, methods: string | readonly string[]): void {
    const pattern = url
      .split('/')
      .map((part) => {
        if (part.startsWith(':')) return '[^/]+';
        return part === '*' ? '.*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
      })
      .join('/');
    const known = this.#methods.get(url) ?? {
      path: new RegExp(`^${pattern}$`),
      names: new Set<string>(),
    };
    for (const method of [methods].flat()) known.names.add(method);
    this.#methods.set(url, known);
  }

  /** The methods that `path` has under some route, in alphabetical order. */
  methodsOf(path: string): readonly string[] {
    const names = [...this.#methods.values()]
      .filter((route) => route.path.test(path))
      .flatMap((route) => [...route.names]);
    return [...new Set(names)].sort();
  }

  /** Fastify's handler of what has no route. @throws ApiFailure 405 with `allow`, or 404. */
  refuse(request: FastifyRequest, _reply: FastifyReply): never {
    const methods = this.methodsOf(request.url.split('?', 1)[0] ?? '');
    if (methods.length === 0) throw new ApiFailure(404, 'Not Found');
    throw new ApiFailure(405, 'Method Not Allowed', { headers: { allow: methods.join(', ') } });
  }
}
