import { SessionTimeoutModal, useSession, useTenure } from '@tenure/react';
import { useCallback, useEffect, useState } from 'react';
import type { Account } from '../account.ts';
import { reasonInWords } from '../words.ts';
import { Picture, type Piece } from './pictures.tsx';

interface Order {
  id: string;
  what: string;
  piece: Piece;
  state: string;
}

export function Shop({ account }: { account: Account }) {
  const { isLoading, isAuthenticated, user, error } = useTenure();
  useEffect(() => {
    if (!isLoading) void account.obey();
  }, [account, isLoading]);
  return (
    <>
      <header className="top">
        <span className="brand">Oak &amp; Ember</span>
        <nav aria-label="Account">
          {isAuthenticated && <span className="who">{user?.name}</span>}
          {isAuthenticated ? (
            <button type="button" className="plain" onClick={() => void account.signOut()}>Sign out</button>
          ) : (
            <button type="button" className="primary" onClick={() => void account.signIn()}>Sign in</button>
          )}
        </nav>
      </header>
      <main>
        {error && <p className="problem" role="alert">{error.message}</p>}
        <Ended />
        {isAuthenticated ? <Orders account={account} /> : <Welcome />}
      </main>
      {/* The landing page after the end is this one: what the panel shows then is worth seeing. */}
      <SessionTimeoutModal atEnd={{ goTo: '/' }} />
    </>
  );
}

function Ended() {
  const { status, reason } = useSession();
  return status === 'ended' ? <p className="notice" role="status">The session is over: {reasonInWords(reason)}.</p> : null;
}

const SHOWN: [Piece, string, string][] = [
  ['desk', 'Walnut desk', '€ 890'],
  ['lamp', 'Brass lamp', '€ 140'],
  ['chair', 'Linen armchair', '€ 620'],
];

function Welcome() {
  return (
    <>
      <h1>Furniture that outlasts its maker</h1>
      <p className="lead">Sign in as ada@example.com to see your orders; the password is printed in your terminal.</p>
      <ul className="pieces">
        {SHOWN.map(([piece, name, price]) => (
          <li key={piece}>
            <Picture of={piece} />
            <strong>{name}</strong>
            <span>{price}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Orders({ account }: { account: Account }) {
  const [orders, setOrders] = useState<Order[]>([]);
  const [problem, setProblem] = useState<string>();
  const load = useCallback(async () => {
    try {
      setProblem(undefined);
      setOrders((await account.ask<{ orders: Order[] }>('/orders')).orders);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [account]);
  useEffect(() => void load(), [load]);
  return (
    <>
      <h1>Your orders</h1>
      {problem !== undefined && <p className="problem" role="alert">{problem}</p>}
      <ul className="orders">
        {orders.map(({ id, what, piece, state }) => (
          <li key={id}>
            <Picture of={piece} />
            <strong>{what}</strong>
            <span>No. {id} · {state}</span>
          </li>
        ))}
      </ul>
      <button type="button" className="plain" onClick={() => void load()}>Load again</button>
    </>
  );
}
