// An engine over an in-memory catalog and local files, for tests that need no socket.
public import Catalogs
import Columns
public import Coordinator
public import Diagnostics
import Execution
import Foundation
import Hive
public import Storage
import Versions

/// A lake of its own for one test.
public struct TestLake: Sendable {
    public let engine: Engine
    /// Holds the managed tables.
    public let managed = MemoryFormat()

    /// `format` makes and opens managed tables; by default they are in memory.
    public init(
        store: any ObjectStore = Stores(), threads: Int = 2, format: (any ManagedFormat)? = nil,
        kinds: [any DatabaseKind] = []
    ) async throws(SQLError) {
        let catalog = try await VersionedCatalog(path: nil)
        engine = Engine(
            catalog: catalog, format: HiveFormat(stores: store, listings: (store as? Stores)?.listings),
            managed: format ?? managed,
            runners: [LocalRunner(scheduler: Scheduler(threads: threads), memoryMaxBytes: 1 << 30)], kinds: kinds)
    }

    /// Opens a session on a database such as `lake` or `lake@dev`.
    public func session(
        _ database: String = "lake", settings: [(name: String, value: String)] = []
    ) async throws(SQLError) -> Session {
        try await engine.session(
            SessionRequest(
                user: "tester", database: database, settings: settings,
                peer: PeerAddress(host: nil, isLoopback: true, isEncrypted: false), processID: 1))
    }

    /// The root of the checkout.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
}

extension Session {
    /// Runs statements and returns the rows of the last, cells as text.
    public func rows(_ sql: String) async throws(SQLError) -> [[String?]] {
        var rows: [[String?]] = []
        do throws(SQLError) {
            let sequence = try query(sql)
            while let stream = try await sequence.next() {
                rows = []
                while let batch = try await stream.next() {
                    for row in 0..<batch.rows {
                        rows.append(batch.columns.map { Session.text($0, row, stream.timeZone) })
                    }
                }
                _ = try await stream.finish()
            }
        } catch {
            fail(error)
            _ = await finishCycle()
            throw error
        }
        if let error = await finishCycle().error { throw error }
        return rows
    }

    private static func text(_ column: Column, _ row: Int, _ zone: SessionTimeZone) -> String? {
        guard column.isValid(row) else { return nil }
        var bytes: [UInt8] = []
        TextForm.append(column, row, zone: zone, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
