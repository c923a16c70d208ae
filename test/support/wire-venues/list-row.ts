import type { WireVenue } from '../wire-venue.ts';

/** `changeRow` for rows that are lists: time, open, high, low, close, volume, and more. */
export const changeListRow: WireVenue['changeRow'] = (row, { time, low, volume }) => {
  const changed = [...(row as readonly unknown[])];
  if (time !== undefined)
    changed[0] = typeof changed[0] === 'string' ? String(time(Number(changed[0]))) : time(Number(changed[0]));
  if (low !== undefined) changed[3] = low;
  if (volume !== undefined) changed[5] = volume;
  return changed;
};
