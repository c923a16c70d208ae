export { findFundingHoles } from '../market/funding-slots.ts';
