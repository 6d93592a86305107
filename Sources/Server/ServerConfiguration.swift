// What the sockets need to know.

/// Where and how clients are served.
public struct ServerConfiguration: Sendable {
    /// Address to listen on; a name is resolved once.
    public var host: String
    /// 0 takes any free port.
    public var port: Int
    /// A socket in the file system to listen on beside the port, `/tmp/.s.PGSQL.5432` for psql.
    public var unixSocketPath: String?
    /// Sessions at a time; one more gets 53300.
    public var connectionsMax: Int
    /// Seconds from the first byte to the end of authentication.
    public var authenticationSecondsMax: Int64
    /// PEM files; without them SSLRequest is answered with no.
    public var certificatePath: String?
    public var privateKeyPath: String?
    /// PEM file with the authorities whose client certificates are believed; nil: none are asked for.
    public var authorityPath: String?

    /// PostgreSQL's default for max_connections.
    public static let connectionsDefault = 100
    /// PostgreSQL's default for authentication_timeout.
    public static let authenticationSecondsDefault: Int64 = 60
    /// Connections above the limit that may still be told so, or send a CancelRequest; more are closed at once.
    static let connectionsSpare = 64

    public init(
        host: String = "127.0.0.1", port: Int = 5432, unixSocketPath: String? = nil,
        connectionsMax: Int = connectionsDefault, authenticationSecondsMax: Int64 = authenticationSecondsDefault,
        certificatePath: String? = nil, privateKeyPath: String? = nil, authorityPath: String? = nil
    ) {
        self.authorityPath = authorityPath
        self.host = host
        self.port = port
        self.unixSocketPath = unixSocketPath
        self.connectionsMax = connectionsMax
        self.authenticationSecondsMax = authenticationSecondsMax
        self.certificatePath = certificatePath
        self.privateKeyPath = privateKeyPath
    }
}
