// The tree of a file's column: structs, lists in all their forms, maps, and the levels that tell which parts are there.
// (Parquet specification, LogicalTypes.md: Nested Types, with their rules for files of old writers.)

import Columns

/// A column of a file, or a part of one.
struct FileNode: Sendable {
    indirect enum Kind: Sendable {
        case leaf(Leaf)
        case row([FileNode])
        case list(FileNode)
        case map(key: FileNode, value: FileNode)
    }

    var name: String
    var id: Int32?
    var kind: Kind
    /// The definition level from which on it is not NULL.
    var present: Int
    /// Lists and maps: the definition level from which on there is an element, and the repetition level of further
    /// ones.
    var exists = 0
    var repeats = 0
    var isOptional: Bool

    var type: SQLType {
        switch kind {
        case .leaf(let leaf): leaf.type
        case .row(let fields): .row(fields.map { StructField($0.name, $0.type) })
        case .list(let element): .array(element.type)
        case .map(let key, let value): .map(key: key.type, value: value.type)
        }
    }

    /// The parts: fields of a struct, the element of a list, key and value of a map.
    var children: [FileNode] {
        switch kind {
        case .leaf: []
        case .row(let fields): fields
        case .list(let element): [element]
        case .map(let key, let value): [key, value]
        }
    }

    /// As table formats see it.
    var field: FileField {
        var field = FileField(name, type, isNullable: isOptional, id: id)
        field.children = children.map(\.field)
        return field
    }

    /// A leaf below, to tell how many of this node there are.
    var firstLeaf: Leaf? {
        if case .leaf(let leaf) = kind { return leaf }
        return children.first?.firstLeaf
    }

    /// The part that a path of fields leads to; nil when the shape does more than that.
    func part(_ shape: FileShape) -> FileNode? {
        switch shape {
        case .named, .value: return self
        case .field(let index, let inner):
            guard case .row(let fields) = kind, fields.indices.contains(index) else { return nil }
            return fields[index].part(inner)
        case .row, .list, .map: return nil
        }
    }

    /// All leaves below.
    var leaves: [Leaf] {
        if case .leaf(let leaf) = kind { return [leaf] }
        return children.flatMap(\.leaves)
    }
}

/// Reads the elements of a schema as trees.
struct NodeReader {
    private let elements: [SchemaElement]
    private(set) var at = 1
    private(set) var leaves = 0

    init(_ elements: [SchemaElement]) { self.elements = elements }

    /// Why a column cannot be read, noted by whoever finds it.
    private(set) var unsupported: String?

    /// The next column of the schema's top level; nil and `unsupported` when it cannot be read.
    mutating func column() throws(Damage) -> FileNode? {
        unsupported = nil
        return try node(Levels(), depth: 0)
    }

    /// How deep the enclosing parts are.
    private struct Levels {
        var definition = 0
        var repetition = 0
    }

    private mutating func element(depth: Int) throws(Damage) -> SchemaElement {
        guard at < elements.count else { throw Damage("the schema ends too early") }
        guard depth < NodeReader.depthMax else { throw Damage("the schema is nested too deeply") }
        at += 1
        return elements[at - 1]
    }

    /// Groups inside groups that are followed.
    private static let depthMax = 128
    /// Levels are kept in bytes.
    private static let levelMax = 250

    /// Notes why the column at hand cannot be read, and steps over what is left of it.
    private mutating func skip(_ element: SchemaElement, _ reason: String, depth: Int) throws(Damage) -> FileNode? {
        if unsupported == nil { unsupported = reason }
        if element.children == 0, element.physical != nil { leaves += 1 }
        for _ in 0..<element.children {
            let child = try self.element(depth: depth + 1)
            _ = try skip(child, reason, depth: depth + 1)
        }
        return nil
    }

    /// A node in its place: optional, required, or a repeated one that stands for a list.
    private mutating func node(_ levels: Levels, depth: Int) throws(Damage) -> FileNode? {
        let element = try element(depth: depth)
        guard element.repetition == 2 else { return try single(element, levels, depth: depth) }
        // Repeated without an annotation: a list of elements, neither of which is ever NULL.
        let inner = Levels(definition: levels.definition + 1, repetition: levels.repetition + 1)
        guard let content = try interpreted(element, inner, depth: depth) else { return nil }
        return list(element, of: content, present: levels.definition, inner, isOptional: false)
    }

    private func list(
        _ element: SchemaElement, of content: FileNode, present: Int, _ inner: Levels, isOptional: Bool
    ) -> FileNode {
        FileNode(
            name: element.name, id: element.id, kind: .list(content), present: present, exists: inner.definition,
            repeats: inner.repetition, isOptional: isOptional)
    }

    /// A node that is optional or required.
    private mutating func single(
        _ element: SchemaElement, _ levels: Levels, depth: Int
    ) throws(Damage) -> FileNode? {
        var inner = levels
        if element.repetition == 1 { inner.definition += 1 }
        return try interpreted(element, inner, depth: depth)
    }

    /// What an element is by its annotation; `levels` are those at which it is not NULL.
    private mutating func interpreted(
        _ element: SchemaElement, _ levels: Levels, depth: Int
    ) throws(Damage) -> FileNode? {
        if element.logical == .variant { return try skip(element, "a VARIANT column", depth: depth) }
        if element.children == 1, at < elements.count, elements[at].repetition == 2 {
            if element.logical == .list || element.converted == 3 {
                return try list(element, levels, depth: depth)
            }
            let isMap = element.logical == .map || element.converted == 1 || element.converted == 2
            if isMap, elements[at].children > 0 { return try map(element, levels, depth: depth) }
        }
        return try content(element, levels, depth: depth)
    }

    /// The content of an element at the level at which it is not NULL: a leaf, or a struct.
    private mutating func content(
        _ element: SchemaElement, _ levels: Levels, depth: Int
    ) throws(Damage) -> FileNode? {
        guard levels.definition <= NodeReader.levelMax, levels.repetition <= NodeReader.levelMax else {
            return try skip(element, "a column with more than \(NodeReader.levelMax) levels", depth: depth)
        }
        guard element.children > 0 else {
            guard element.physical != nil else { return try skip(element, "a group without columns", depth: depth) }
            return try leaf(element, levels, isPart: depth > 0)
        }
        if depth >= SQLType.nestingMax {
            return try skip(element, "more than \(SQLType.nestingMax) levels of nesting", depth: depth)
        }
        var fields: [FileNode] = []
        var names: Set<String> = []
        for _ in 0..<element.children {
            guard var field = try node(levels, depth: depth + 1) else { continue }
            // SQL finds fields by their names.
            var copies = 1
            let name = field.name
            while !names.insert(field.name).inserted {
                field.name = "\(name)_\(copies)"
                copies += 1
            }
            fields.append(field)
        }
        guard unsupported == nil else { return nil }
        return FileNode(
            name: element.name, id: element.id, kind: .row(fields), present: levels.definition,
            isOptional: element.repetition == 1)
    }

    private mutating func leaf(
        _ element: SchemaElement, _ levels: Levels, isPart: Bool
    ) throws(Damage) -> FileNode? {
        let index = leaves
        leaves += 1
        switch Leaf.meaning(of: element) {
        case .success(let (type, form)):
            let leaf = Leaf(
                name: element.name, physical: element.physical ?? .boolean, length: element.length,
                isOptional: element.repetition == 1, index: index, type: type, form: form,
                definitionMax: levels.definition, repetitionMax: levels.repetition, isPart: isPart)
            return FileNode(
                name: element.name, id: element.id, kind: .leaf(leaf), present: levels.definition,
                isOptional: element.repetition == 1)
        case .failure(let damage):
            if damage.kind == .corrupted { throw damage }
            if unsupported == nil { unsupported = damage.reason }
            return nil
        }
    }

    // MARK: - Lists and maps

    /// A group annotated as LIST: its one child is repeated, and is the element or holds it.
    private mutating func list(
        _ element: SchemaElement, _ levels: Levels, depth: Int
    ) throws(Damage) -> FileNode? {
        let repeated = try self.element(depth: depth + 1)
        let inner = Levels(definition: levels.definition + 1, repetition: levels.repetition + 1)
        let isElement =
            repeated.children != 1 || repeated.name == "array" || repeated.name == element.name + "_tuple"
            || (at < elements.count && elements[at].repetition == 2)
        let content =
            isElement ? try interpreted(repeated, inner, depth: depth + 1) : try node(inner, depth: depth + 2)
        guard let content else { return nil }
        return list(element, of: content, present: levels.definition, inner, isOptional: element.repetition == 1)
    }

    /// A group annotated as MAP: its one child is repeated and holds keys and, as a rule, values.
    private mutating func map(
        _ element: SchemaElement, _ levels: Levels, depth: Int
    ) throws(Damage) -> FileNode? {
        let repeated = try self.element(depth: depth + 1)
        let inner = Levels(definition: levels.definition + 1, repetition: levels.repetition + 1)
        var parts: [FileNode] = []
        for _ in 0..<repeated.children {
            if let part = try node(inner, depth: depth + 2) { parts.append(part) }
        }
        guard unsupported == nil else { return nil }
        switch parts.count {
        case 2:
            return FileNode(
                name: element.name, id: element.id, kind: .map(key: parts[0], value: parts[1]),
                present: levels.definition, exists: inner.definition, repeats: inner.repetition,
                isOptional: element.repetition == 1)
        case 1:
            // Without values it is a set.
            return list(
                element, of: parts[0], present: levels.definition, inner, isOptional: element.repetition == 1)
        default:
            let entry = FileNode(
                name: repeated.name, id: repeated.id, kind: .row(parts), present: inner.definition, isOptional: false)
            return list(element, of: entry, present: levels.definition, inner, isOptional: element.repetition == 1)
        }
    }
}
