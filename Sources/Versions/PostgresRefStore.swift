// The shared store: a PostgreSQL database that several servers use at once.
import Catalogs
import Diagnostics
import Foundation
import PostgresClient

/// A ref store in PostgreSQL. A commit is one statement and one round trip: the ref is compared and swapped, and where
/// that succeeds, the objects are written.
struct PostgresRefStore: RefStore {
    private let pool: PostgresPool
    private let schema: PostgresSchema

    /// The schema of a lake's tables in its database.
    static let schemaName = "apus"

    /// Connects, and makes or upgrades the tables.
    init(
        url: String, schema name: String = PostgresRefStore.schemaName, limits: PostgresLimits = PostgresLimits()
    ) async throws(SQLError) {
        let schema = PostgresSchema(name: name)
        self.schema = schema
        pool = PostgresPool(url: url, limits: limits) { (connection) throws(SQLError) in try schema.upgrade(connection)
        }
        _ = try await pool.reading { (connection) throws(SQLError) in try connection.query("SELECT 1").count }
    }

    /// The database's clock, in microseconds since 1970 UTC.
    private static let clock = "(extract(epoch FROM clock_timestamp()) * 1000000)::int8"

    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data] {
        let sql = schema.sql("SELECT id, bytes FROM @.object WHERE id = ANY($1)")
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql, [.bytesArray(ids.map(\.bytes))])
            var found: [ObjectID: Data] = [:]
            for row in 0..<rows.count {
                found[try PostgresRefStore.id(rows, row, 0)] = try rows.required(rows.data(row, 1))
            }
            return found
        }
    }

    // MARK: - Changes

    func move(_ move: RefMove, writing new: NewObjects) async throws(SQLError) -> MoveOutcome {
        if !new.bytes.isEmpty, let from = move.from, let to = move.to {
            return try await commit(move, from, to, new)
        }
        let options = String(decoding: try ObjectCoding.encode(move.options), as: UTF8.self)
        return try await pool.run { (connection) throws(SQLError) in
            do throws(SQLError) {
                try connection.transaction { () throws(SQLError) in
                    if new.bytes.isEmpty, let to = move.to, try !touch(to, connection) { throw Rollback.missing }
                    guard try swap(move, options, connection) else { throw Rollback.moved }
                    // Whoever still reads where the ref was has the grace period.
                    if let from = move.from { _ = try touch(from, connection) }
                    if !new.bytes.isEmpty { try insert(new, connection) }
                }
            } catch {
                if error == Rollback.missing { return .commitMissing }
                if error == Rollback.moved { return .refMoved }
                throw error
            }
            return .done
        }
    }

    /// Errors that only end a transaction.
    private enum Rollback {
        static let missing = SQLError(.internalError, "commit missing")
        static let moved = SQLError(.internalError, "ref moved")
    }

    /// The move of every commit: one statement, which waits for others on the row of its ref.
    private func commit(
        _ move: RefMove, _ from: ObjectID, _ to: ObjectID, _ new: NewObjects
    ) async throws(SQLError) -> MoveOutcome {
        let sql = schema.sql(
            """
            WITH moved AS (
                UPDATE @.ref SET head = $4 WHERE kind = $1 AND name = $2 AND head = $3 RETURNING 1
            ), written AS (
                INSERT INTO @.object (id, is_commit, seen_at, bytes)
                SELECT new.id, new.id = $5, \(PostgresRefStore.clock), new.bytes
                FROM unnest($6, $7) AS new (id, bytes) WHERE EXISTS (SELECT FROM moved)
                ON CONFLICT (id) DO UPDATE SET seen_at = greatest(object.seen_at, excluded.seen_at)
            )
            SELECT count(*) FROM moved
            """)
        let parameters: [PostgresParameter] =
            [.text(move.kind.rawValue), .text(move.name), .bytes(from.bytes), .bytes(to.bytes)]
            + PostgresRefStore.parameters(new)
        return try await pool.run { (connection) throws(SQLError) in
            try connection.query(sql, parameters).int(0, 0) == 1 ? .done : .refMoved
        }
    }

    /// The commit, the ids and the bytes; in the order of ids, so that writers of the same objects do not deadlock.
    private static func parameters(_ new: NewObjects) -> [PostgresParameter] {
        let sorted = new.bytes.sorted { $0.key < $1.key }
        return [
            .bytes(new.commit?.bytes ?? []), .bytesArray(sorted.map(\.key.bytes)), .dataArray(sorted.map(\.value)),
        ]
    }

    private func insert(_ new: NewObjects, _ connection: PostgresConnection) throws(SQLError) {
        _ = try connection.query(
            schema.sql(
                """
                INSERT INTO @.object (id, is_commit, seen_at, bytes)
                SELECT new.id, new.id = $1, \(PostgresRefStore.clock), new.bytes FROM unnest($2, $3) AS new (id, bytes)
                ON CONFLICT (id) DO UPDATE SET seen_at = greatest(object.seen_at, excluded.seen_at)
                """), PostgresRefStore.parameters(new))
    }

    private func swap(_ move: RefMove, _ options: String, _ connection: PostgresConnection) throws(SQLError) -> Bool {
        let name: [PostgresParameter] = [.text(move.kind.rawValue), .text(move.name)]
        switch (move.from, move.to) {
        case (nil, let to?):
            return try connection.query(
                schema.sql(
                    """
                    INSERT INTO @.ref (kind, name, head, created_at, options) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (kind, name) DO NOTHING
                    """), name + [.bytes(to.bytes), .int8(move.time), .text(options)]
            ).changed == 1
        case (let from?, let to?):
            return try connection.query(
                schema.sql("UPDATE @.ref SET head = $4 WHERE kind = $1 AND name = $2 AND head = $3"),
                name + [.bytes(from.bytes), .bytes(to.bytes)]
            ).changed == 1
        case (let from?, nil):
            return try connection.query(
                schema.sql(
                    """
                    DELETE FROM @.ref
                    WHERE kind = $1 AND name = $2 AND head = $3 AND created_at = coalesce($4, created_at)
                    """), name + [.bytes(from.bytes), .int8OrNull(move.removing)]
            ).changed == 1
        case (nil, nil):
            return false
        }
    }

    /// Makes a commit young; false when it is not there.
    private func touch(_ id: ObjectID, _ connection: PostgresConnection) throws(SQLError) -> Bool {
        try connection.query(
            schema.sql(
                "UPDATE @.object SET seen_at = greatest(seen_at, \(PostgresRefStore.clock)) WHERE id = $1 AND is_commit"
            ),
            [.bytes(id.bytes)]
        ).changed == 1
    }

    func store(_ new: NewObjects, needing: [ObjectID]) async throws(SQLError) -> Bool {
        try await pool.run { (connection) throws(SQLError) in
            do throws(SQLError) {
                try connection.transaction { () throws(SQLError) in
                    for id in needing.sorted() where try !touch(id, connection) { throw Rollback.missing }
                    try insert(new, connection)
                }
            } catch {
                if error == Rollback.missing { return false }
                throw error
            }
            return true
        }
    }

    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool {
        let text = String(decoding: try ObjectCoding.encode(options), as: UTF8.self)
        let sql = schema.sql("UPDATE @.ref SET options = $3 WHERE kind = $1 AND name = $2")
        return try await pool.run { (connection) throws(SQLError) in
            try connection.query(sql, [.text(kind.rawValue), .text(name), .text(text)]).changed == 1
        }
    }

    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool {
        let sql = schema.sql("UPDATE @.ref SET name = $3 WHERE kind = $1 AND name = $2")
        return try await pool.run { (connection) throws(SQLError) in
            do throws(SQLError) {
                return try connection.query(sql, [.text(kind.rawValue), .text(name), .text(newName)]).changed == 1
            } catch {
                // The new name is taken.
                if error.state.code == "23505" { return false }
                throw error
            }
        }
    }

    // MARK: - Refs

    private static let refColumns = "SELECT kind, name, head, created_at, options FROM @.ref"

    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef? {
        let sql = schema.sql("\(PostgresRefStore.refColumns) WHERE kind = $1 AND name = $2")
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql, [.text(kind.rawValue), .text(name)])
            return rows.count == 0 ? nil : try PostgresRefStore.ref(rows, 0)
        }
    }

    func refs() async throws(SQLError) -> [StoredRef] {
        // In the order of bytes, as the other store has it.
        let sql = schema.sql("\(PostgresRefStore.refColumns) ORDER BY kind COLLATE \"C\", name COLLATE \"C\"")
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql)
            var refs: [StoredRef] = []
            for row in 0..<rows.count { refs.append(try PostgresRefStore.ref(rows, row)) }
            return refs
        }
    }

    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID] {
        let digits = 2 * ObjectID.sizeBytes
        func padded(_ digit: Character) -> ObjectID? {
            ObjectID(hex: prefix + String(repeating: digit, count: max(digits - prefix.utf8.count, 0)))
        }
        guard let first = padded("0"), let last = padded("f") else { return [] }
        let sql = schema.sql("SELECT id FROM @.object WHERE is_commit AND id BETWEEN $1 AND $2 LIMIT 2")
        return try await pool.reading { (connection) throws(SQLError) in
            try PostgresRefStore.ids(try connection.query(sql, [.bytes(first.bytes), .bytes(last.bytes)]))
        }
    }

    private static func id(_ rows: PostgresRows, _ row: Int, _ column: Int) throws(SQLError) -> ObjectID {
        try rows.required(rows.data(row, column).flatMap { ObjectID(bytes: $0) })
    }

    private static func ids(_ rows: PostgresRows) throws(SQLError) -> [ObjectID] {
        var ids: [ObjectID] = []
        for row in 0..<rows.count { ids.append(try id(rows, row, 0)) }
        return ids
    }

    private static func ref(_ rows: PostgresRows, _ row: Int) throws(SQLError) -> StoredRef {
        let head = try id(rows, row, 2)
        return StoredRef(
            kind: try rows.required(rows.text(row, 0).flatMap { NamedRef.Kind(rawValue: $0) }),
            name: try rows.required(rows.text(row, 1)), head: head, createdAt: try rows.required(rows.int(row, 3)),
            options: try ObjectCoding.decode(RefOptions.self, try rows.required(rows.data(row, 4)), head))
    }

    // MARK: - Roles and rights

    func accessRecords(since version: Int64) async throws(SQLError) -> AccessRecords {
        let sql = schema.sql("SELECT key, version, bytes FROM @.access WHERE version > $1")
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql, [.int8(version)])
            var found = AccessRecords(version: version)
            for row in 0..<rows.count {
                found.version = max(found.version, try rows.required(rows.int(row, 1)))
                found.records[try rows.required(rows.text(row, 0))] = .some(rows.data(row, 2))
            }
            return found
        }
    }

    func putAccessRecords(_ records: [String: Data?], expecting version: Int64) async throws(SQLError) -> Bool {
        let lock = schema.sql("LOCK TABLE @.access IN EXCLUSIVE MODE")
        let known = schema.sql("SELECT coalesce(max(version), 0) FROM @.access")
        let removed = schema.sql(
            """
            INSERT INTO @.access (key, version, bytes) VALUES ($1, $2, NULL)
            ON CONFLICT (key) DO UPDATE SET version = excluded.version, bytes = NULL
            """)
        let put = schema.sql(
            """
            INSERT INTO @.access (key, version, bytes) VALUES ($1, $2, $3)
            ON CONFLICT (key) DO UPDATE SET version = excluded.version, bytes = excluded.bytes
            """)
        return try await pool.run { (connection) throws(SQLError) in
            try connection.transaction { () throws(SQLError) in
                try connection.execute(lock)
                guard try connection.query(known).int(0, 0) == version else { return false }
                for (key, bytes) in records {
                    if let bytes {
                        _ = try connection.query(put, [.text(key), .int8(version + 1), .bytes(Array(bytes))])
                    } else {
                        _ = try connection.query(removed, [.text(key), .int8(version + 1)])
                    }
                }
                return true
            }
        }
    }

    // MARK: - Collection

    func time() async throws(SQLError) -> Int64 {
        // Waits for all who are writing, so that what was stamped before is there.
        let lock = schema.sql("LOCK TABLE @.object IN SHARE MODE")
        return try await pool.reading { (connection) throws(SQLError) in
            try connection.transaction { () throws(SQLError) in
                try connection.execute(lock)
                let rows = try connection.query("SELECT \(PostgresRefStore.clock)")
                return try rows.required(rows.int(0, 0))
            }
        }
    }

    func listCommits(after: ObjectID?, limit: Int) async throws(SQLError) -> [ListedCommit] {
        let sql = schema.sql(
            "SELECT id, seen_at, bytes FROM @.object WHERE is_commit AND id > $1 ORDER BY id LIMIT $2")
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql, [.bytes(after?.bytes ?? []), .int8(Int64(limit))])
            var listed: [ListedCommit] = []
            for row in 0..<rows.count {
                listed.append(
                    ListedCommit(
                        id: try PostgresRefStore.id(rows, row, 0), seenAt: try rows.required(rows.int(row, 1)),
                        bytes: try rows.required(rows.data(row, 2))))
            }
            return listed
        }
    }

    func listObjects(before: Int64, after: ListedObject?, limit: Int) async throws(SQLError) -> [ListedObject] {
        let sql = schema.sql(
            """
            SELECT id, seen_at FROM @.object WHERE seen_at < $1 AND (seen_at, id) > ($2, $3)
            ORDER BY seen_at, id LIMIT $4
            """)
        let parameters: [PostgresParameter] = [
            .int8(before), .int8(after?.seenAt ?? Int64.min), .bytes(after?.id.bytes ?? []), .int8(Int64(limit)),
        ]
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(sql, parameters)
            var listed: [ListedObject] = []
            for row in 0..<rows.count {
                listed.append(
                    ListedObject(
                        id: try PostgresRefStore.id(rows, row, 0), seenAt: try rows.required(rows.int(row, 1))))
            }
            return listed
        }
    }

    func removeCommits(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> [ObjectID] {
        let lock = schema.sql("SELECT id, seen_at FROM @.object WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        let remove = schema.sql("DELETE FROM @.object WHERE id = ANY($1)")
        let wanted: [PostgresParameter] = [.bytesArray(ids.map(\.bytes))]
        return try await pool.run { (connection) throws(SQLError) in
            try connection.transaction { () throws(SQLError) in
                let rows = try connection.query(lock, wanted)
                var survivors: [ObjectID] = []
                for row in 0..<rows.count where try rows.required(rows.int(row, 1)) >= before {
                    survivors.append(try PostgresRefStore.id(rows, row, 0))
                }
                if survivors.isEmpty { _ = try connection.query(remove, wanted) }
                return survivors
            }
        }
    }

    func removeNodes(_ ids: [ObjectID], before: Int64) async throws(SQLError) -> Int {
        let sql = schema.sql("DELETE FROM @.object WHERE id = ANY($1) AND seen_at < $2 AND NOT is_commit")
        return try await pool.run { (connection) throws(SQLError) in
            try connection.query(sql, [.bytesArray(ids.map(\.bytes)), .int8(before)]).changed
        }
    }
}
