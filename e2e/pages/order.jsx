// What both of the two sites have: a router that knows one private path, and an order that an API knows.
import { useState, useSyncExternalStore } from 'react';

// Routers listen to `popstate`.
function listen(changed) {
  addEventListener('popstate', changed);
  return () => removeEventListener('popstate', changed);
}

export function Route({ children }) {
  const path = useSyncExternalStore(listen, () => location.pathname);
  return path === '/orders/7' ? children : <p>Everybody may read this. <a href="/orders/7?from=mail">Order 7</a></p>;
}

// `ask(method)` asks the API with a token.
export function Order({ ask }) {
  const [answer, setAnswer] = useState('');
  window.privateRendered();
  const press = (method) => () => {
    setAnswer('');
    ask(method).then(setAnswer, (error) => setAnswer(`${error.error ?? error.code}: ${error.message}`));
  };
  return (
    <main>
      <h1>Order 7</h1>
      <button onClick={press('GET')}>Show</button> <button onClick={press('PUT')}>Change</button> <output id="answer">{answer}</output>
    </main>
  );
}
