import { runExchangeConformance } from '../support/exchange-conformance/run-exchange-conformance.ts';
import { BINANCE } from '../support/wire-venues/binance.ts';
import { BITSTAMP } from '../support/wire-venues/bitstamp.ts';
import { BYBIT } from '../support/wire-venues/bybit.ts';
import { OKX } from '../support/wire-venues/okx.ts';

const UNIFIED = [
  {
    reason: "ccxt's unified call makes an empty list of what is none, before the adapter sees it",
    tests: ['is told as what it is: an envelope without rows'],
  },
];

runExchangeConformance(BINANCE);
runExchangeConformance(BYBIT, UNIFIED);
runExchangeConformance(OKX, UNIFIED);
runExchangeConformance(BITSTAMP, UNIFIED);
