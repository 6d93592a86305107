// The embedded store: one SQLite file in the data directory, through GRDB.
import Catalogs
import Diagnostics
import Foundation
import GRDB

/// A ref store in SQLite. One process at a time writes; readers do not wait (WAL).
struct SQLiteRefStore: RefStore {
    private let database: any DatabaseWriter
    private let now: @Sendable () -> Int64

    /// Opens or makes the file, and brings its schema to this version; nil keeps everything in memory.
    init(path: String?, now: @escaping @Sendable () -> Int64) throws(SQLError) {
        self.now = now
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(SQLiteRefStore.busySeconds)
            // A commit that was acknowledged survives a power cut.
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            if let path {
                database = try DatabasePool(path: path, configuration: configuration)
            } else {
                database = try DatabaseQueue(configuration: configuration)
            }
            try SQLiteSchema.upgrade(database)
        } catch {
            throw SQLiteRefStore.failure(error)
        }
    }

    /// How long a writer waits for another process.
    private static let busySeconds: TimeInterval = 10

    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data] {
        try await read { database in
            var found: [ObjectID: Data] = [:]
            let statement = try database.cachedStatement(sql: "SELECT bytes FROM object WHERE id = ?")
            for id in ids {
                if let bytes = try Data.fetchOne(statement, arguments: [id.hex]) { found[id] = bytes }
            }
            return found
        }
    }

    // MARK: - Changes

    func move(_ move: RefMove, writing new: NewObjects) async throws(SQLError) -> MoveOutcome {
        let options = String(decoding: try ObjectCoding.encode(move.options), as: UTF8.self)
        return try await write { database in
            let seenAt = now()
            guard try SQLiteRefStore.swap(move, options, database) else { return .refMoved }
            if new.bytes.isEmpty {
                if let to = move.to, try !SQLiteRefStore.touch(to, seenAt, database) { throw CommitMissing() }
                // Whoever still reads where the ref was has the grace period.
                if let from = move.from { _ = try SQLiteRefStore.touch(from, seenAt, database) }
            } else {
                try SQLiteRefStore.insert(new, seenAt, database)
            }
            return .done
        } onMissing: {
            .commitMissing
        }
    }

    /// Rolls a transaction back.
    private struct CommitMissing: Error {}

    private static func swap(_ move: RefMove, _ options: String, _ database: Database) throws -> Bool {
        let (kind, name) = (move.kind.rawValue, move.name)
        switch (move.from, move.to) {
        case (nil, let to?):
            try execute(
                database, "INSERT OR IGNORE INTO ref (kind, name, head, created_at, options) VALUES (?, ?, ?, ?, ?)",
                [kind, name, to.hex, move.time, options])
        case (let from?, let to?):
            try execute(
                database, "UPDATE ref SET head = ? WHERE kind = ? AND name = ? AND head = ?",
                [to.hex, kind, name, from.hex])
        case (let from?, nil):
            try execute(
                database,
                "DELETE FROM ref WHERE kind = ? AND name = ? AND head = ? AND created_at = ifnull(?, created_at)",
                [kind, name, from.hex, move.removing])
        case (nil, nil):
            return false
        }
        return database.changesCount == 1
    }

    private static func execute(_ database: Database, _ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    private static func insert(_ new: NewObjects, _ seenAt: Int64, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO object (id, is_commit, bytes, seen_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)
                """)
        for (id, bytes) in new.bytes {
            try statement.execute(arguments: [id.hex, id == new.commit, bytes, seenAt])
        }
    }

    /// Makes a commit young; false when it is not there.
    private static func touch(_ id: ObjectID, _ seenAt: Int64, _ database: Database) throws -> Bool {
        try execute(
            database, "UPDATE object SET seen_at = max(seen_at, ?) WHERE id = ? AND is_commit", [seenAt, id.hex])
        return database.changesCount == 1
    }

    func store(_ new: NewObjects, needing: [ObjectID]) async throws(SQLError) -> Bool {
        try await write { database in
            let seenAt = now()
            for id in needing where try !SQLiteRefStore.touch(id, seenAt, database) { throw CommitMissing() }
            try SQLiteRefStore.insert(new, seenAt, database)
            return true
        } onMissing: {
            false
        }
    }

    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool {
        let text = String(decoding: try ObjectCoding.encode(options), as: UTF8.self)
        return try await write { database in
            try SQLiteRefStore.execute(
                database, "UPDATE ref SET options = ? WHERE kind = ? AND name = ?", [text, kind.rawValue, name])
            return database.changesCount == 1
        }
    }

    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool {
        try await write { database in
            try SQLiteRefStore.execute(
                database, "UPDATE OR IGNORE ref SET name = ? WHERE kind = ? AND name = ?",
                [newName, kind.rawValue, name])
            return database.changesCount == 1
        }
    }

    // MARK: - Refs

    private static let refColumns = "SELECT kind, name, head, created_at, options FROM ref"

    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef? {
        try await read { database in
            let statement = try database.cachedStatement(
                sql: "\(SQLiteRefStore.refColumns) WHERE kind = ? AND name = ?")
            return try Row.fetchOne(statement, arguments: [kind.rawValue, name]).map(SQLiteRefStore.stored)
        }
    }

    func refs() async throws(SQLError) -> [StoredRef] {
        try await read { database in
            try Row.fetchAll(database, sql: "\(SQLiteRefStore.refColumns) ORDER BY kind, name")
                .map(SQLiteRefStore.stored)
        }
    }

    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID] {
        try await read { database in
            try String.fetchAll(
                database, sql: "SELECT id FROM object WHERE is_commit AND id >= ? AND id < ? LIMIT 2",
                arguments: [prefix, prefix + "g"]
            ).map(SQLiteRefStore.id)
        }
    }

    private static func stored(_ row: Row) throws -> StoredRef {
        guard let kind = NamedRef.Kind(rawValue: row["kind"]) else {
            throw SQLError(.dataCorrupted, "the catalog holds a ref of an unknown kind")
        }
        let head = try id(row["head"])
        let text: String = row["options"]
        return StoredRef(
            kind: kind, name: row["name"], head: head, createdAt: row["created_at"],
            options: try ObjectCoding.decode(RefOptions.self, Data(text.utf8), head))
    }

    private static func id(_ hex: String) throws -> ObjectID {
        guard let id = ObjectID(hex: hex) else {
            throw SQLError(.dataCorrupted, "the catalog holds a damaged hash")
        }
        return id
    }

    // MARK: - Roles and rights

    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords {
        try await read { database in
            var found = AccessRecords(version: version)
            let statement = try database.cachedStatement(
                sql: "SELECT key, version, bytes FROM access WHERE version > ?")
            for row in try Row.fetchAll(statement, arguments: [version]) {
                found.version = max(found.version, row["version"])
                found.records[row["key"]] = .some(row["bytes"])
            }
            return found
        }
    }

    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool {
        try await write { database in
            let known = try Int64.fetchOne(database, sql: "SELECT max(version) FROM access") ?? 0
            guard known == version else { return false }
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO access (key, version, bytes) VALUES (?, ?, ?)
                    ON CONFLICT (key) DO UPDATE SET version = excluded.version, bytes = excluded.bytes
                    """)
            for (key, bytes) in records { try statement.execute(arguments: [key, version + 1, bytes]) }
            return true
        }
    }

    // MARK: - Collection

    func time() async throws(SQLError) -> Int64 {
        // Among the writers: what was stamped before is there.
        try await write { _ in now() }
    }

    func listCommits(after: ObjectID?, limit: Int) async throws(SQLError) -> [ListedCommit] {
        try await read { database in
            // The partial index would send every row back to the table by its hash; so the order is the same, and cheap.
            try Row.fetchAll(
                database,
                sql: "SELECT id, seen_at, bytes FROM object WHERE is_commit AND id > ? ORDER BY id LIMIT ?",
                arguments: [after?.hex ?? "", limit]
            ).map { ListedCommit(id: try SQLiteRefStore.id($0["id"]), seenAt: $0["seen_at"], bytes: $0["bytes"]) }
        }
    }

    func listObjects(before: Int64, after: ListedObject?, limit: Int) async throws(SQLError) -> [ListedObject] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT id, seen_at FROM object WHERE seen_at < ? AND (seen_at, id) > (?, ?)
                    ORDER BY seen_at, id LIMIT ?
                    """,
                arguments: [before, after?.seenAt ?? Int64.min, after?.id.hex ?? "", limit]
            ).map { ListedObject(id: try SQLiteRefStore.id($0["id"]), seenAt: $0["seen_at"]) }
        }
    }

    func removeCommits(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> [ObjectID] {
        try await write { database in
            let seen = try database.cachedStatement(sql: "SELECT 1 FROM object WHERE id = ? AND seen_at >= ?")
            let survivors = try ids.filter { try Int.fetchOne(seen, arguments: [$0.hex, before]) != nil }
            guard survivors.isEmpty else { return survivors }
            for id in ids { try SQLiteRefStore.execute(database, "DELETE FROM object WHERE id = ?", [id.hex]) }
            return []
        }
    }

    func removeNodes(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> Int {
        try await write { database in
            var removed = 0
            for id in ids {
                try SQLiteRefStore.execute(
                    database, "DELETE FROM object WHERE id = ? AND seen_at < ? AND NOT is_commit", [id.hex, before])
                removed += database.changesCount
            }
            return removed
        }
    }

    // MARK: - Access

    private func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(SQLError) -> T {
        do {
            return try await database.read(body)
        } catch {
            throw SQLiteRefStore.failure(error)
        }
    }

    private func write<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T, onMissing: (() -> T)? = nil
    ) async throws(SQLError) -> T {
        do {
            return try await database.write(body)
        } catch {
            if error is CommitMissing, let onMissing { return onMissing() }
            throw SQLiteRefStore.failure(error)
        }
    }

    private static func failure(_ error: any Error) -> SQLError {
        if let known = error as? SQLError { return known }
        if error is CancellationError { return SQLError(.queryCanceled, "canceling statement due to user request") }
        guard let failure = error as? DatabaseError else {
            return SQLError(.ioError, "could not use the catalog's database: \(error)")
        }
        let reason = failure.message ?? "code \(failure.resultCode.rawValue)"
        switch failure.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return SQLError(.objectInUse, "the catalog's database is in use by another process", detail: reason)
        case .SQLITE_INTERRUPT, .SQLITE_ABORT:
            return SQLError(.queryCanceled, "canceling statement due to user request")
        case .SQLITE_FULL: return SQLError(.diskFull, "could not use the catalog's database: \(reason)")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return SQLError(.dataCorrupted, "could not use the catalog's database: \(reason)")
        default: return SQLError(.ioError, "could not use the catalog's database: \(reason)")
        }
    }
}
