// Types of the system catalog: numbers that stand for names, and short texts. Their values are stored as bigint or text.
public import Diagnostics

/// A type that only pg_catalog has.
public enum SystemType: String, Hashable, Sendable, Codable, CaseIterable {
    /// Numbers of 32 bits, kept as Int64.
    case oid, xid, cid
    /// An oid that prints as the name of what it stands for.
    case regclass, regtype, regproc, regprocedure, regnamespace, regrole, regoper, regoperator, regcollation
    /// A name of at most 63 bytes.
    case name
    /// One byte.
    case char = "\"char\""
    case aclitem
    /// An expression as SQL text.
    case nodeTree = "pg_node_tree"
    /// Numbers with blanks between them; unlike arrays they count from 0.
    case int2vector, oidvector
    /// Addresses, held as ``NetworkAddress/key``.
    case inet, cidr
    /// Held as ``ZonedTime/packed``.
    case timetz = "time with time zone"

    /// Whether values are numbers.
    public var isNumber: Bool {
        switch self {
        case .oid, .xid, .cid: true
        case .name, .char, .aclitem, .nodeTree, .int2vector, .oidvector, .inet, .cidr, .timetz: false
        default: isReference
        }
    }

    /// Whether it is a type for values of users: neither number nor text.
    public var isValue: Bool { self == .inet || self == .cidr || self == .timetz }
    /// Whether values are texts.
    public var isText: Bool { !isNumber && !isValue }

    /// Whether values are numbers that print as names.
    public var isReference: Bool {
        switch self {
        case .regclass, .regtype, .regproc, .regprocedure, .regnamespace, .regrole, .regoper, .regoperator,
            .regcollation:
            true
        case .oid, .xid, .cid, .name, .char, .aclitem, .nodeTree, .int2vector, .oidvector, .inet, .cidr, .timetz: false
        }
    }

    /// The array type that a vector may be used as.
    public var vector: SQLType? {
        switch self {
        case .int2vector: .array(.int2)
        case .oidvector: .array(.system(.oid))
        default: nil
        }
    }
}

/// What the catalog calls things by.
public protocol SystemNames: Sendable {
    /// The text of a reference, nil when nothing has this number.
    func text(of type: SystemType, _ oid: Int64) -> String?
}

extension SQLType {
    /// A number that prints as a name.
    public var reference: SystemType? {
        if case .system(let type) = self, type.isReference { return type }
        return nil
    }

    /// Whether this is inet or cidr.
    public var isNetwork: Bool { self == .system(.inet) || self == .system(.cidr) }

    /// What tables keep for this type: those of the system catalog are bigint or text there.
    public var stored: SQLType {
        switch self {
        case .system(let type): type.isNumber ? .int8 : .text
        case .enumeration, .bit, .varbit: .text
        case .array(let element): .array(element.stored)
        case .row(let fields): .row(fields.map { StructField($0.name, $0.type.stored) })
        case .map(let key, let value): .map(key: key.stored, value: value.stored)
        default: self
        }
    }
}

/// The text forms of catalog types.
public enum SystemText {
    /// Bytes of a name.
    public static let nameBytesMax = 63

    /// What `"char"` keeps of a text: its first byte. Characters of several bytes are cut away whole.
    public static func firstByte(_ text: String) -> String {
        guard let first = text.utf8.first, first < 0x80 else { return "" }
        return String(UnicodeScalar(first))
    }

    /// What `name` keeps of a text: 63 bytes, cut between characters.
    public static func name(_ text: String) -> String {
        guard text.utf8.count > nameBytesMax else { return text }
        var cut = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            bytes += String(scalar).utf8.count
            guard bytes <= nameBytesMax else { break }
            cut.unicodeScalars.append(scalar)
        }
        return cut
    }

    /// A number of 32 bits; negative ones count from the top, as in PostgreSQL.
    public static func oid(_ text: String, _ type: SystemType) throws(SQLError) -> Int64 {
        let trimmed = text.filter { $0 != " " }
        if trimmed == "-", type.isReference { return 0 }
        guard let number = Int64(trimmed) else {
            throw SQLError(
                .invalidTextRepresentation, "invalid input syntax for type \(type.rawValue): \"\(text)\"")
        }
        guard number >= Int64(Int32.min), number <= Int64(UInt32.max) else {
            throw SQLError(
                .numericValueOutOfRange, "value \"\(text)\" is out of range for type \(type.rawValue)")
        }
        return Int64(UInt32(truncatingIfNeeded: number))
    }
}
