// SQL types as the wire names them: OIDs, lengths and modifiers of PostgreSQL's pg_type.
public import Columns
public import Diagnostics

/// The catalog numbers of types.
public enum PostgresType {
    public static let name: UInt32 = 19
    public static let char: UInt32 = 18
    public static let oid: UInt32 = 26

    /// OID of every type with an array type; the element's modifiers do not count.
    private static let table: [(type: SQLType, oid: UInt32, array: UInt32, length: Int16)] = [
        (.boolean, 16, 1000, 1),
        (.bytea, 17, 1001, -1),
        (.int8, 20, 1016, 8),
        (.int2, 21, 1005, 2),
        (.int4, 23, 1007, 4),
        (.text, 25, 1009, -1),
        (.float4, 700, 1021, 4),
        (.float8, 701, 1022, 8),
        (.char(1), 1042, 1014, -1),
        (.varchar(nil), 1043, 1015, -1),
        (.date, 1082, 1182, 4),
        (.time, 1083, 1183, 8),
        (.system(.timetz), 1266, 1270, 12),
        (.system(.cidr), 650, 651, -1),
        (.system(.inet), 869, 1041, -1),
        (.timestamp, 1114, 1115, 8),
        (.timestamptz, 1184, 1185, 8),
        (.interval, 1186, 1187, 16),
        (.numeric, 1700, 1231, -1),
        (.uuid, 2950, 2951, 16),
        (.json, 114, 199, -1),
        (.jsonb, 3802, 3807, -1),
        (.bit(1), 1560, 1561, -1),
        (.varbit(nil), 1562, 1563, -1),
        (.row([]), 2249, 2287, -1),
        (.system(.char), 18, 1002, 1),
        (.system(.name), 19, 1003, 64),
        (.system(.int2vector), 22, 1006, -1),
        (.system(.regproc), 24, 1008, 4),
        (.system(.oid), 26, 1028, 4),
        (.system(.xid), 28, 1011, 4),
        (.system(.cid), 29, 1012, 4),
        (.system(.oidvector), 30, 1013, -1),
        (.system(.nodeTree), 194, 1009, -1),
        (.system(.aclitem), 1033, 1034, 12),
        (.system(.regprocedure), 2202, 2207, 4),
        (.system(.regoper), 2203, 2208, 4),
        (.system(.regoperator), 2204, 2209, 4),
        (.system(.regclass), 2205, 2210, 4),
        (.system(.regtype), 2206, 2211, 4),
        (.system(.regnamespace), 4089, 4090, 4),
        (.system(.regrole), 4096, 4097, 4),
        (.system(.regcollation), 4191, 4192, 4),
    ]

    /// Types that have no type of their own here and travel as another: OID to that type and its byte length.
    private static let aliases: [UInt32: (type: SQLType, length: Int16)] = [
        142: (.text, -1),  // xml
        2278: (.text, 4),  // void
    ]

    private static func base(_ type: SQLType) -> SQLType {
        switch type {
        case .unknown: .text
        case .decimal: .numeric
        case .varchar: .varchar(nil)
        case .char: .char(1)
        case .bit: .bit(1)
        case .varbit: .varbit(nil)
        case .array(let element): base(element)
        // Clients know structs as anonymous records, and maps by their text.
        case .row: .row([])
        case .map: .text
        case .boolean, .int2, .int4, .int8, .float4, .float8, .numeric, .text, .bytea, .date, .time, .timestamp,
            .timestamptz, .interval, .uuid, .json, .jsonb, .system, .enumeration:
            type
        }
    }

    /// The OID that announces a type. Arrays of arrays have the OID of the innermost element's array.
    public static func oid(_ type: SQLType) -> UInt32 {
        let base = base(type)
        if case .enumeration(let labels) = base {
            let oid = StableOID.type(labels.schema, labels.name)
            if case .array = type { return UInt32(truncatingIfNeeded: StableOID.arrayType(labels.schema, labels.name)) }
            return UInt32(truncatingIfNeeded: oid)
        }
        guard let row = table.first(where: { $0.type == base }) else { return 25 }
        if case .array = type { return row.array }
        return row.oid
    }

    /// The OID of the elements of an array.
    static func elementOID(_ type: SQLType) -> UInt32 { oid(base(type)) }

    /// typlen: bytes of a value, -1 when they vary.
    public static func length(_ oid: UInt32) -> Int16 {
        table.first { $0.oid == oid }?.length ?? aliases[oid]?.length ?? -1
    }

    /// atttypmod: precision and scale, or length.
    public static func modifier(_ type: SQLType) -> Int32 {
        switch type {
        case .decimal(let precision, let scale): Int32(precision << 16 | scale) + 4
        case .varchar(.some(let length)), .char(let length): Int32(clamping: length + 4)
        case .bit(let length), .varbit(.some(let length)): Int32(clamping: length)
        case .array(let element): modifier(element)
        case .unknown, .boolean, .int2, .int4, .int8, .float4, .float8, .numeric, .text, .varchar(nil), .bytea, .date,
            .time, .timestamp, .timestamptz, .interval, .uuid, .json, .jsonb, .system, .row, .map, .varbit(nil),
            .enumeration:
            -1
        }
    }

    /// The type of a parameter that a client declares; nil when it leaves it open.
    public static func type(_ oid: UInt32) throws(SQLError) -> SQLType? {
        if oid == 0 || oid == 705 { return nil }
        // A bpchar parameter has no length: text takes every string.
        if oid == 1042 { return .text }
        if oid == 1014 { return .array(.text) }
        // References come as names, which are looked up.
        if let row = table.first(where: { $0.oid == oid }) { return row.type.reference == nil ? row.type : .text }
        if let row = table.first(where: { $0.array == oid }) { return .array(row.type) }
        if let alias = aliases[oid] { return alias.type }
        throw SQLError(.undefinedObject, "type with OID \(oid) does not exist")
    }

    /// Whether a type of integers travels in four bytes in binary format: oid and its kin.
    static func isFourByteAlias(_ oid: UInt32?) -> Bool {
        guard let oid else { return false }
        return length(oid) == 4 && (aliases[oid] != nil || oid == Self.oid)
    }
}
