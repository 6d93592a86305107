// A PostgreSQL server of the tests' own: a temporary folder, a unix socket, no port. It ends with the test process.
import Diagnostics
import Foundation
import PostgresClient
import Synchronization

/// A running server of the machine's PostgreSQL.
public final class PrivateCluster: Sendable {
    /// Started on first use. nil, with a printed reason, when it does not start: a test must then fail.
    public static let shared: PrivateCluster? = PrivateCluster(isDurable: false)

    private let folder: String
    /// The server ends when this pipe closes, even if the tests crash.
    private let lifeline = Pipe()
    private let databases = Atomic<Int>(0)

    /// A durable one waits for the disk at every commit, as in production.
    public init?(isDurable: Bool) {
        folder = "/tmp/apus-pg-\(ProcessInfo.processInfo.processIdentifier)-\(UInt16.random(in: 0...UInt16.max))"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", PrivateCluster.script, "sh", folder, isDurable ? "on" : "off"]
        process.standardInput = lifeline
        guard (try? process.run()) != nil else { return nil }
        for _ in 0..<600 {
            if !process.isRunning { break }
            if (try? PostgresConnection(url: url(of: "postgres"))) != nil { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        print("PostgreSQL does not start (apt-get install postgresql): see \(folder)/log")
        return nil
    }

    /// initdb refuses to run as root: then the user postgres of the Debian package owns the server.
    private static let script = """
        folder=$1
        bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -1)
        [ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")
        [ -x "$bin/initdb" ] || exit 9
        mkdir -p "$folder"
        as=
        if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; as="runuser -u postgres --"; fi
        cd "$folder" || exit 9
        {
            $as "$bin/initdb" -D "$folder/data" -U apus -A trust -E UTF8 --locale=C --no-sync || exit 9
            exec 3<&0
            $as "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=$2 \\
                -c synchronous_commit=on -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=4GB </dev/null &
        } >"$folder/log" 2>&1
        read -r line
        [ -f "$folder/data/postmaster.pid" ] && kill -INT "$(head -1 "$folder/data/postmaster.pid")"
        wait
        cd / && rm -rf "$folder"
        """

    private func url(of database: String) -> String { "postgresql:///\(database)?host=\(folder)&user=apus" }

    /// Makes an empty database and returns its URL.
    public func makeDatabase() throws -> String {
        let name = "t\(databases.add(1, ordering: .relaxed).newValue)"
        try PostgresConnection(url: url(of: "postgres")).execute("CREATE DATABASE \(name)")
        return url(of: name)
    }

    /// Ends all connections to a database, as a failover does.
    public static func cutConnections(of url: String) throws {
        try PostgresConnection(url: url).execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
    }
}
