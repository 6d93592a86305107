// A table's metadata: what this program understands of it, over the JSON as it was read, so that the rest survives.

import Catalogs
import Columns
import Diagnostics

/// A state of a table's rows.
struct Snapshot: Sendable, Hashable {
    var id: Int64
    var parentID: Int64?
    var sequenceNumber: Int64
    /// Milliseconds since 1970.
    var timestamp: Int64
    /// Nil in old tables of version 1, which list the manifests themselves.
    var manifestList: String?
    var manifests: [String]
    var summary: [String: String]
    var schemaID: Int32?
    var firstRowID: Int64?
    var addedRows: Int64?
    /// The text, so that the next metadata need not make it again.
    private(set) var text: [UInt8]

    init(_ json: JSON) throws(Malformed) {
        text = json.bytes
        guard let id = json["snapshot-id"]?.asInt else { throw Malformed("a snapshot has no id") }
        self.id = id
        parentID = json["parent-snapshot-id"]?.asInt
        sequenceNumber = json["sequence-number"]?.asInt ?? 0
        timestamp = json["timestamp-ms"]?.asInt ?? 0
        manifestList = json["manifest-list"]?.asString
        manifests = (json["manifests"]?.asArray ?? []).compactMap(\.asString)
        summary = json["summary"]?.asStrings ?? [:]
        schemaID = json["schema-id"]?.asInt32
        firstRowID = json["first-row-id"]?.asInt
        addedRows = json["added-rows"]?.asInt
    }
}

/// A branch or tag inside the table.
struct SnapshotRef: Sendable, Hashable {
    var snapshotID: Int64
    var isTag: Bool
}

/// The metadata of a table.
struct TableMetadata: Sendable {
    /// The file's content.
    let raw: JSONObject
    /// The file.
    let file: String

    let formatVersion: Int
    let uuid: String
    /// The folder of the table.
    let location: String
    let lastSequenceNumber: Int64
    let lastUpdated: Int64
    let lastColumnID: Int32
    let schemas: [Int32: IcebergSchema]
    let currentSchema: IcebergSchema
    let specs: [Int32: PartitionSpec]
    let defaultSpec: PartitionSpec
    let lastPartitionID: Int32
    let sortOrders: [Int32: SortOrder]
    let defaultSortOrderID: Int32
    let properties: [String: String]
    let snapshots: [Int64: Snapshot]
    let currentSnapshotID: Int64?
    let refs: [String: SnapshotRef]
    let nextRowID: Int64
    /// Names of columns by id, for files without ids.
    let nameMapping: NameMapping?

    static let versionMax = 3

    /// `previous`: metadata whose snapshots are those of `raw`, as far as both have them.
    init(_ raw: JSONObject, file: String, after previous: TableMetadata? = nil) throws(SQLError) {
        do throws(Malformed) { try self.init(parsing: raw, file, previous?.snapshots ?? [:]) } catch {
            throw error.error(in: file)
        }
        guard formatVersion <= TableMetadata.versionMax else {
            throw SQLError(
                .featureNotSupported, "Iceberg table \"\(file)\" has format version \(formatVersion)",
                detail: "Versions 1 to \(TableMetadata.versionMax) are supported.")
        }
    }

    private init(parsing raw: JSONObject, _ file: String, _ known: [Int64: Snapshot]) throws(Malformed) {
        let json = JSON.object(raw)
        self.raw = raw
        self.file = file
        guard let version = json["format-version"]?.asInt, version >= 1, version < 1000 else {
            throw Malformed("it has no format version")
        }
        guard let location = json["location"]?.asString else { throw Malformed("it has no location") }
        formatVersion = Int(version)
        self.location = location.count > 1 && location.hasSuffix("/") ? String(location.dropLast()) : location
        uuid = json["table-uuid"]?.asString?.lowercased() ?? ""
        lastSequenceNumber = json["last-sequence-number"]?.asInt ?? 0
        lastUpdated = json["last-updated-ms"]?.asInt ?? 0
        properties = json["properties"]?.asStrings ?? [:]

        var schemas: [Int32: IcebergSchema] = [:]
        var last: IcebergSchema?
        for schema in json["schemas"]?.asArray ?? [] {
            let made = TableMetadata.typed(try IcebergSchema(schema), properties)
            schemas[made.id] = made
            last = made
        }
        if let single = json["schema"], schemas.isEmpty {
            let made = TableMetadata.typed(try IcebergSchema(single), properties)
            schemas[made.id] = made
            last = made
        }
        let current = json["current-schema-id"]?.asInt32.flatMap { schemas[$0] } ?? (schemas.count == 1 ? last : nil)
        guard let current else { throw Malformed("it has no current schema") }
        self.schemas = schemas
        currentSchema = current
        lastColumnID = json["last-column-id"]?.asInt32 ?? schemas.values.flatMap { $0.fields.map(\.id) }.max() ?? 0

        var specs: [Int32: PartitionSpec] = [:]
        for spec in json["partition-specs"]?.asArray ?? [] {
            let made = try PartitionSpec(spec)
            specs[made.id] = made
        }
        if specs.isEmpty { specs[0] = try PartitionSpec(id: 0, fields: json["partition-spec"]?.asArray ?? []) }
        self.specs = specs
        guard let spec = specs[json["default-spec-id"]?.asInt32 ?? 0] ?? specs.values.first else {
            throw Malformed("it has no partition spec")
        }
        defaultSpec = spec
        lastPartitionID =
            json["last-partition-id"]?.asInt32
            ?? specs.values.flatMap { $0.fields.map(\.fieldID) }.max() ?? PartitionSpec.firstFieldID - 1

        var orders: [Int32: SortOrder] = [:]
        for order in json["sort-orders"]?.asArray ?? [] {
            let made = SortOrder(order)
            orders[made.id] = made
        }
        sortOrders = orders
        defaultSortOrderID = json["default-sort-order-id"]?.asInt32 ?? 0

        var snapshots: [Int64: Snapshot] = [:]
        let list = json["snapshots"]?.asArray ?? []
        snapshots.reserveCapacity(list.count)
        for snapshot in list {
            if let id = snapshot["snapshot-id"]?.asInt, let same = known[id] {
                snapshots[id] = same
            } else {
                let made = try Snapshot(snapshot)
                snapshots[made.id] = made
            }
        }
        self.snapshots = snapshots
        let currentID = json["current-snapshot-id"]?.asInt
        currentSnapshotID = currentID == -1 ? nil : currentID
        var refs: [String: SnapshotRef] = [:]
        for (name, ref) in (json["refs"]?.asObject?.members ?? []).map({ ($0.key, $0.value) }) {
            guard let id = ref["snapshot-id"]?.asInt else { throw Malformed("the ref \"\(name)\" has no snapshot") }
            refs[name] = SnapshotRef(snapshotID: id, isTag: ref["type"]?.asString == "tag")
        }
        if let id = currentSnapshotID, refs["main"] == nil { refs["main"] = SnapshotRef(snapshotID: id, isTag: false) }
        self.refs = refs
        nextRowID = json["next-row-id"]?.asInt ?? 0
        if let text = properties[NameMapping.property] {
            nameMapping = NameMapping(try JSON(parsing: text))
        } else {
            nameMapping = nil
        }
    }

    /// Gives columns the SQL types that Iceberg cannot say.
    private static func typed(_ schema: IcebergSchema, _ properties: [String: String]) -> IcebergSchema {
        var schema = schema
        for index in schema.fields.indices where schema.fields[index].type == .string {
            if let name = properties[TableProperty.declaredType(of: schema.fields[index].name)],
                let type = DeclaredType.parse(name)
            {
                schema.fields[index].sqlType = type
            }
        }
        return schema
    }

    /// The file's text.
    var text: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(snapshots.values.reduce(8 << 10) { $0 + $1.text.count + 64 })
        out.append(UInt8(ascii: "{"))
        for (index, member) in raw.members.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            JSON.write(member.key, to: &out)
            out.append(UInt8(ascii: ":"))
            guard member.key == "snapshots", let list = member.value.asArray else {
                member.value.write(to: &out)
                continue
            }
            out.append(UInt8(ascii: "["))
            for (index, snapshot) in list.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                if let known = snapshot["snapshot-id"]?.asInt.flatMap({ snapshots[$0] }) {
                    out += known.text
                } else {
                    snapshot.write(to: &out)
                }
            }
            out.append(UInt8(ascii: "]"))
        }
        out.append(UInt8(ascii: "}"))
        return out
    }

    var currentSnapshot: Snapshot? { currentSnapshotID.flatMap { snapshots[$0] } }

    /// The schema of a column that may be gone: the newest that has it.
    func field(_ id: Int32) -> IcebergField? {
        if let field = currentSchema.field(id) { return field }
        for schema in schemas.values.sorted(by: { $0.id > $1.id }) {
            if let field = schema.field(id) { return field }
        }
        return nil
    }
}

/// Lengths of strings, which Iceberg does not know: kept as properties of the table.
enum DeclaredType {
    /// Whether a type says more than Iceberg's string.
    static func isNeeded(_ type: SQLType) -> Bool {
        switch type {
        case .varchar(.some), .json, .jsonb: true
        default: false
        }
    }

    /// Reads what format_type prints for a string with a length.
    static func parse(_ name: String) -> SQLType? {
        if name == "json" { return .json }
        if name == "jsonb" { return .jsonb }
        guard name.hasSuffix(")"), let open = name.firstIndex(of: "("),
            let length = Int(name[name.index(after: open)...].dropLast()), length > 0
        else { return nil }
        // char(n) is read as text: bounds and padding of other writers do not go together.
        return ["varchar", "character varying"].contains(name[..<open]) ? .varchar(length) : nil
    }
}

/// Names that columns have in files without field ids.
struct NameMapping: Sendable, Hashable {
    static let property = "schema.name-mapping.default"

    private let ids: [String: Int32]
    /// The names of what is inside a column.
    private let children: [Int32: NameMapping]

    init(_ json: JSON) {
        var ids: [String: Int32] = [:]
        var children: [Int32: NameMapping] = [:]
        for field in json.asArray ?? [] {
            guard let id = field["field-id"]?.asInt32 else { continue }
            for name in (field["names"]?.asArray ?? []).compactMap(\.asString) { ids[name] = id }
            if let inner = field["fields"] { children[id] = NameMapping(inner) }
        }
        self.ids = ids
        self.children = children
    }

    /// The names inside a column.
    func child(_ id: Int32) -> NameMapping? { children[id] }

    func id(of name: String) -> Int32? { ids[name] }
}
