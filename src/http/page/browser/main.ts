import { Dashboard } from './dashboard.ts';
import { byId } from './element.ts';
import { startTheme } from './theme.ts';

const dashboard = new Dashboard();
const theme = startTheme(() => dashboard.recolour());

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
  if (event.key === '/') {
    event.preventDefault();
    byId('filter').focus();
  } else if (event.key === 't') theme.next();
});

dashboard.start();
