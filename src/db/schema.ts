import type { ColumnType, GeneratedAlways } from 'kysely';
import type { Decimal } from '../market/decimal.ts';
import type { ColumnSnapshot, RelationSnapshot } from './migrator/read-snapshot.ts';
import type { SCHEMA_SNAPSHOT } from './schema-snapshot.ts';

type Tables = (typeof SCHEMA_SNAPSHOT)['tables'];
type View = (typeof SCHEMA_SNAPSHOT)['views']['recent_ohlcv'];

/**
 * Row types of all tables at the head revision, made from the snapshot of the schema. Columns are spelled as stored.
 * `numeric` arrives as an exact string, `timestamptz` as a Date, `bigint` as a string. Columns of a primary key are never
 * changed.
 */
export type Database = { -readonly [Name in keyof Tables]: Table<Tables[Name]> } & { recent_ohlcv: RecentOhlcvView };

type Table<T extends RelationSnapshot> = {
  -readonly [Name in keyof T['columns']]: Column<T['columns'][Name], Name extends KeyOf<T> ? true : false>;
};

type KeyOf<T extends RelationSnapshot> = T extends { readonly primaryKey: readonly (infer Name)[] } ? Name : never;

type Column<C extends ColumnSnapshot, IsKey extends boolean> = C extends {
  readonly default: `generated always ${string}`;
}
  ? GeneratedAlways<Read<C['type']> | Null<C>>
  : ColumnType<
      Read<C['type']> | Null<C>,
      Written<C['type']> | Null<C> | (C extends { readonly default: string } ? undefined : never),
      IsKey extends true ? never : Written<C['type']> | Null<C>
    >;

type Null<C extends ColumnSnapshot> = C extends { readonly nullable: true } ? null : never;

/** What the driver makes of a type as format_type spells it; `never` for those that no column of ours has. */
type Read<Type extends string> = Type extends `numeric${string}`
  ? Decimal
  : Type extends 'timestamp with time zone' | 'date'
    ? Date
    : Type extends 'integer'
      ? number
      : Type extends 'boolean'
        ? boolean
        : Type extends 'jsonb'
          ? unknown
          : Type extends 'text' | 'bigint' | `character varying${string}`
            ? string
            : never;

/** What it takes: a moment also as an ISO 8601 string, JSON and decimals as text. */
type Written<Type extends string> =
  Read<Type> extends Date ? Date | string : Read<Type> extends number | boolean ? Read<Type> : string;

/** The catalog keeps no NOT NULL of a view's columns: those of ohlcv_data are as they are there. */
type RecentOhlcvView = {
  -readonly [Name in keyof View['columns']]: Name extends keyof OhlcvDataTable
    ? OhlcvDataTable[Name]
    : Column<View['columns'][Name], false>;
};

export type OhlcvDataTable = Database['ohlcv_data'];
export type FuturesDataTable = Database['futures_data'];
/** A stretch of one series and metric (`ohlcv`, or a futures feed) in one state; those of one key never overlap. */
export type CoverageTable = Database['coverage'];
/** A stored candle whose values were replaced. */
export type CandleRevisionsTable = Database['candle_revisions'];
/** A row that an exchange sent and that cannot be stored; its `digest`: SHA-256 of reason and whole raw text. */
export type QuarantineTable = Database['quarantine'];
