import { byId, setText } from './element.ts';

type Choice = 'auto' | 'light' | 'dark';

const NEXT: Readonly<Record<Choice, Choice>> = { auto: 'light', light: 'dark', dark: 'auto' };
const GLYPH: Readonly<Record<Choice, string>> = { auto: '◐', light: '☀', dark: '☾' };

/**
 * Light, dark, or as the system prefers (`auto`), with the switch in the header. The choice is kept in the browser where
 * it lets us.
 *
 * @param onChange called after each change, the system's too: a canvas does not take its colours from a style sheet.
 */
export function startTheme(onChange: () => void): { readonly next: () => void } {
  const button = byId('theme');
  const root = document.documentElement;
  const choice = (): Choice => {
    const theme = root.dataset['theme'];
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
  };
  const show = () => {
    setText(byId('theme-glyph'), GLYPH[choice()]);
    setText(byId('theme-name'), choice());
    button.title = `Colours: ${choice()}. Press for ${NEXT[choice()]} (t)`;
    onChange();
  };
  const next = () => {
    const chosen = NEXT[choice()];
    root.dataset['theme'] = chosen;
    try {
      localStorage.setItem('theme', chosen);
    } catch {
      // Not kept, then: it holds as long as this page.
    }
    show();
  };
  button.addEventListener('click', next);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  show();
  return { next };
}

/** Reads the colours of the style sheet as the canvas needs them: resolved for the theme that holds now. */
export function readColours<Name extends string>(names: readonly Name[]): Record<Name, string> {
  const probe = document.createElement('span');
  probe.hidden = true;
  // High contrast would answer one colour for all.
  probe.style.setProperty('forced-color-adjust', 'none');
  document.body.append(probe);
  const entries = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(entries) as Record<Name, string>;
}
