/** A text as an SQL literal, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const escaped = text.replaceAll("'", "''").replaceAll('\\', '\\\\');
  return escaped.includes('\\') ? `E'${escaped}'` : `'${escaped}'`;
}
