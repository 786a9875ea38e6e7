/** The shop: React. Its refresh tokens end with the session, and are in a worker, out of reach of scripts. */
import { TenureProvider } from '@tenure/react';
import { createRoot } from 'react-dom/client';
import { Account } from '../account.ts';
import { Panel } from '../panel.ts';
import { Shop } from './shop.tsx';

const account = new Account('read:orders', { refreshTokenMode: 'online' });

createRoot(document.getElementById('site') as HTMLElement).render(
  <TenureProvider client={account.client}>
    <Shop account={account} />
  </TenureProvider>,
);
new Panel(account);
