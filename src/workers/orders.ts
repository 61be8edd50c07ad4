// Orders: what operators have done to the shards, for workers that come later.

import type { Order } from './messages.ts';

/** The command that takes each of them back. */
const OPPOSITES: Readonly<Record<string, string>> = {
  PAUSE: 'RESUME',
  RESUME: 'PAUSE',
  DISABLE: 'ENABLE',
  ENABLE: 'DISABLE',
};

/** `orders` with one more; what it makes void is left out, so that they stay few. */
export function withOrder(orders: readonly Order[], order: Order): readonly Order[] {
  const opposite = OPPOSITES[order.command];
  if (opposite === undefined) return orders;
  const isVoid = ({ command, argument }: Order): boolean =>
    (command === order.command || command === opposite) &&
    (order.argument === '' || argument === order.argument);
  return [...orders.filter((each) => !isVoid(each)), order];
}
