import { judge } from '../lib/browser.js';

await judge('flagsmith', 'FLAGSMITH');
