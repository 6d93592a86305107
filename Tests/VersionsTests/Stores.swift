// The stores that tests run on.
import Foundation
import PostgresSupport
import Testing

@testable import Versions

/// A kind of store.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }
}

/// A fresh store, and more servers' views of it.
final class TestStore: Sendable {
    let kind: StoreKind
    private let url: String
    private let folder: URL?
    let clock: ManualClock?
    /// SQLite has one server.
    private let only: SQLiteRefStore?

    init(_ kind: StoreKind, clock: ManualClock? = nil) throws {
        self.kind = kind
        self.clock = clock
        switch kind {
        case .sqlite:
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("apus-" + UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            self.folder = folder
            url = folder.appendingPathComponent("catalog.sqlite").path
            let now: @Sendable () -> Int64 = if let clock { { clock.now } } else { VersionedCatalog.systemTime }
            only = try SQLiteRefStore(path: url, now: now)
        case .postgres:
            let cluster = try #require(PrivateCluster.shared, "PostgreSQL does not start")
            url = try cluster.makeDatabase()
            folder = nil
            only = nil
        }
    }

    deinit { if let folder { try? FileManager.default.removeItem(at: folder) } }

    /// One server's store.
    func open() async throws -> any RefStore {
        if let only { return only }
        return try await PostgresRefStore(url: url)
    }

    /// One server's catalog.
    func catalog() async throws -> VersionedCatalog {
        try await catalog(over: open())
    }

    func catalog(over store: any RefStore) async throws -> VersionedCatalog {
        guard let clock else { return try await VersionedCatalog(store: store) }
        return try await VersionedCatalog(store: store, now: { clock.now })
    }

    /// Ends the connections of all servers.
    func cut() throws { if kind == .postgres { try PrivateCluster.cutConnections(of: url) } }
}
