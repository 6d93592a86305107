// Declared keys (NOT ENFORCED) as pg_constraint, and those that PostgreSQL keeps an index for as pg_index.
import Catalogs
import Columns
import Diagnostics

/// A key that a table declares.
struct DeclaredKey: Sendable {
    var relation: Directory.RelationEntry
    var details: RelationDetails
    /// As PostgreSQL would name it: t_pkey, t_a_key.
    var name: String
    /// p, u, f or c.
    var kind: String
    /// Numbers of the columns.
    var columns: [Int64]
    /// SQL text as declared.
    var text: String
    /// The table that a foreign key points to, with its columns.
    var target: Directory.RelationEntry?
    var targetColumns: [Int64] = []

    var oid: Int64 { OIDs.hash("constraint", "\(relation.name).\(name)") }
    var indexOID: Int64 { OIDs.hash("index", "\(relation.name).\(name)") }
    var hasIndex: Bool { kind == "p" || kind == "u" }

    /// CREATE INDEX as PostgreSQL would print it; or one column of it.
    func indexText(column: Int64 = 0) -> String? {
        let names = columns.compactMap { columnName($0) }
        if column > 0 { return column <= names.count ? names[Int(column) - 1].quotedIdentifier : nil }
        let list = names.map(\.quotedIdentifier).joined(separator: ", ")
        return "CREATE UNIQUE INDEX \(name.quotedIdentifier) ON \(relation.name.quoted) USING btree (\(list))"
    }

    func columnName(_ number: Int64) -> String? {
        number >= 1 && number <= details.columns.count ? details.columns[Int(number) - 1].name : nil
    }
}

/// The keys of many tables, found by their numbers.
final class KeyIndex: Sendable {
    let all: [DeclaredKey]
    private let byOID: [Int64: Int]
    private let byIndex: [Int64: Int]

    init(_ keys: [DeclaredKey]) {
        all = keys
        byOID = Dictionary(keys.enumerated().map { ($1.oid, $0) }, uniquingKeysWith: { first, _ in first })
        byIndex = Dictionary(
            keys.enumerated().filter { $1.hasIndex }.map { ($1.indexOID, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func key(_ oid: Int64) -> DeclaredKey? { byOID[oid].map { all[$0] } }
    func key(index oid: Int64) -> DeclaredKey? { byIndex[oid].map { all[$0] } }
}

extension RelationRows {
    /// The keys that relations declare.
    static func declaredKeys(
        _ state: SystemState, _ relations: [Directory.RelationEntry]
    ) async throws(SQLError) -> [DeclaredKey] {
        let tables = relations.filter { $0.lake != nil && ($0.kind == "r" || $0.kind == "p") }
        let directory = try await state.directory()
        let details = try await state.details(of: tables)
        var keys: [DeclaredKey] = []
        for (table, details) in zip(tables, details) {
            keys += self.keys(table, details, directory)
        }
        return keys
    }

    /// The keys in the properties of a table.
    static func keys(
        _ table: Directory.RelationEntry, _ details: RelationDetails, _ directory: Directory
    ) -> [DeclaredKey] {
        var texts: [(text: String, name: String?)] = []
        while let text = details.properties[TableProperty.key(texts.count + 1)] {
            texts.append((text, details.properties[TableProperty.keyName(texts.count + 1)]))
        }
        var keys: [DeclaredKey] = []
        for (item, name) in zip(texts, DeclaredKeyNames.names(of: texts, table: table.name.name)) {
            let kind = DeclaredKeyNames.kind(of: item.text).kind
            let names = kind == "c" ? [] : DeclaredKeyNames.columnLists(item.text).first ?? []
            var key = DeclaredKey(
                relation: table, details: details, name: SystemText.name(name), kind: kind,
                columns: places(names, details), text: item.text)
            if kind == "f" { point(&key, item.text, directory) }
            keys.append(key)
        }
        for check in TableCheck.all(of: details.properties) {
            keys.append(
                DeclaredKey(
                    relation: table, details: details, name: SystemText.name(check.name), kind: "c", columns: [],
                    text: "CHECK ((\(check.text)))"))
        }
        return keys
    }

    /// Finds what stands behind REFERENCES.
    private static func point(_ key: inout DeclaredKey, _ text: String, _ directory: Directory) {
        let words = text.split(separator: " ")
        guard let place = words.firstIndex(where: { $0.uppercased() == "REFERENCES" }), place + 1 < words.count else {
            return
        }
        let parts = words[place + 1].prefix { $0 != "(" }.split(separator: ".").map { $0.filter { $0 != "\"" } }
        guard let name = parts.last else { return }
        let schema = parts.count > 1 ? parts[parts.count - 2] : key.relation.name.schema
        key.target = directory.relation(TableName(schema: schema, name: name))
    }

    private static func places(_ names: [String], _ details: RelationDetails) -> [Int64] {
        names.compactMap { name in
            details.columns.firstIndex { $0.name == name }.map { Int64($0 + 1) }
        }
    }

    /// The number of a domain's CHECK.
    static func checkOID(_ type: SystemTypeRow, _ check: TypeDefinition.Check) -> Int64 {
        OIDs.hash("constraint", "type \(type.oid).\(check.name)")
    }

    static let keyRows: [RelationRows] = [
        RelationRows(
            "pg_constraint",
            items: { (state, keys) async throws(SQLError) -> [DeclaredKey] in
                let directory = try await state.directory()
                guard let oids = keys.numbers("conrelid") else { return try await state.allKeys().all }
                return try await declaredKeys(state, oids.sorted().compactMap { directory.relation($0) })
            },
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["conname"] = { .string($0.name) }
                c["connamespace"] = { .int($0.relation.schemaOID) }
                c["contype"] = { .string($0.kind) }
                c["convalidated"] = { .bool($0.kind == "c") }
                c["conrelid"] = { .int($0.relation.oid) }
                c["conindid"] = { .int($0.hasIndex ? $0.indexOID : 0) }
                c["confrelid"] = { .int($0.target?.oid ?? 0) }
                c["confupdtype"] = { .string($0.kind == "f" ? "a" : " ") }
                c["confdeltype"] = { .string($0.kind == "f" ? "a" : " ") }
                c["confmatchtype"] = { .string($0.kind == "f" ? "s" : " ") }
                c["conislocal"] = { _ in .bool(true) }
                c["conkey"] = { .small($0.columns) }
                c["confkey"] = { $0.kind == "f" ? .small($0.targetColumns) : .null }
                c["conbin"] = { $0.kind == "c" ? .string($0.text) : .null }
            }),
        RelationRows(
            "pg_index",
            items: { (state, keys) async throws(SQLError) -> [DeclaredKey] in
                let directory = try await state.directory()
                guard let oids = keys.numbers("indrelid") else {
                    return try await state.allKeys().all.filter(\.hasIndex)
                }
                let tables = oids.sorted().compactMap { directory.relation($0) }
                return try await declaredKeys(state, tables).filter(\.hasIndex)
            },
            columns: { c in
                c["indexrelid"] = { .int($0.indexOID) }
                c["indrelid"] = { .int($0.relation.oid) }
                c["indnatts"] = { .int(Int64($0.columns.count)) }
                c["indnkeyatts"] = { .int(Int64($0.columns.count)) }
                c["indisunique"] = { _ in .bool(true) }
                c["indisprimary"] = { .bool($0.kind == "p") }
                c["indimmediate"] = { _ in .bool(true) }
                c["indisvalid"] = { _ in .bool(true) }
                c["indisready"] = { _ in .bool(true) }
                c["indislive"] = { _ in .bool(true) }
                c["indkey"] = { .string($0.columns.map(String.init).joined(separator: " ")) }
                c["indoption"] = { .string($0.columns.map { _ in "0" }.joined(separator: " ")) }
                c["indcollation"] = { key in
                    .string(key.columns.map { _ in "0" }.joined(separator: " "))
                }
                c["indclass"] = { key in
                    .string(key.columns.map { String(operatorClass(key, $0)) }.joined(separator: " "))
                }
            }),
    ]

    /// The B-tree operator class of a column's type.
    private static func operatorClass(_ key: DeclaredKey, _ column: Int64) -> Int64 {
        guard column <= key.details.columns.count else { return 0 }
        let type = SystemTypes.oid(of: key.details.columns[Int(column) - 1].type)
        return operatorClasses.first { $0.type == type }?.oid ?? 3_126
    }
}

extension String {
    /// As an identifier in SQL text, quoted where it has to be.
    var quotedIdentifier: String {
        let isPlain =
            utf8.first.map { (97...122).contains($0) || $0 == 95 } == true
            && utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
        return isPlain ? self : "\"" + replacing("\"", with: "\"\"") + "\""
    }
}

extension TableName {
    /// With its schema, as identifiers.
    var quoted: String { "\(schema.quotedIdentifier).\(name.quotedIdentifier)" }
}
