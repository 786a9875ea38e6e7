import { useEffect, useState, useSyncExternalStore } from 'react';
import type { Account } from '../account.ts';
import { reasonInWords } from '../words.ts';

interface Order {
  id: string;
  what: string;
  state: string;
}

export function Shop({ account }: { account: Account }) {
  const { client } = account;
  const { isAuthenticated, user } = useSyncExternalStore((changed) => client.subscribe(changed), () => client.authState);
  return (
    <>
      <header className="top">
        <span className="brand">Oak &amp; Ember</span>
        <nav aria-label="Account">
          {isAuthenticated ? (
            <>
              <span className="who">{user?.name ?? user?.email}</span>
              <button type="button" className="plain" onClick={() => void account.signOut()}>Sign out</button>
            </>
          ) : (
            <button type="button" className="primary" onClick={() => void account.signIn()}>Sign in</button>
          )}
        </nav>
      </header>
      <main>
        <Ended account={account} />
        {isAuthenticated ? <Orders account={account} /> : <Welcome account={account} />}
      </main>
    </>
  );
}

function Ended({ account: { client } }: { account: Account }) {
  const state = useSyncExternalStore((changed) => client.monitor.subscribe(changed), () => client.monitor.state);
  if (state.status !== 'ended') return null;
  return <p className="notice" role="status">The session is over: {reasonInWords(state.reason)}.</p>;
}

function Welcome({ account }: { account: Account }) {
  return (
    <>
      {account.problem !== undefined && <p className="problem" role="alert">{account.problem}</p>}
      <h1>Furniture that outlasts its maker</h1>
      <p className="lead">Sign in as ada@example.com to see your orders; the password is printed in your terminal.</p>
    </>
  );
}

function Orders({ account }: { account: Account }) {
  const [orders, setOrders] = useState<Order[]>([]);
  const [problem, setProblem] = useState<string>();
  const load = async () => {
    try {
      setProblem(undefined);
      setOrders((await account.ask<{ orders: Order[] }>('/orders')).orders);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  useEffect(() => void load(), []);
  return (
    <>
      <h1>Your orders</h1>
      {problem !== undefined && <p className="problem" role="alert">{problem}</p>}
      <ul className="orders">
        {orders.map((order) => (
          <li key={order.id}>
            <strong>{order.what}</strong>
            <span>No. {order.id}, {order.state}</span>
          </li>
        ))}
      </ul>
      <button type="button" className="plain" onClick={() => void load()}>Load again</button>
    </>
  );
}
