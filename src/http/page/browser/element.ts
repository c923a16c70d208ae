type Child = Node | string | null;

/**
 * An element with its classes, attributes and children. `name` may hold classes: `span.muted.number`. Texts become text
 * nodes: nothing that the service answers is ever read as markup.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  name: Tag | `${Tag}.${string}`,
  attributes: Readonly<Record<string, string | number | boolean>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const [tag = '', ...classes] = name.split('.');
  const created = document.createElement(tag) as HTMLElementTagNameMap[Tag];
  if (classes.length > 0) created.className = classes.join(' ');
  for (const [attribute, value] of Object.entries(attributes))
    if (value !== false) created.setAttribute(attribute, value === true ? '' : String(value));
  created.append(...children.filter((child) => child !== null));
  return created;
}

/**
 * The element of the document with this id.
 *
 * @throws Error where there is none: the document and the scripts are not of one build.
 */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}: load it again`);
  return found;
}

/** Sets a text only where it differs, so that what a person marked stays marked and screen readers stay quiet. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Replaces what is in `target`, unless it would look the same. Keeps the focus on a control with the same data-key. */
export function setContent(target: HTMLElement, ...children: readonly Child[]): void {
  const next = element('div', {}, ...children);
  if (next.innerHTML === target.innerHTML) return;
  const focused = document.activeElement;
  const key = focused instanceof HTMLElement && target.contains(focused) ? focused.dataset['key'] : undefined;
  target.replaceChildren(...next.childNodes);
  if (key !== undefined)
    [...target.querySelectorAll<HTMLElement>('[data-key]')].find(({ dataset }) => dataset['key'] === key)?.focus();
}
