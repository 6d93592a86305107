// Commits, merges and transplants of Nessie's clients. A merge is MERGE BRANCH: what both sides did to one table is put
// together, and the branch's checks must hold.

import Catalogs
import Columns
import Coordinator
import Diagnostics
import Foundation
import Iceberg

extension NessieCall {
    private static let operationsMax = 10_000
    private static let hashesMax = 1_000

    /// Throws 40001 unless the hash that a client knows is in the branch's history.
    private func requireReachable(_ hash: String?, from head: CommitID, _ branch: String) async throws(SQLError)
        -> CommitID
    {
        guard let hash else { return head }
        let known = try await catalog.commit(of: .commit(CommitID(hex: hash)))
        if known != head, try await catalog.mergeBase(known, head) != known {
            throw SQLError(.serializationFailure, "Hash '\(hash)' is not reachable from branch '\(branch)'")
        }
        return known
    }

    // MARK: - Commit

    func commit(_ ref: NessieRef, _ body: JSON) async throws(SQLError) -> APIResponse {
        let operations = body["operations"]?.asArray ?? []
        guard !operations.isEmpty, operations.count <= NessieCall.operationsMax else {
            throw SQLError(.invalidParameterValue, "a commit has 1 to \(NessieCall.operationsMax) operations")
        }
        let branch = ref.name ?? api.options.defaultBranch
        let meta = body["commitMeta"]
        let author = meta?["author"]?.asString ?? meta?["authors"]?.asArray?.first?.asString ?? user
        let note = CommitNote(author: author, message: meta?["message"]?.asString ?? "")
        // Metadata files are looked at before the commit, once.
        var puts: [(key: NessieKey, change: Change)] = []
        for operation in operations where operation["type"]?.asString == "PUT" {
            let key = try NessieKey(operation["key"])
            puts.append((key, try await change(key, operation["content"])))
        }
        let made = puts
        let hash = try await api.engine.publish(to: branch, as: user, note: note) { (head) throws(SQLError) in
            let expected = try await requireReachable(ref.hash, from: head, branch)
            var changes: [Change] = []
            var added = made[...]
            for operation in operations {
                let key = try NessieKey(operation["key"])
                try await requireUnchanged(key, expected, head)
                switch operation["type"]?.asString {
                case "PUT":
                    guard let put = added.popFirst() else { continue }
                    try await requireSameTable(put.key, operation["content"], head, puts: made.map(\.key))
                    changes.append(put.change)
                case "DELETE": changes.append(try await removal(of: key, head))
                case "UNCHANGED": break
                default: throw SQLError(.invalidParameterValue, "an operation is PUT, DELETE or UNCHANGED")
                }
            }
            return changes
        }
        let target: JSON = ["type": .string("BRANCH"), "name": .string(branch), "hash": .string(hash.hex)]
        guard isSecond else { return APIResponse(target) }
        var contents: [JSON] = []
        for (key, _) in made {
            guard let document = try await document(of: key, at: hash), let id = document["id"] else { continue }
            contents.append(["key": key.json, "contentId": id])
        }
        return APIResponse(["targetBranch": target, "addedContents": .array(contents)])
    }

    private func document(of key: NessieKey, at commit: CommitID) async throws(SQLError) -> JSON? {
        if let schema = key.schema { return try await catalog.schema(schema, at: commit).map { document($0) } }
        guard let table = key.table, let entry = try await catalog.entries([table], at: commit)[table] else {
            return nil
        }
        return try await document(table, entry)
    }

    /// The change that puts a content under a key.
    private func change(_ key: NessieKey, _ content: JSON?) async throws(SQLError) -> Change {
        let type = content?["type"]?.asString ?? ""
        if let schema = key.schema, type == "NAMESPACE" {
            let properties = content?["properties"]?.asStrings ?? [:]
            return .putSchema(SchemaDefinition(name: schema, properties: properties.isEmpty ? nil : properties))
        }
        guard let table = key.table else {
            throw SQLError(.invalidParameterValue, "a key has a schema and a name here")
        }
        switch type {
        case "ICEBERG_TABLE":
            guard let location = content?["metadataLocation"]?.asString else {
                throw SQLError(.invalidParameterValue, "a table's content has no metadataLocation")
            }
            try rights.requireServerFiles()
            var definition = try await api.tables.register(metadataLocation: location)
            if let id = content?["snapshotId"]?.asInt { definition.snapshotID = id == -1 ? nil : id }
            // A snapshot that the file has not would be found by readers only.
            _ = try await api.tables.document(of: definition)
            return .put(table, .managed(definition))
        case "ICEBERG_VIEW":
            guard let sql = content?["sqlText"]?.asString else {
                throw SQLError(.featureNotSupported, "a view's content needs its sqlText")
            }
            return .put(
                table, .view(ViewDefinition(sql: sql, columnNames: [], searchPath: [table.schema, "public"])))
        default: throw SQLError(.featureNotSupported, "content of type \"\(type)\" is not supported")
        }
    }

    /// A key that changed since the client looked is a conflict; other keys may have moved.
    private func requireUnchanged(
        _ key: NessieKey, _ expected: CommitID, _ head: CommitID
    ) async throws(SQLError) {
        guard expected != head else { return }
        let isSame: Bool
        if let schema = key.schema {
            let old = try await catalog.schema(schema, at: expected)
            isSame = try await catalog.schema(schema, at: head) == old
        } else if let table = key.table {
            let old = try await catalog.entries([table], at: expected)[table]
            isSame = try await catalog.entries([table], at: head)[table] == old
        } else {
            isSame = true
        }
        guard isSame else {
            throw SQLError(
                .serializationFailure,
                "Values of existing and expected content for key "
                    + "'\(key.elements.joined(separator: "."))' are different")
        }
    }

    /// The namespace must exist, and a content with an id replaces the one with that id.
    private func requireSameTable(
        _ key: NessieKey, _ content: JSON?, _ head: CommitID, puts: [NessieKey]
    ) async throws(SQLError) {
        guard let table = key.table else { return }
        if try await catalog.schema(table.schema, at: head) == nil, !puts.contains(NessieKey([table.schema])) {
            throw SQLError(.serializationFailure, "Namespace '\(table.schema)' must exist")
        }
        guard let old = try await document(of: key, at: head), let id = content?["id"]?.asString else { return }
        guard old["id"]?.asString == id else {
            throw SQLError(
                .serializationFailure,
                "Key '\(key.elements.joined(separator: "."))' has another content id than "
                    + "'\(id)'")
        }
    }

    private func removal(of key: NessieKey, _ head: CommitID) async throws(SQLError) -> Change {
        let text = key.elements.joined(separator: ".")
        guard try await document(of: key, at: head) != nil else {
            throw SQLError(.serializationFailure, "Key '\(text)' does not exist")
        }
        if let table = key.table { return .drop(table) }
        guard let schema = key.schema, try await catalog.names(in: schema, at: head).isEmpty else {
            throw SQLError(.serializationFailure, "Namespace '\(text)' is not empty")
        }
        return .dropSchema(schema)
    }

    // MARK: - Merge and transplant

    private static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    private static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    func merge(_ ref: NessieRef, _ body: JSON) async throws(SQLError) -> APIResponse {
        let target = ref.name ?? api.options.defaultBranch
        let before = try await named(target)
        _ = try await requireReachable(ref.hash, from: before.head, target)
        let name = body["fromRefName"]?.asString
        let source = try await commit(of: NessieRef(name: name, hash: body["fromHash"]?.asString))
        let common = try await catalog.mergeBase(source, before.head)
        guard common != nil else {
            throw SQLError(.invalidParameterValue, "'\(name ?? "")' and '\(target)' have no history in common")
        }
        let message =
            body["message"]?.asString ?? body["commitMeta"]?["message"]?.asString
            ?? "Merge \(name ?? source.hex) into \(target)"
        var choices = "ON CONFLICT \(try NessieCall.choice(body["defaultKeyMergeMode"]?.asString))"
        for mode in body["keyMergeModes"]?.asArray ?? [] {
            let key = try NessieKey(mode["key"])
            let names = key.elements.map(NessieCall.quoted).joined(separator: ".")
            choices += " EXCEPT \(try NessieCall.choice(mode["mergeBehavior"]?.asString)) \(names)"
        }
        let statement =
            "MERGE BRANCH \(NessieCall.quoted(source.hex)) INTO \(NessieCall.quoted(target)) \(choices) "
            + "MESSAGE \(NessieCall.literal(message))"
        let isDryRun = body["dryRun"]?.asBool == true
        if isDryRun || body["returnConflictAsResult"]?.asBool == true {
            let rows = try await run(statement + " DRY RUN", on: target)
            let hasConflict = rows.contains { $0[3] == "conflict" }
            if isDryRun || hasConflict {
                return result(rows, before, nil, common, isApplied: false, isSuccessful: !hasConflict)
            }
        }
        let rows = try await run(statement, on: target)
        let after = try await named(target)
        return result(rows, before, after, common, isApplied: after.head != before.head, isSuccessful: true)
    }

    private static func choice(_ behaviour: String?) throws(SQLError) -> String {
        switch behaviour {
        case nil, "NORMAL": return "CANCEL"
        case "FORCE": return "TAKE SOURCE"
        case "DROP": return "TAKE TARGET"
        case let other?: throw SQLError(.invalidParameterValue, "merge behavior \"\(other)\" is not known")
        }
    }

    /// MergeResponse, from the rows of MERGE BRANCH.
    private func result(
        _ rows: [[String?]], _ before: NamedRef, _ after: NamedRef?, _ common: CommitID?, isApplied: Bool,
        isSuccessful: Bool
    ) -> APIResponse {
        let details = rows.map { row -> JSON in
            let key = NessieKey([row[0], row[1]].compactMap { $0 })
            let isConflict = row[3] == "conflict"
            var object: JSONObject = ["key": key.json, "mergeBehavior": .string("NORMAL")]
            if isSecond {
                if isConflict {
                    object["conflict"] = [
                        "conflictType": .string("VALUE_DIFFERS"), "key": key.json, "message": .string(row[7] ?? ""),
                    ]
                }
            } else {
                object["conflictType"] = .string(isConflict ? "UNRESOLVABLE" : "NONE")
                object["sourceCommits"] = .array([])
                object["targetCommits"] = .array([])
            }
            return .object(object)
        }
        var object: JSONObject = [
            "wasApplied": .bool(isApplied), "wasSuccessful": .bool(isSuccessful),
            "resultantTargetHash": .string((after ?? before).head.hex),
            "commonAncestor": common.map { .string($0.hex) } ?? .null, "targetBranch": .string(before.name),
            "effectiveTargetHash": .string(before.head.hex), "expectedHash": .string(before.head.hex),
            "details": .array(details),
        ]
        if !isSecond {
            object["sourceCommits"] = .array([])
            object["targetCommits"] = .array([])
        }
        return APIResponse(.object(object))
    }

    func transplant(_ ref: NessieRef, _ body: JSON) async throws(SQLError) -> APIResponse {
        let target = ref.name ?? api.options.defaultBranch
        let before = try await named(target)
        guard before.kind == .branch else { throw SQLError(.wrongObjectType, "'\(target)' is not a branch") }
        _ = try await requireReachable(ref.hash, from: before.head, target)
        let hashes = (body["hashesToTransplant"]?.asArray ?? []).compactMap(\.asString)
        guard !hashes.isEmpty, hashes.count <= NessieCall.hashesMax else {
            throw SQLError(.invalidParameterValue, "a transplant takes 1 to \(NessieCall.hashesMax) commits")
        }
        _ = try await api.engine.changeable(target)
        // On a branch of its own: all of them are taken, or none.
        let scratch = "transplant-\(UUID().uuidString.lowercased())"
        try await api.engine.requireMerging(before, as: user)
        try await catalog.create(
            .branch, scratch, at: before.head, RefOptions(checks: before.options.checks, owner: rights.owner))
        var rows: [[String?]] = []
        var failure: SQLError?
        do throws(SQLError) {
            for hash in hashes {
                rows += try await run(
                    "CHERRY PICK COMMIT \(NessieCall.quoted(hash)) INTO \(NessieCall.quoted(scratch))", on: target)
            }
            let head = try await catalog.commit(of: .branch(scratch))
            if body["dryRun"]?.asBool != true, head != before.head {
                try await catalog.move(.branch, target, from: before.head, to: head)
            }
        } catch {
            failure = error
        }
        try? await catalog.drop(.branch, scratch)
        if let failure { throw failure }
        let after = try await named(target)
        return result(rows, before, after, nil, isApplied: after.head != before.head, isSuccessful: true)
    }

    // MARK: - SQL

    /// Runs one statement as the request's user; its rows as text.
    private func run(_ sql: String, on branch: String) async throws(SQLError) -> [[String?]] {
        let session = try await api.engine.openSession(
            SessionRequest(
                user: user, database: "\(api.engine.database)@\(branch)", settings: [], peer: request.peer,
                processID: 0))
        let outcome: Result<[[String?]], SQLError>
        do throws(SQLError) {
            var rows: [[String?]] = []
            let statements = try await session.query(sql)
            while let stream = try await statements.next() {
                while let batch = try await stream.next() {
                    for row in 0..<batch.rows { rows.append(NessieCall.texts(batch, row, stream.timeZone)) }
                }
                _ = try await stream.finish()
            }
            if let error = await session.finishCycle().error { throw error }
            outcome = .success(rows)
        } catch {
            await session.fail(error)
            outcome = .failure(error)
        }
        await session.close()
        return try outcome.get()
    }

    private static func texts(_ batch: Batch, _ row: Int, _ zone: SessionTimeZone) -> [String?] {
        batch.columns.map { column in
            guard column.isValid(row) else { return nil }
            var bytes: [UInt8] = []
            TextForm.append(column, row, zone: zone, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
