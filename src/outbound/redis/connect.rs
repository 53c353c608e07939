//! Opens connections to Redis: names by our own resolver, as getaddrinfo is not let through the sandbox.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::url::RedisUrl;
use crate::outbound;

/// Opens connections to one Redis.
pub(crate) struct Connector {
    url: RedisUrl,
    login: RedisConnectionInfo,
}

/// A connection, shared by all who send on it. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection {
    pub commands: MultiplexedConnection,
    _driver: Arc<Driver>,
}

/// The task that reads and writes.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(crate) fn new(url: RedisUrl) -> Connector {
        let mut login = RedisConnectionInfo::default().set_db(url.database).set_skip_set_lib_name();
        if let Some(username) = &url.username {
            login = login.set_username(username);
        }
        if let Some(password) = &url.password {
            login = login.set_password(password);
        }
        Connector { url, login }
    }

    pub(crate) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// When no address of the host takes the connection, or Redis refuses the login.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        let stream = self.reach().await?;
        stream.set_nodelay(true)?;
        if !self.url.is_encrypted {
            return self.log_in(stream).await;
        }
        let connector = TlsConnector::from(Arc::new(outbound::encryption(&[])?));
        let name = ServerName::try_from(self.url.host.clone()).map_err(io::Error::other)?;
        self.log_in(connector.connect(name, stream).await?).await
    }

    /// Each caller of the connection has its own timeout, so that the connection has none.
    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (commands, driver) = MultiplexedConnection::new_with_config(&self.login, stream, config).await?;
        let driver = Driver(tokio::spawn(driver).abort_handle());
        Ok(Connection { commands, _driver: Arc::new(driver) })
    }

    async fn reach(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the host has no address");
        for address in addresses(&self.url.host).await? {
            match TcpStream::connect(SocketAddr::new(address, self.url.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Looked up at each connection: the address of a service changes.
async fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let resolver = outbound::resolver()?;
    Ok(resolver.lookup_ip(host).await.map_err(io::Error::other)?.iter().collect())
}
