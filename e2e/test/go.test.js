import { judge } from '../lib/driver.js';

await judge({
  sdk: 'flagsmith-go-client',
  version: process.env.FLAGSTAFF_E2E_GO_VERSION ?? '',
  command: process.env.FLAGSTAFF_E2E_GO && [process.env.FLAGSTAFF_E2E_GO],
  reason: process.env.FLAGSTAFF_E2E_GO_MISSING,
});
