//! Hears what other servers say (`NOTIFY`). Whoever listens also looks by itself now and then, so
//! that a lost connection costs a moment and nothing else.

use super::connect::{Target, cause};
use crate::StoreError;
use crate::notice::{CHANNEL, Notices};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_postgres::{AsyncMessage, NoTls};

const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Listener {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Listener {
    pub(super) fn stop(&self) {
        // Dropping the sender ends the thread's loop.
        drop(
            self.stop
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

pub(super) fn spawn(target: &Arc<Target>, notices: Notices) -> Result<Listener, StoreError> {
    let engine = |error: std::io::Error| StoreError::Engine(error.to_string());
    let target = Arc::clone(target);
    let (stop, mut stopping) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(engine)?;
    let thread = std::thread::Builder::new()
        .name("tenure-listen".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    let ended = tokio::select! {
                        ended = listen(&target, &notices) => ended,
                        _ = &mut stopping => return,
                    };
                    if let Err(error) = ended {
                        tracing::debug!(error = cause(&error), "listening ended");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        _ = &mut stopping => return,
                    }
                }
            });
        })
        .map_err(engine)?;
    Ok(Listener {
        stop: Mutex::new(Some(stop)),
        thread: Mutex::new(Some(thread)),
    })
}

async fn listen(target: &Target, notices: &Notices) -> Result<(), tokio_postgres::Error> {
    match &target.tls {
        None => {
            let (client, connection) = target.config.connect(NoTls).await?;
            hear(client, connection, notices).await
        }
        Some(tls) => {
            let (client, connection) = target.config.connect(tls.clone()).await?;
            hear(client, connection, notices).await
        }
    }
}

async fn hear<S, T>(
    client: tokio_postgres::Client,
    mut connection: tokio_postgres::Connection<S, T>,
    notices: &Notices,
) -> Result<(), tokio_postgres::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let statement = format!("LISTEN {CHANNEL}");
    let mut asked = std::pin::pin!(client.batch_execute(&statement));
    let mut listening = false;
    loop {
        let message = tokio::select! {
            done = &mut asked, if !listening => {
                done?;
                listening = true;
                // Whatever was said while nobody listened is lost: everybody looks once.
                notices.missed();
                continue;
            }
            message = std::future::poll_fn(|context| connection.poll_message(context)) => message,
        };
        match message {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                notices.hear(notification.payload());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => return Ok(()),
        }
    }
}
