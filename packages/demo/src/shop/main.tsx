/** The shop: React. Its refresh tokens end with the session, and are in a worker, out of reach of scripts. */
import { createRoot } from 'react-dom/client';
import { Account } from '../account.ts';
import { Panel } from '../panel.ts';
import { Shop } from './shop.tsx';

const account = new Account('read:orders', { refreshTokenMode: 'online' });

createRoot(document.getElementById('site') as HTMLElement).render(<Shop account={account} />);
await account.begin();
new Panel(account);
await account.signOutIfAsked();
