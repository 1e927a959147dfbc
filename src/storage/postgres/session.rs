//! Connections: a pool that reads, a pool that writes, a deadline on everything.
//!
//! Statements are sent unnamed and every setting ends with its transaction, so that a pooler which hands each transaction another
//! connection (PgBouncer) may stand between. A connection is used again only if its work ended as it should: whoever leaves early,
//! by a deadline, an error or because nobody waits any more, leaves a connection that is closed.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::{join, join3};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, RowStream};

use super::super::StoreError;
use super::error::{Failed, connect_error};
use super::server::{CONNECT_DEADLINE, Server};

/// A parameter and its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The server gives up a query after five seconds: its reader has gone. Compiling a query takes longer than these take.
    Read,
    /// The server gives up what its client has given up, so that nothing holds a lock for nobody.
    Write,
    /// Changes of the schema and of targets, which may take as long as the caller waits.
    Change,
}

impl Purpose {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = 5000; SET LOCAL jit = off"
            }
            Self::Write => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 4500; SET LOCAL jit = off; \
                 SET LOCAL idle_in_transaction_session_timeout = 10000"
            }
            Self::Change => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 60000"
            }
        }
    }
}

/// Connections to one server for one kind of work.
#[derive(Debug)]
pub struct Sessions {
    pool: Pool,
    place: String,
}

impl Sessions {
    /// `size` connections at most, each made when it is needed.
    pub fn new(server: &Server, size: usize) -> Self {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(server.config.clone(), server.tls.clone(), config);
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(5)),
            create: Some(CONNECT_DEADLINE),
            recycle: Some(CONNECT_DEADLINE),
        };
        let pool = Pool::builder(manager)
            .max_size(size)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime is given, which is all that timeouts need");
        Self {
            pool,
            place: server.place.clone(),
        }
    }

    pub async fn open(&self, purpose: Purpose) -> Result<Session, StoreError> {
        let object = self.pool.get().await;
        let object = object.map_err(|error| connect_error(&self.place, &error))?;
        Ok(Session {
            object: Some(object),
            purpose,
            begun: false,
        })
    }

    pub fn close(&self) {
        self.pool.close();
    }
}

/// One connection, and at most one transaction at a time, which begins with the first statement.
pub struct Session {
    object: Option<Object>,
    purpose: Purpose,
    begun: bool,
}

impl Session {
    fn client(&self) -> &tokio_postgres::Client {
        let object = self.object.as_ref();
        object.expect("taken only by those that consume the session")
    }

    /// Runs a statement within the transaction. The transaction's beginning travels with the first one.
    pub async fn query(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let query = self.client().query_typed(sql, parameters);
        if self.begun {
            return Ok(query.await?);
        }
        let begin = self.client().batch_execute(self.purpose.begin());
        let (begun, rows) = join(begin, query).await;
        begun?;
        self.begun = true;
        Ok(rows?)
    }

    /// Runs a statement whose rows come one by one, so that any number of them takes little memory.
    pub async fn stream(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<RowStream, Failed> {
        self.begin().await?;
        let parameters = parameters
            .iter()
            .map(|(value, kind)| (*value, kind.clone()));
        Ok(self.client().query_typed_raw(sql, parameters).await?)
    }

    /// Runs a statement that gives no rows; says how many it touched.
    pub async fn execute(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, Failed> {
        self.begin().await?;
        Ok(self.client().execute_typed(sql, parameters).await?)
    }

    /// Runs any number of statements without parameters.
    pub async fn batch(&mut self, sql: &str) -> Result<(), Failed> {
        self.begin().await?;
        Ok(self.client().batch_execute(sql).await?)
    }

    /// Lets nothing in the next transaction wait for a lock longer than half a second: others would wait behind it.
    pub async fn give_way(&mut self) -> Result<(), Failed> {
        self.batch("SET LOCAL lock_timeout = 500").await
    }

    async fn begin(&mut self) -> Result<(), Failed> {
        if !self.begun {
            self.client().batch_execute(self.purpose.begin()).await?;
            self.begun = true;
        }
        Ok(())
    }

    /// A transaction of one statement in one round trip: no lock waits for the network. Says how many rows it touched. The
    /// connection stays usable when the statement fails, as the end travels with it.
    pub async fn once(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, Failed> {
        let client = self.client();
        let (begun, count, ended) = join3(
            client.batch_execute(self.purpose.begin()),
            client.execute_typed(sql, parameters),
            client.batch_execute("COMMIT"),
        )
        .await;
        begun?;
        let count = count?;
        ended?;
        Ok(count)
    }

    /// Ends the transaction, if one began; the session may begin another.
    pub async fn commit(&mut self) -> Result<(), Failed> {
        if std::mem::take(&mut self.begun) {
            self.client().batch_execute("COMMIT").await?;
        }
        Ok(())
    }

    /// Ends the transaction and gives the connection back for others.
    pub async fn finish(mut self) -> Result<(), Failed> {
        self.commit().await?;
        self.release();
        Ok(())
    }

    /// Gives the connection back; no transaction may be open.
    pub fn release(mut self) {
        drop(self.object.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
