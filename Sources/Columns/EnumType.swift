// Types of the user whose values are labels.
public import Diagnostics

/// A type made by CREATE TYPE ... AS ENUM. Values are the places of their labels.
public struct EnumType: Hashable, Sendable, Codable {
    public var schema: String
    public var name: String
    /// In their order.
    public var labels: [String]

    public init(schema: String, name: String, labels: [String]) {
        self.schema = schema
        self.name = name
        self.labels = labels
    }

    /// The label of a value; empty for a place that is not there.
    public func label(_ place: Int32) -> String {
        labels.indices.contains(Int(place)) ? labels[Int(place)] : ""
    }

    /// The value of a label.
    public func place(of label: String) throws(SQLError) -> Int32 {
        guard let place = labels.firstIndex(of: label) else {
            throw SQLError(
                .invalidTextRepresentation, "invalid input value for enum \(printedName): \"\(label)\"")
        }
        return Int32(truncatingIfNeeded: place)
    }

    /// As format_type prints it: types of other schemas than public come with theirs.
    var printedName: String {
        schema == "public" ? SQLType.quoted(name) : "\(SQLType.quoted(schema)).\(SQLType.quoted(name))"
    }

    /// The name with its schema, as tables keep it.
    public var qualifiedName: String { EnumType.qualified(schema, name) }

    /// Both parts in quotes, so that it can be told from the names of other types.
    public static func qualified(_ schema: String, _ name: String) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        }
        return "\(quoted(schema)).\(quoted(name))"
    }
}

extension SQLType {
    /// The label type inside arrays and structs, too.
    public var holdsEnumeration: Bool {
        switch self {
        case .enumeration: true
        case .array(let element): element.holdsEnumeration
        case .row(let fields): fields.contains { $0.type.holdsEnumeration }
        case .map(let key, let value): key.holdsEnumeration || value.holdsEnumeration
        default: false
        }
    }

    /// The type as tables keep its name: the user's types with their schemas.
    public var writtenName: String {
        switch self {
        case .enumeration(let type): type.qualifiedName
        case .array(let element): element.writtenName + "[]"
        case .row(let fields):
            "struct(" + fields.map { "\(SQLType.quoted($0.name)) \($0.type.writtenName)" }.joined(separator: ", ") + ")"
        case .map(let key, let value): "map(\(key.writtenName), \(value.writtenName))"
        default: name
        }
    }
}
