// Rows of pg_type, pg_proc and of the small fixed tables around them: access methods, collations, languages, operators.
import Access
import Catalogs
import Columns
import Diagnostics
import Functions

/// A row of pg_proc.
struct FunctionRow: Sendable {
    var oid: Int64
    var name: String
    var kind: String
    var returnsSet: Bool
    var volatility: String
    var isStrict: Bool
    var result: Int64
    var arguments: [Int64]
    var schema = OIDs.catalogSchema
    var owner = OIDs.owner
    var language: Int64 = 12
    var source: String?
    var argumentNames: [String] = []
    /// Of a function of the user.
    var secured: SecuredObject?
    var acl: [String]?
    var comment: String?
}

/// The functions of pg_proc.
enum SystemFunctionRows {
    static let all: [FunctionRow] = CatalogData.functionRows.split(separator: ";").compactMap { line in
        let cells = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard cells.count >= 7, let oid = Int64(cells[0]), let result = Int64(cells[6]) else { return nil }
        return FunctionRow(
            oid: oid, name: String(cells[1]), kind: String(cells[2]), returnsSet: cells[3] == "t",
            volatility: String(cells[4]), isStrict: cells[5] == "t", result: result,
            arguments: cells[7...].compactMap { Int64($0) })
    }

    static let byOID: [Int64: FunctionRow] = Dictionary(
        all.map { ($0.oid, $0) }, uniquingKeysWith: { first, _ in first })
    static let byName: [String: [FunctionRow]] = Dictionary(grouping: all, by: \.name)

    /// The row of a function of the user.
    static func row(
        of function: FunctionDefinition, _ name: TableName, _ schema: Int64, _ number: (String, String) -> Int64
    ) -> FunctionRow {
        func type(_ text: String) -> Int64 { SystemTypes.oid(named: text) ?? SystemTypes.userOID(text) ?? 2_249 }
        let types = function.parameters.map(\.type)
        var row = FunctionRow(
            oid: number("function", "\(name)(\(types.joined(separator: ",")))"), name: name.objectName,
            kind: function.isProcedure ? "p" : "f", returnsSet: function.isSet, volatility: "v",
            isStrict: function.isStrict,
            result: function.returnType.map(type) ?? (function.isProcedure ? 2_278 : 2_249),
            arguments: types.map(type))
        row.schema = schema
        row.owner = function.owner ?? OIDs.owner
        row.comment = function.comment
        (row.language, row.source) = (14, function.body)
        row.secured = SecuredObject(
            .function, schema: name.schema, name: "\(name.objectName)(\(types.joined(separator: ",")))",
            owner: row.owner)
        row.argumentNames = function.parameters.map(\.name)
        return row
    }

    /// The number of a function that types are read and written with.
    static func oid(_ name: String) -> Int64 { byName[name]?.first?.oid ?? 0 }
}

extension RelationRows {
    struct OperatorClass: Sendable {
        var oid: Int64
        var name: String
        var family: Int64
        var type: Int64
    }

    /// B-tree's standard classes.
    static let operatorClasses: [OperatorClass] = [
        OperatorClass(oid: 10_003, name: "bool_ops", family: 424, type: 16),
        OperatorClass(oid: 10_004, name: "bpchar_ops", family: 426, type: 1_042),
        OperatorClass(oid: 10_006, name: "bytea_ops", family: 428, type: 17),
        OperatorClass(oid: 3_122, name: "date_ops", family: 434, type: 1_082),
        OperatorClass(oid: 10_012, name: "float4_ops", family: 1_970, type: 700),
        OperatorClass(oid: 3_123, name: "float8_ops", family: 1_970, type: 701),
        OperatorClass(oid: 1_979, name: "int2_ops", family: 1_976, type: 21),
        OperatorClass(oid: 1_978, name: "int4_ops", family: 1_976, type: 23),
        OperatorClass(oid: 3_124, name: "int8_ops", family: 1_976, type: 20),
        OperatorClass(oid: 10_022, name: "interval_ops", family: 1_982, type: 1_186),
        OperatorClass(oid: 3_125, name: "numeric_ops", family: 1_988, type: 1_700),
        OperatorClass(oid: 3_126, name: "text_ops", family: 1_994, type: 25),
        OperatorClass(oid: 10_038, name: "time_ops", family: 1_996, type: 1_083),
        OperatorClass(oid: 3_127, name: "timestamptz_ops", family: 434, type: 1_184),
        OperatorClass(oid: 3_128, name: "timestamp_ops", family: 434, type: 1_114),
        OperatorClass(oid: 10_065, name: "uuid_ops", family: 2_968, type: 2_950),
    ]

    private struct Named: Sendable {
        var oid: Int64
        var name: String
        var flag = ""
    }

    private static func fixed<Item: Sendable>(
        _ items: [Item]
    ) -> @Sendable (SystemState, Keys) async throws(SQLError) -> [Item] {
        { (_, _) async throws(SQLError) -> [Item] in items }
    }

    static let typeRows: [RelationRows] = [
        RelationRows(
            "pg_type",
            items: { (state, _) async throws(SQLError) -> [SystemTypeRow] in
                let access = try state.source().access
                let directory = try await state.directory()
                var own = directory.types
                for index in own.indices where !access.isOpen && own[index].element == 0 {
                    let object = SecuredObject(
                        .type, schema: directory.schemaByOID[own[index].schema] ?? "", name: own[index].name,
                        owner: own[index].owner)
                    own[index].acl = access.texts(of: object) { state.roleName($0) ?? "?" }
                }
                return SystemTypes.all + own
            }, columns: typeColumns),
        RelationRows(
            "pg_enum",
            items: { (state, _) async throws(SQLError) -> [EnumLabel] in
                try await state.directory().types.flatMap { type in
                    type.labels.enumerated().map { EnumLabel(type: type.oid, place: $0, label: $1) }
                }
            },
            columns: { c in
                c["oid"] = { .int(StableOID.hash("label", "\($0.type).\($0.label)")) }
                c["enumtypid"] = { .int($0.type) }
                c["enumsortorder"] = { .double(Double($0.place + 1)) }
                c["enumlabel"] = { .string($0.label) }
            }),
        RelationRows(
            "pg_proc",
            items: { (state, _) async throws(SQLError) -> [FunctionRow] in
                let access = try state.source().access
                var own = try await state.directory().functions
                for index in own.indices where !access.isOpen {
                    guard let object = own[index].secured else { continue }
                    own[index].acl = access.texts(of: object) { state.roleName($0) ?? "?" }
                }
                return SystemFunctionRows.all + own
            }, columns: functionColumns),
        RelationRows(
            "pg_sequence",
            items: { (state, _) async throws(SQLError) -> [Directory.RelationEntry] in
                try await state.directory().relations.filter { $0.sequence != nil }
            },
            columns: { c in
                c["seqrelid"] = { .int($0.oid) }
                c["seqtypid"] = { .int(SystemTypes.oid(named: $0.sequence?.type ?? "bigint") ?? 20) }
                c["seqstart"] = { .int($0.sequence?.start ?? 1) }
                c["seqincrement"] = { .int($0.sequence?.increment ?? 1) }
                c["seqmax"] = { .int($0.sequence?.max ?? .max) }
                c["seqmin"] = { .int($0.sequence?.min ?? 1) }
                c["seqcache"] = { _ in .int(1) }
                c["seqcycle"] = { .bool($0.sequence?.isCycled ?? false) }
            }),
        RelationRows(
            "pg_aggregate", items: fixed(SystemFunctionRows.all.filter { $0.kind == "a" }),
            columns: { c in
                c["aggfnoid"] = { .int($0.oid) }
                c["aggkind"] = { _ in .string("n") }
            }),
        RelationRows(
            "pg_am", items: fixed([Named(oid: 2, name: "heap", flag: "t"), Named(oid: 403, name: "btree", flag: "i")]),
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["amname"] = { .string($0.name) }
                c["amtype"] = { .string($0.flag) }
            }),
        RelationRows(
            "pg_collation",
            items: fixed([
                Named(oid: 100, name: "default", flag: "d"), Named(oid: 950, name: "C", flag: "c"),
                Named(oid: 951, name: "POSIX", flag: "c"),
            ]),
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["collname"] = { .string($0.name) }
                c["collnamespace"] = { _ in .int(OIDs.catalogSchema) }
                c["collowner"] = { _ in .int(OIDs.owner) }
                c["collprovider"] = { .string($0.flag) }
                c["collisdeterministic"] = { _ in .bool(true) }
                c["collencoding"] = { _ in .int(-1) }
                c["collcollate"] = { $0.oid == 100 ? .null : .string($0.name) }
                c["collctype"] = { $0.oid == 100 ? .null : .string($0.name) }
            }),
        RelationRows(
            "pg_language",
            items: fixed([Named(oid: 12, name: "internal"), Named(oid: 14, name: "sql", flag: "t")]),
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["lanname"] = { .string($0.name) }
                c["lanowner"] = { _ in .int(OIDs.owner) }
                c["lanpltrusted"] = { .bool($0.flag == "t") }
            }),
        RelationRows(
            "pg_opclass", items: fixed(operatorClasses),
            columns: { c in
                c["oid"] = { .int($0.oid) }
                c["opcmethod"] = { _ in .int(403) }
                c["opcname"] = { .string($0.name) }
                c["opcnamespace"] = { _ in .int(OIDs.catalogSchema) }
                c["opcowner"] = { _ in .int(OIDs.owner) }
                c["opcfamily"] = { .int($0.family) }
                c["opcintype"] = { .int($0.type) }
                c["opcdefault"] = { _ in .bool(true) }
            }),
    ]

    struct EnumLabel: Sendable {
        var type: Int64
        var place: Int
        var label: String
    }

    private static func typeColumns(_ c: inout Columns<SystemTypeRow>) {
        c["oid"] = { .int($0.oid) }
        c["typname"] = { .string($0.name) }
        c["typnamespace"] = { .int($0.schema) }
        c["typowner"] = { .int($0.owner) }
        c["typbasetype"] = { .int($0.base) }
        c["typnotnull"] = { .bool($0.isNotNull) }
        c["typdefault"] = { .optional($0.defaultText) }
        c["typacl"] = { .acl($0.acl) }
        c["typlen"] = { .int($0.length) }
        c["typbyval"] = { .bool($0.isByValue) }
        c["typtype"] = { .string($0.kind) }
        c["typcategory"] = { .string($0.category) }
        c["typispreferred"] = { .bool($0.isPreferred) }
        c["typisdefined"] = { _ in .bool(true) }
        c["typdelim"] = { _ in .string(",") }
        c["typsubscript"] = { .int(SystemFunctionRows.oid($0.subscripting)) }
        c["typelem"] = { .int($0.element) }
        c["typarray"] = { .int($0.array) }
        c["typinput"] = { .int(SystemFunctionRows.oid($0.input)) }
        c["typoutput"] = { .int(SystemFunctionRows.oid($0.output)) }
        c["typreceive"] = { .int(SystemFunctionRows.oid($0.receive)) }
        c["typsend"] = { .int(SystemFunctionRows.oid($0.send)) }
        c["typmodin"] = { .int(SystemFunctionRows.oid($0.modifierIn)) }
        c["typmodout"] = { .int(SystemFunctionRows.oid($0.modifierOut)) }
        c["typalign"] = { .string($0.alignment) }
        c["typstorage"] = { .string($0.storage) }
        c["typtypmod"] = { _ in .int(-1) }
        c["typcollation"] = { .int($0.collation) }
    }

    private static func functionColumns(_ c: inout Columns<FunctionRow>) {
        c["oid"] = { .int($0.oid) }
        c["proname"] = { .string($0.name) }
        c["pronamespace"] = { .int($0.schema) }
        c["proowner"] = { .int($0.owner) }
        c["prolang"] = { .int($0.language) }
        c["procost"] = { _ in .double(1) }
        c["prorows"] = { .double($0.returnsSet ? 1_000 : 0) }
        c["prokind"] = { .string($0.kind) }
        c["proisstrict"] = { .bool($0.isStrict) }
        c["proretset"] = { .bool($0.returnsSet) }
        c["provolatile"] = { .string($0.volatility) }
        c["proparallel"] = { _ in .string("s") }
        c["pronargs"] = { .int(Int64($0.arguments.count)) }
        c["prorettype"] = { .int($0.result) }
        c["proargtypes"] = { .string($0.arguments.map(String.init).joined(separator: " ")) }
        c["proacl"] = { .acl($0.acl) }
        c["prosrc"] = { .string($0.source ?? $0.name) }
    }
}
