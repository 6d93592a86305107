// The columns of a file being written as trees: which leaves they have, at which levels, and the schema's elements.
// (Parquet specification, LogicalTypes.md: Nested Types.)

import Columns
import Diagnostics

/// A column of a file being written, or a part of one.
struct WriteNode: Sendable {
    indirect enum Kind: Sendable {
        /// A leaf, by its place among all leaves of the file.
        case leaf(Int)
        case row([WriteNode])
        case list(WriteNode)
        case map(key: WriteNode, value: WriteNode)
    }

    var name: String
    var id: Int32?
    var isNullable: Bool
    var kind: Kind
    /// The definition level at which it is not NULL, and that of the elements of a list.
    var present: Int
    var exists = 0
    /// The repetition level of further elements.
    var repeats = 0

    var leafCount: Int {
        switch kind {
        case .leaf: 1
        case .row(let fields): fields.reduce(0) { $0 + $1.leafCount }
        case .list(let element): element.leafCount
        case .map(let key, let value): key.leafCount + value.leafCount
        }
    }

    /// Schema elements of this part and what is below, in the order of the footer.
    func elements(_ leaves: [WriteLeaf]) -> [SchemaElement] {
        var element = SchemaElement()
        element.name = name
        element.repetition = isNullable ? 1 : 0
        element.id = id
        switch kind {
        case .leaf(let index): return [leaves[index].element]
        case .row(let fields):
            element.children = fields.count
            return [element] + fields.flatMap { $0.elements(leaves) }
        case .list(let item):
            (element.children, element.logical, element.converted) = (1, .list, 3)
            return [element, WriteNode.repeated("list", 1)] + item.elements(leaves)
        case .map(let key, let value):
            (element.children, element.logical, element.converted) = (1, .map, 1)
            return [element, WriteNode.repeated("key_value", 2)] + key.elements(leaves) + value.elements(leaves)
        }
    }

    private static func repeated(_ name: String, _ children: Int) -> SchemaElement {
        var element = SchemaElement()
        (element.name, element.repetition, element.children) = (name, 2, children)
        return element
    }
}

/// The schema of a file being written.
struct WriteTree: Sendable {
    private(set) var columns: [WriteNode] = []
    private(set) var leaves: [WriteLeaf] = []

    init(_ columns: [ParquetColumn]) throws(SQLError) {
        for column in columns { self.columns.append(try node(column, Place())) }
    }

    /// Where a part lies.
    private struct Place {
        var definition = 0
        var repetition = 0
        var path: [String] = []
        var depth = 0

        func inside(_ names: String...) -> Place {
            var place = self
            place.path += names
            place.depth += 1
            return place
        }

        func repeated(_ name: String) -> Place {
            var place = inside(name)
            place.definition += 1
            place.repetition += 1
            return place
        }
    }

    private mutating func node(_ column: ParquetColumn, _ outer: Place) throws(SQLError) -> WriteNode {
        guard outer.depth <= SQLType.nestingMax else {
            throw SQLError(
                .programLimitExceeded,
                "column \"\(column.name)\" has more than \(SQLType.nestingMax) levels of nesting")
        }
        var place = outer.inside(column.name)
        if column.isNullable { place.definition += 1 }
        var node = WriteNode(
            name: column.name, id: column.id, isNullable: column.isNullable, kind: .row([]),
            present: place.definition)
        let parts = try column.children()
        switch column.type {
        case .row:
            guard !parts.isEmpty else {
                throw SQLError(
                    .featureNotSupported, "column \"\(column.name)\": a struct without fields cannot be written")
            }
            var fields: [WriteNode] = []
            for part in parts { fields.append(try self.node(part, place)) }
            node.kind = .row(fields)
        case .array:
            let inner = place.repeated("list")
            (node.exists, node.repeats) = (inner.definition, inner.repetition)
            node.kind = .list(try self.node(parts[0], inner))
        case .map:
            let inner = place.repeated("key_value")
            (node.exists, node.repeats) = (inner.definition, inner.repetition)
            node.kind = .map(key: try self.node(parts[0], inner), value: try self.node(parts[1], inner))
        default:
            var leaf = try WriteLeaf(column)
            leaf.path = place.path
            (leaf.definitionMax, leaf.repetitionMax) = (place.definition, place.repetition)
            leaf.isPart = !outer.path.isEmpty
            leaves.append(leaf)
            node.kind = .leaf(leaves.count - 1)
        }
        return node
    }
}

extension ParquetColumn {
    /// The parts of a nested column: those given, or what the type says.
    fileprivate func children() throws(SQLError) -> [ParquetColumn] {
        let expected: [ParquetColumn] =
            switch type {
            case .row(let fields): fields.map { ParquetColumn($0.name, $0.type) }
            case .array(let element): [ParquetColumn("element", element)]
            case .map(let key, let value):
                [ParquetColumn("key", key, isNullable: false), ParquetColumn("value", value)]
            default: []
            }
        guard !parts.isEmpty else { return expected }
        guard parts.map(\.type) == expected.map(\.type) else {
            throw SQLError(.internalError, "column \"\(name)\" of type \(type.name) has other parts than its type")
        }
        return parts
    }
}
