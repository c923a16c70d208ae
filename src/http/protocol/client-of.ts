import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** One household or server has a /64 (RFC 6177): its single addresses are not clients of their own. */
const GROUPS_OF_A_CLIENT = 4;

/** Whom a request counts for, by its address: an IPv4 address, or the /64 network of an IPv6 one. */
export function clientOf(address: string): string {
  if (!isIPv6(address)) return address.toLowerCase();
  // One way of writing, without the interface's name: hexadecimal groups in lower case.
  const { hostname } = new URL(`http://[${address.split('%', 1)[0]}]/`);
  const [front = [], back = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: GROUPS - front.length - back.length }, () => '0');
  const groups = [...front, ...zeros, ...back];
  // RFC 4291, 2.5.5.2: an IPv4 address on a socket that takes both kinds.
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff')
    return groups
      .slice(6)
      .map((group) => Number.parseInt(group, 16))
      .flatMap((pair) => [pair >> 8, pair & 255])
      .join('.');
  return `${groups.slice(0, GROUPS_OF_A_CLIENT).join(':')}::/64`;
}
