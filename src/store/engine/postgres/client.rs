//! A connection to PostgreSQL whose calls wait on the calling thread.
//!
//! The library is asynchronous, and each connection has a runtime of its own, which runs only
//! while a call waits. A statement can therefore be sent before the outcome of the one before it
//! is there ([`Client::send`]), and several travel together.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{self, Future};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{BorrowToSql, ToSql, Type};
use tokio_postgres::{AsyncMessage, Config, Error, Row, Socket, Statement};

use crate::store::engine::error::Error as StoreError;
use crate::store::engine::postgres::value::parameters;
use crate::store::engine::value::Value;

/// The longest time that the end of a connection takes. The server ends its session anyway.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// A connection. Dropping it closes it, on a thread without a runtime.
pub(crate) struct Client {
    runtime: Runtime,
    /// `None` once the connection is being closed.
    sender: Option<Arc<tokio_postgres::Client>>,
    /// Moves the bytes while a call waits. It ends with the connection.
    connection: Option<JoinHandle<()>>,
    /// The longest wait for what a call asks, after which the connection is given up.
    answer_time_max: Cell<Option<Duration>>,
    notices: RefCell<UnboundedReceiver<String>>,
    /// The reason why the connection ended, until a call has returned it.
    end: Arc<Mutex<Option<Error>>>,
}

/// The outcome of a statement that was sent: the number of rows that it has changed.
pub(super) type Sent = Begun<u64>;

/// The rows of a query that was sent.
pub(super) type SentQuery = Begun<Vec<Row>>;

/// The answer to a statement that was sent, once it is here.
type Begun<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// Rows on their way into a table.
pub(crate) struct CopyIn<'a> {
    client: &'a Client,
    writer: Pin<Box<BinaryCopyInWriter>>,
}

/// Returns the runtime of a new connection.
///
/// # Errors
///
/// Fails if the process may open no more files.
pub(super) fn new_runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

impl Client {
    /// Opens a connection that is driven by this runtime. Returns `None` if it is not open in time.
    pub(super) fn connect<T>(
        runtime: Runtime,
        config: &Config,
        tls: T,
        time_max: Duration,
    ) -> Result<Option<Self>, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let connecting = runtime.block_on(async { time::timeout(time_max, config.connect(tls)).await });
        let Ok(connected) = connecting else {
            return Ok(None);
        };
        let (sender, mut connection) = connected?;
        let (notices, heard) = mpsc::unbounded_channel();
        let end = Arc::<Mutex<Option<Error>>>::default();
        let told_end = Arc::clone(&end);
        let connection = runtime.spawn(async move {
            while let Some(message) = future::poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    // The receiver is dropped with the client.
                    Ok(AsyncMessage::Notification(notice)) => drop(notices.send(notice.payload().to_owned())),
                    Ok(_) => {}
                    Err(error) => {
                        *told_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                }
            }
        });
        Ok(Some(Self {
            runtime,
            sender: Some(Arc::new(sender)),
            connection: Some(connection),
            answer_time_max: Cell::new(None),
            notices: RefCell::new(heard),
            end,
        }))
    }

    /// Limits the wait for the answer to each call. A server that hangs closes no connection, and
    /// the limits that it keeps itself do not take effect.
    pub(super) fn limit_answers(&self, time_max: Duration) {
        self.answer_time_max.set(Some(time_max));
    }

    /// Lets each call wait for any time.
    pub(super) fn never_limit_answers(&self) {
        self.answer_time_max.set(None);
    }

    /// Runs work that may wait for any time.
    pub(super) fn without_limit<T>(&self, work: impl FnOnce() -> T) -> T {
        let limit = self.answer_time_max.take();
        let done = work();
        self.answer_time_max.set(limit);
        done
    }

    /// Waits for an outcome, during which the connection is read and written. Without one in time,
    /// the connection is closed, and the outcome says so.
    pub(super) fn wait<T>(&self, outcome: impl Future<Output = T>) -> T {
        let mut answer = None;
        self.drive(pin!(async { answer = Some(outcome.await) }));
        answer.expect("work that has ended has an outcome")
    }

    /// Waits as [`Client::wait`] does, for work of one type, so that the runtime's code for a wait is
    /// compiled once.
    fn drive(&self, mut work: Pin<&mut dyn Future<Output = ()>>) {
        let Some(time_max) = self.answer_time_max.get() else {
            return self.runtime.block_on(work);
        };
        self.runtime.block_on(async {
            if time::timeout(time_max, work.as_mut()).await.is_ok() {
                return;
            }
            log::warn!(
                "PostgreSQL has not answered for {} s, its connection is closed",
                time_max.as_secs()
            );
            if let Some(connection) = &self.connection {
                connection.abort();
            }
            work.await;
        });
    }

    /// Returns the reason why the connection ended, if that is what an outcome says.
    pub(super) fn cause_of(&self, error: Error) -> Error {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.take_if(|_| error.is_closed()).unwrap_or(error)
    }

    /// Waits for the outcome of one call.
    fn call<T>(&self, outcome: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.wait(outcome).map_err(|error| self.cause_of(error))
    }

    /// Returns the means to send to the server. The answers must be waited for with
    /// [`Client::wait`].
    pub(super) fn sender(&self) -> &Arc<tokio_postgres::Client> {
        self.sender.as_ref().expect("only a dropped connection has none")
    }

    /// Returns true if the connection was found to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.sender().is_closed()
    }

    /// Sends a statement without waiting for its outcome. It leaves with the next call that waits,
    /// after all that was sent before it and before the statement of that call.
    pub(super) fn send<V>(&self, statement: Statement, values: Vec<V>) -> Result<Sent, Error>
    where
        V: BorrowToSql + Send + 'static,
    {
        let sender = Arc::clone(self.sender());
        begun(Box::pin(async move { sender.execute_raw(&statement, values).await }))
    }

    /// Sends statements without values, which are expected to change no row, as [`Client::send`]
    /// does.
    pub(super) fn send_batch(&self, sql: &'static str) -> Result<Sent, Error> {
        let sender = Arc::clone(self.sender());
        begun(Box::pin(async move { sender.batch_execute(sql).await.map(|()| 0) }))
    }

    /// Sends a query without waiting for its rows, as [`Client::send`] does.
    pub(super) fn send_query<V>(&self, statement: Statement, values: Vec<V>) -> Result<SentQuery, Error>
    where
        V: BorrowToSql + Send + 'static,
    {
        let sender = Arc::clone(self.sender());
        begun(Box::pin(async move {
            let rows = sender.query_raw(&statement, values).await?;
            rows.try_collect().await
        }))
    }

    pub(crate) fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        self.call(self.sender().execute(sql, values))
    }

    pub(super) fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.call(self.sender().query(sql, values))
    }

    pub(super) fn query_one(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.call(self.sender().query_one(sql, values))
    }

    pub(crate) fn query_opt(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Error> {
        self.call(self.sender().query_opt(sql, values))
    }

    /// Runs statements without values, in one round trip.
    pub(super) fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.call(self.sender().batch_execute(sql))
    }

    /// Returns the types of the columns of a query.
    pub(super) fn column_types(&self, sql: &str) -> Result<Vec<Type>, Error> {
        let selected = self.call(self.sender().prepare(sql))?;
        Ok(selected.columns().iter().map(|column| column.type_().clone()).collect())
    }

    /// Begins to add rows with columns of these types by a `COPY` statement.
    pub(super) fn copy_in(&self, sql: &str, types: &[Type]) -> Result<CopyIn<'_>, Error> {
        let sink = self.call(self.sender().copy_in::<_, Bytes>(sql))?;
        Ok(CopyIn {
            client: self,
            writer: Box::pin(BinaryCopyInWriter::new(sink, types)),
        })
    }

    /// Waits for notices that this connection listens to, no longer than this, and returns all that
    /// have come.
    pub(super) fn notices(&self, time_max: Duration) -> Result<Vec<String>, Error> {
        let mut heard = self.notices.borrow_mut();
        let first = self.wait(async { time::timeout(time_max, heard.recv()).await });
        match first {
            // The connection is closed. The next call says why.
            Ok(None) => self.batch_execute("").map(|()| Vec::new()),
            Ok(Some(first)) => {
                let mut all = vec![first];
                while let Ok(next) = heard.try_recv() {
                    all.push(next);
                }
                Ok(all)
            }
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// Puts a statement into the queue of its connection, which the first poll does.
fn begun<T: Send + 'static>(mut sent: Begun<T>) -> Result<Begun<T>, Error> {
    match sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Ok(sent),
        Poll::Ready(outcome) => outcome.map(|value| -> Begun<T> { Box::pin(future::ready(Ok(value))) }),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(connection) = self.connection.take() {
            // After the timeout the runtime is dropped, and the socket with it.
            drop(self.wait(async { time::timeout(CLOSE_MAX, connection).await }));
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl CopyIn<'_> {
    /// Adds a row with these values.
    pub(crate) fn write(&mut self, values: &[Value<'_>]) -> Result<(), StoreError> {
        Ok(self.client.call(self.writer.as_mut().write(&parameters(values)))?)
    }

    /// Adds the rows to the table. Without this they are dropped, and the transaction with them.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        Ok(self.client.call(self.writer.as_mut().finish()).map(drop)?)
    }
}
