//! Holding a database thread still, and closures that wait behind it: order without sleeping.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use tenure_store::{Store, StoreError, Tx};

/// A closure that stays inside its transaction until it is let go.
pub struct Held<T> {
    go: Sender<()>,
    thread: JoinHandle<Result<T, StoreError>>,
}

impl<T> Held<T> {
    pub fn let_go(self) -> Result<T, StoreError> {
        drop(self.go);
        self.thread.join().unwrap()
    }
}

/// Runs `before` in a write transaction, answers once that is done, and stays in it.
pub fn hold_writer<F>(store: &Store, before: F) -> Held<()>
where
    F: FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
{
    let (go, gate) = channel::<()>();
    let (inside, is_inside) = channel();
    let store = store.clone();
    let thread = std::thread::spawn(move || {
        store.write_blocking(move |tx| {
            before(tx)?;
            inside.send(()).unwrap();
            // Whoever lets go drops the sender.
            gate.recv().unwrap_err();
            Ok(())
        })
    });
    is_inside.recv().unwrap();
    Held { go, thread }
}

/// Runs `before` in a read transaction, stays in it, and runs `after` when it is let go.
pub fn hold_reader<A, B, T>(store: &Store, before: B, after: A) -> Held<T>
where
    T: Send + 'static,
    B: FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    A: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let (go, gate) = channel::<()>();
    let (inside, is_inside) = channel();
    let store = store.clone();
    let thread = std::thread::spawn(move || {
        store.read_blocking(move |tx| {
            before(tx)?;
            inside.send(()).unwrap();
            gate.recv().unwrap_err();
            after(tx)
        })
    });
    is_inside.recv().unwrap();
    Held { go, thread }
}

/// Tells other threads to stop, also when the test that says so fails: they would run on, and the
/// test would hang instead of failing.
pub struct Done<'a>(pub &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A closure that stands in the queue.
pub struct Waiting<T> {
    future: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>,
    answer: Option<Result<T, StoreError>>,
}

impl<T> Waiting<T> {
    pub fn is_answered(&mut self) -> bool {
        if self.answer.is_none()
            && let Poll::Ready(answer) = self
                .future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        {
            self.answer = Some(answer);
        }
        self.answer.is_some()
    }

    pub fn answer(self) -> Result<T, StoreError> {
        self.answer.unwrap_or_else(|| block_on(self.future))
    }
}

/// Puts a writing closure into the queue and does not wait for it.
pub fn enqueue<T, F>(store: &Store, work: F) -> Waiting<T>
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let store = store.clone();
    started(async move { store.write(work).await })
}

/// The same for a reading one.
pub fn enqueue_read<T, F>(store: &Store, work: F) -> Waiting<T>
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let store = store.clone();
    started(async move { store.read(work).await })
}

fn started<T>(future: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Waiting<T> {
    let mut waiting = Waiting {
        future: Box::pin(future),
        answer: None,
    };
    // A future does nothing before it is polled: the first poll is what puts it into the queue.
    waiting.is_answered();
    waiting
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A write that must succeed.
pub fn write<T, F>(store: &Store, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    store.write_blocking(work).unwrap()
}

/// A read that must succeed.
pub fn read<T, F>(store: &Store, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    store.read_blocking(work).unwrap()
}

/// What meta says under a name.
pub fn meta(store: &Store, name: &'static str) -> Option<String> {
    read(store, move |tx| tx.meta(name))
}
