import { judge } from '../lib/browser.js';

await judge('@flagsmith/flagsmith', 'AT_FLAGSMITH');
