// Rows of the TPC-H tables, from a seed: of the benchmark's shapes and sizes, not its very numbers.

import type { TableName } from './schema.ts';

/** A source of whole numbers from `least` to `most`. */
export type Dice = (least: number, most: number) => number;

const REGIONS = ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'];
/** With the index of the region. */
const NATIONS: readonly (readonly [string, number])[] = [
  ['ALGERIA', 0],
  ['ARGENTINA', 1],
  ['BRAZIL', 1],
  ['CANADA', 1],
  ['EGYPT', 4],
  ['ETHIOPIA', 0],
  ['FRANCE', 3],
  ['GERMANY', 3],
  ['INDIA', 2],
  ['INDONESIA', 2],
  ['IRAN', 4],
  ['IRAQ', 4],
  ['JAPAN', 2],
  ['JORDAN', 4],
  ['KENYA', 0],
  ['MOROCCO', 0],
  ['MOZAMBIQUE', 0],
  ['PERU', 1],
  ['CHINA', 2],
  ['ROMANIA', 3],
  ['SAUDI ARABIA', 4],
  ['VIETNAM', 2],
  ['RUSSIA', 3],
  ['UNITED KINGDOM', 3],
  ['UNITED STATES', 1],
];
const words = (text: string): readonly string[] => text.split(' ');
const SEGMENTS = words('AUTOMOBILE BUILDING FURNITURE MACHINERY HOUSEHOLD');
const PRIORITIES = ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'];
const MODES = ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'];
const INSTRUCTIONS = ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'];
const TYPES = [
  words('STANDARD SMALL MEDIUM LARGE ECONOMY PROMO'),
  words('ANODIZED BURNISHED PLATED POLISHED BRUSHED'),
  words('TIN NICKEL BRASS STEEL COPPER'),
] as const;
const CONTAINERS = [
  words('SM LG MED JUMBO WRAP'),
  words('CASE BOX BAG JAR PKG PACK CAN DRUM'),
] as const;
const COLOURS = words(
  'almond azure blue chocolate coral cream forest green ivory lemon lime navy olive orchid peru plum red rose salmon tan',
);
const NOISE = words(
  'accounts among asymptotes bold carefully courts deposits even final foxes furiously ideas ironic packages pending quickly regular requests silent sleep special theodolites unusual',
);

/** Rows of each table at scale 1. */
const COUNTS = { supplier: 10_000, part: 200_000, customer: 150_000, orders: 1_500_000 } as const;
const SUPPLIERS_PER_PART = 4;
const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(1992, 0, 1);
const ORDER_DAYS = 2_405;
const NOW_DAY = (Date.UTC(1995, 5, 17) - FIRST_DAY) / DAY_MS;

const money = (cents: number): string => (cents / 100).toFixed(2);
const day = (number: number): string =>
  new Date(FIRST_DAY + number * DAY_MS).toISOString().slice(0, 10);
const numbered = (name: string, number: number): string =>
  `${name}#${String(number).padStart(9, '0')}`;

export class Rows {
  readonly #dice: Dice;
  readonly #scale: number;

  constructor(dice: Dice, scale: number) {
    this.#dice = dice;
    this.#scale = scale;
  }

  /** Of a table; those of orders and lineitem come with each other. */
  *of(table: Exclude<TableName, 'lineitem'>): Generator<{ table: TableName; values: Value[] }> {
    const rows = {
      region: () => REGIONS.map((name, i) => [i, name, this.#comment()]),
      nation: () => NATIONS.map(([name, region], i) => [i, name, region, this.#comment()]),
      supplier: () => this.#each('supplier', (key) => this.#supplier(key)),
      part: () => this.#each('part', (key) => this.#part(key)),
      partsupp: () => this.#suppliersOfParts(),
      customer: () => this.#each('customer', (key) => this.#customer(key)),
    };
    if (table === 'orders') return yield* this.#orders();
    for (const values of rows[table]()) yield { table, values };
  }

  #count(table: keyof typeof COUNTS): number {
    return Math.max(1, Math.round(COUNTS[table] * this.#scale));
  }

  *#each(table: keyof typeof COUNTS, row: (key: number) => Value[]): Generator<Value[]> {
    for (let key = 1; key <= this.#count(table); key++) yield row(key);
  }

  #pick(from: readonly string[]): string {
    return from[this.#dice(0, from.length - 1)]!;
  }

  #comment(): string {
    return Array.from({ length: this.#dice(3, 6) }, () => this.#pick(NOISE))
      .join(' ')
      .slice(0, 44);
  }

  #phone(nation: number): string {
    const dice = this.#dice;
    return `${nation + 10}-${dice(100, 999)}-${dice(100, 999)}-${dice(1000, 9999)}`;
  }

  #supplier(key: number): Value[] {
    const nation = this.#dice(0, NATIONS.length - 1);
    const complains = this.#dice(1, 12) === 1;
    const comment = complains ? 'final Customer deposits Complaints' : this.#comment();
    const balance = money(this.#dice(-99_999, 999_999));
    return [
      key,
      numbered('Supplier', key),
      `${key} road`,
      nation,
      this.#phone(nation),
      balance,
      comment,
    ];
  }

  #part(key: number): Value[] {
    const maker = this.#dice(1, 5);
    const name = Array.from({ length: 5 }, () => this.#pick(COLOURS)).join(' ');
    const type = TYPES.map((each) => this.#pick(each)).join(' ');
    const container = CONTAINERS.map((each) => this.#pick(each)).join(' ');
    const brand = `Brand#${maker}${this.#dice(1, 5)}`;
    const price = money(retailCents(key));
    return [
      key,
      name,
      `Manufacturer#${maker}`,
      brand,
      type,
      this.#dice(1, 50),
      container,
      price,
      this.#pick(NOISE),
    ];
  }

  *#suppliersOfParts(): Generator<Value[]> {
    for (let part = 1; part <= this.#count('part'); part++) {
      for (let i = 0; i < SUPPLIERS_PER_PART; i++) {
        const cost = money(this.#dice(100, 100_000));
        yield [part, this.#supplierOf(part, i), this.#dice(1, 9_999), cost, this.#comment()];
      }
    }
  }

  /** Another supplier for each i, where there are enough. */
  #supplierOf(part: number, i: number): number {
    const count = this.#count('supplier');
    const step = Math.max(1, Math.floor(count / SUPPLIERS_PER_PART));
    return ((part + i * step) % count) + 1;
  }

  #customer(key: number): Value[] {
    const nation = this.#dice(0, NATIONS.length - 1);
    const balance = money(this.#dice(-99_999, 999_999));
    return [
      key,
      numbered('Customer', key),
      `${key} street`,
      nation,
      this.#phone(nation),
      balance,
      this.#pick(SEGMENTS),
      this.#comment(),
    ];
  }

  *#orders(): Generator<{ table: TableName; values: Value[] }> {
    for (let number = 1; number <= this.#count('orders'); number++) {
      // Keys have gaps, and a third of the customers have no orders.
      const key = Math.floor((number - 1) / 8) * 32 + ((number - 1) % 8) + 1;
      const customers = Math.max(3, this.#count('customer'));
      let customer = this.#dice(1, customers);
      if (customer % 3 === 0) customer -= 1;
      const ordered = this.#dice(0, ORDER_DAYS - 121);
      const lines = Array.from({ length: this.#dice(1, 7) }, (_, i) =>
        this.#line(key, i + 1, ordered),
      );
      const open = lines.filter(({ status }) => status === 'O').length;
      const status = open === lines.length ? 'O' : open === 0 ? 'F' : 'P';
      const total = lines.reduce((sum, { cents }) => sum + cents, 0);
      const clerk = numbered('Clerk', this.#dice(1, 1_000)).slice(0, 15);
      const values = [
        key,
        customer,
        status,
        money(total),
        day(ordered),
        this.#pick(PRIORITIES),
        clerk,
        0,
        this.#comment(),
      ];
      yield { table: 'orders', values };
      for (const line of lines) yield { table: 'lineitem', values: line.values };
    }
  }

  #line(order: number, number: number, ordered: number) {
    const dice = this.#dice;
    const part = dice(1, this.#count('part'));
    const supplier = this.#supplierOf(part, dice(0, SUPPLIERS_PER_PART - 1));
    const quantity = dice(1, 50);
    const cents = quantity * retailCents(part);
    const shipped = ordered + dice(1, 121);
    const received = shipped + dice(1, 30);
    const status = shipped > NOW_DAY ? 'O' : 'F';
    const flag = received > NOW_DAY ? 'N' : this.#pick(['R', 'A']);
    const days = [shipped, ordered + dice(30, 90), received].map(day);
    const rates = [money(dice(0, 10)), money(dice(0, 8))];
    const ways = [this.#pick(INSTRUCTIONS), this.#pick(MODES), this.#comment()];
    const values: Value[] = [
      order,
      part,
      supplier,
      number,
      quantity,
      money(cents),
      ...rates,
      flag,
      status,
      ...days,
      ...ways,
    ];
    return { values, cents, status };
  }
}

type Value = string | number;

const retailCents = (part: number): number =>
  90_000 + (Math.floor(part / 10) % 20_001) + 100 * (part % 1_000);
