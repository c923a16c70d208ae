/** A condition on a label in braces. */
interface Matcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** What a PromQL expression reads: metrics with their conditions, and labels by which it groups or joins. */
interface ReadParts {
  readonly selectors: readonly Selector[];
  readonly labels: readonly string[];
}

const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
/** What follows the name of an aggregation where its brackets do not. */
const AGGREGATED = new Set(['by', 'without']);
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset']);
const TOKEN =
  /(?<range>\[[^\]]*\])|(?<text>"(?:[^"\\]|\\.)*")|(?<matchers>\{[^}]*\})|(?<name>[a-zA-Z_:][\w:]*)|(?<open>\()|(?<close>\))|(?<other>\S)/g;
const MATCHER = /^\s*(?<label>[a-zA-Z_]\w*)\s*(?<operator>=~|!~|!=|=)\s*"(?<value>(?:[^"\\]|\\.)*)"\s*$/;

/**
 * Reads names and labels out of an expression of the kind that our rules and dashboards use; it does not check its
 * grammar.
 *
 * @throws SyntaxError where braces hold something else than conditions.
 */
export function readPromql(expression: string): ReadParts {
  const tokens = [...expression.matchAll(TOKEN)].map(({ groups = {} }) => groups);
  const selectors: Selector[] = [];
  const labels: string[] = [];
  let isGrouping = false;
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (token['close'] !== undefined) isGrouping = false;
    const name = token['name'];
    if (name === undefined) return;
    if (isGrouping) labels.push(name);
    else if (GROUPING.has(name)) isGrouping = next?.['open'] !== undefined;
    else if (!WORDS.has(name) && !AGGREGATED.has(next?.['name'] ?? '') && next?.['open'] === undefined)
      selectors.push({ metric: name, matchers: readMatchers(next?.['matchers']) });
  });
  return { selectors, labels };
}

/** The samples of Prometheus' text format: for each metric the labels of each of its samples. */
export function readSamples(text: string): Map<string, Readonly<Record<string, string>>[]> {
  const samples = new Map<string, Record<string, string>[]>();
  for (const line of text.split('\n')) {
    const match = /^(?<metric>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? \S+$/.exec(line);
    if (!match?.groups) continue;
    const { metric = '', labels = '' } = match.groups;
    const entries = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => [
      label,
      value,
    ]);
    samples.set(metric, [...(samples.get(metric) ?? []), Object.fromEntries(entries) as Record<string, string>]);
  }
  return samples;
}

function readMatchers(braces: string | undefined): Matcher[] {
  if (braces === undefined) return [];
  const parts = braces.slice(1, -1).match(/[^,"]*"(?:[^"\\]|\\.)*"[^,"]*|[^,"]+/g) ?? [];
  return parts.map((part) => {
    const { label, operator, value } = MATCHER.exec(part)?.groups ?? {};
    if (label === undefined || operator === undefined || value === undefined)
      throw new SyntaxError(`${part} is no condition on a label`);
    return { label, operator: operator as Matcher['operator'], value };
  });
}
